import { readFileSync } from 'node:fs'
import { resolveDevice, tensor, type DeviceName } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import type { DecoderConfig } from '../architectures/config.js'
import { forward } from '../architectures/decoder.js'
import { gpt2 } from '../architectures/gpt2.js'
import { llama } from '../architectures/llama.js'
import { mapWeights, namedWeights, weightSpecs, type DecoderWeights } from '../architectures/weights.js'
import { rotaryTables } from '../layers/rotary.js'
import { train } from './run.js'

/** What PyTorch computes in double precision; made by tools/goldens/transformer.py, which also says how weights are made. */
interface Goldens {
  readonly ids: number[][]
  readonly targets: number[][]
  readonly decoders: Record<
    string,
    {
      readonly logits: number[]
      readonly steps: { readonly loss: number; readonly gradNorm: number }[]
      readonly after: Record<string, { readonly sum: number; readonly first: number }>
    }
  >
}

const goldens = JSON.parse(readFileSync(new URL('../__fixtures__/decoders.json', import.meta.url), 'utf8')) as Goldens
const sizes = { vocabSize: 11, width: 8, layers: 2, heads: 4, context: 6 }
const grouped = { ...sizes, kvHeads: 2, headWidth: 4, hidden: 12 }
const configs: Record<string, DecoderConfig> = {
  gpt2: gpt2(sizes),
  'gpt2 released': gpt2({ ...sizes, activation: 'geluTanh' }),
  nanogpt: gpt2({ ...sizes, bias: false }),
  llama: llama(grouped),
  'llama2.c': llama({ ...grouped, tied: true, ropeInterleaved: true }),
}

function goldenWeights(config: DecoderConfig): DecoderWeights {
  let k = 0
  return mapWeights(weightSpecs(config), ({ shape }, name) => {
    const base = name.includes('orm.weight') ? 1 : 0
    const phase = 0.9 * k++ + 1
    return tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => base + 0.4 * Math.sin(1.7 * i + phase)),
      { shape },
    )
  })
}

describe.each<DeviceName>(['reference', 'cpu'])('on %s, as PyTorch', (name) => {
  it.each(Object.keys(configs))('computes logits of %s within 5e-5', async (key) => {
    const config = configs[key]!
    const rotary = config.positions === 'rotary' ? { rotary: rotaryTables(config) } : {}
    const logits = await forward(goldenWeights(config), tensor(goldens.ids, { dtype: 'i32' }), { config, ...rotary }).data({
      device: await resolveDevice(name),
    })
    goldens.decoders[key]!.logits.forEach((value, i) => expect(Math.abs(logits[i]! - value)).toBeLessThan(5e-5))
  })

  it.each(Object.keys(configs))('takes three steps of %s: loss, gradient norm, clipping, AdamW', async (key) => {
    const config = configs[key]!
    const { steps, after } = goldens.decoders[key]!
    const batch = { ids: Int32Array.from(goldens.ids.flat()), targets: Int32Array.from(goldens.targets.flat()), rows: 2, length: 6 }
    const data = { at: () => ({ ...batch, ids: batch.ids.slice(), targets: batch.targets.slice() }) }
    using run = train({ config, weights: goldenWeights(config), data, steps: 3, learningRate: 1e-2, device: await resolveDevice(name) })
    let step = 0
    for await (const { loss, gradNorm, tokens } of run) {
      const expected = steps[step++]!
      expect(Math.abs(loss - expected.loss)).toBeLessThan(2e-5 * expected.loss)
      expect(Math.abs(gradNorm - expected.gradNorm)).toBeLessThan(2e-4 * expected.gradNorm)
      expect(tokens).toBe(10)
    }
    for (const [weight, value] of namedWeights(run.weights)) {
      // A bias of the keys shifts all scores of a query alike, so its gradient is nothing but rounding, which Adam makes into whole steps.
      if (weight.endsWith('key.bias')) continue
      const values = Array.from(await value.data())
      expect(Math.abs(values[0]! - after[weight]!.first), weight).toBeLessThan(1e-3)
      expect(Math.abs(values.reduce((a, b) => a + b, 0) - after[weight]!.sum), weight).toBeLessThan(1e-3 * Math.sqrt(values.length))
    }
  })
})
