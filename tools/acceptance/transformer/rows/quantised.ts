// Bars 1 and 3: quantised weights as the gguf package of Python has them, what they keep of a model, and what they take of memory.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openGguf, quantizeBlocks, type QuantizedType } from '@tesserae/tensor'
import { createModel, gpt2, initWeights, modelMemory, packedLayout, quantize } from '@tesserae/transformer'
import { atMost, row, type Row, type RowSource } from '../../lib/row.js'

const fixtures = join(import.meta.dirname, '../../../../packages/tensor/src/io/gguf/__fixtures__')
const floats = (bytes: Uint8Array): Float32Array => new Float32Array(Uint8Array.from(bytes).buffer)
const base64 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'))

const source: RowSource = async () => [await repacked(), made(), ...(await kept())]
export default source

/** Largest difference of weights in blocks from those of the package, by units in the last place of the larger of two terms. */
async function repacked(): Promise<Row> {
  const { tensors } = JSON.parse(readFileSync(join(fixtures, 'python.json'), 'utf8')) as {
    readonly tensors: Record<string, { readonly type: string; readonly values?: string }>
  }
  const file = await openGguf(new Uint8Array(readFileSync(join(fixtures, 'python.gguf'))))
  let worst = 0
  const types: string[] = []
  for (const [name, { type, values }] of Object.entries(tensors)) {
    if (values === undefined || file.layout(name) === undefined) continue
    types.push(type)
    const { bits, block, packed, ...parts } = await file.quantized(name)
    const scales = floats(parts.scales.bytes)
    const mins = parts.mins === undefined ? undefined : floats(parts.mins.bytes)
    floats(base64(values)).forEach((weight, i) => {
      const b = Math.floor(i / block)
      const stored = bits === 8 ? packed.bytes[i]! - 128 : ((packed.bytes[i >> 1]! >> (4 * (i & 1))) & 15) - 8
      const ours = Math.fround(Math.fround(scales[b]! * stored) - (mins?.[b] ?? 0))
      const larger = Math.max(Math.abs(8 * scales[b]!), Math.abs(mins?.[b] ?? 0))
      if (ours !== weight) worst = Math.max(worst, Math.abs(ours - weight) / (larger * 2 ** -23))
    })
  }
  return atMost('GGUF types in blocks, largest difference from the gguf package', worst, 1, {
    unit: 'units in the last place',
    note: types.join(', '),
  })
}

function made(): Row {
  const fixture = JSON.parse(readFileSync(join(fixtures, 'quantize.json'), 'utf8')) as Record<QuantizedType | 'values', string>
  const values = floats(base64(fixture.values))
  const types = ['Q8_0', 'Q4_0', 'Q4_1'] as const
  const same = types.filter((type) => Buffer.from(quantizeBlocks(type, values)).equals(base64(fixture[type])))
  return row(
    'blocks made of weights, byte for byte those of the gguf package',
    'all 3',
    String(same.length),
    same.length === types.length,
    types.join(', '),
  )
}

/** A random model's logits and memory. */
async function kept(): Promise<Row[]> {
  const config = gpt2({ vocabSize: 2048, width: 256, layers: 4, heads: 8, context: 128 })
  const ids = Array.from({ length: 64 }, (_, i) => (i * 7919) % config.vocabSize)
  const logitsOf = async (type: 'q8_0' | 'q4_0' | undefined): Promise<Float32Array> => {
    const whole = { config, weights: initWeights(config, { seed: 1 }) }
    const model = await createModel({ ...(type === undefined ? whole : await quantize(whole, { type })), device: 'cpu' })
    try {
      return await model.logits(ids)
    } finally {
      model.dispose()
    }
  }
  const reference = await logitsOf(undefined)
  const bytesOf = (layout?: ReturnType<typeof packedLayout>): number =>
    modelMemory(config, layout === undefined ? {} : { layout }).weights.reduce((sum, { bytes }) => sum + bytes, 0)
  const rows: Row[] = []
  for (const [type, bits, limit] of [
    ['q8_0', 8, 0.02],
    ['q4_0', 4, 0.25],
  ] as const) {
    const logits = await logitsOf(type)
    let [off, all] = [0, 0]
    reference.forEach((value, i) => {
      off += (value - logits[i]!) ** 2
      all += value ** 2
    })
    rows.push(
      atMost(`${type}: difference of logits from f32, relative`, Math.sqrt(off / all), limit, {
        digits: 4,
        note: `random GPT-2; weights take ${(bytesOf(packedLayout(bits)) / bytesOf()).toFixed(3)} of f32's bytes`,
      }),
    )
  }
  return rows
}
