// Bar 1: a real trained Llama continues as llama2.c does, on ONNX Runtime and on the reference interpreter.
import { readFileSync } from 'node:fs'
import { jit, resolveDevice, sym, tensor, type Device, type DeviceName, type Tensor } from '@tesserae/tensor'
import {
  createModel,
  disposeRotary,
  FixedCache,
  forwardCached,
  rotaryTables,
  type DecoderModel,
  type LoadedModel,
} from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'
import { dataFile } from '../../lib/data.js'
import { atMost, row, type Row, type RowSource } from '../../lib/row.js'

interface Expected {
  readonly prompt_ids: readonly number[]
  /** The rest of the prompt, then what is sampled. */
  readonly greedy_ids: readonly number[]
  readonly logits_pos0_2: readonly (readonly number[])[]
}

const tolerance = 1e-4

const source: RowSource = async ({ log }) => {
  const expected = JSON.parse(readFileSync(dataFile('stories260K.expected.json'), 'utf8')) as Expected[]
  const rows: Row[] = []
  for (const name of ['cpu', 'reference'] satisfies DeviceName[]) {
    const device = await resolveDevice(name)
    const onnx = device.description.startsWith('onnxruntime')
    if (name === 'cpu' && !onnx)
      rows.push(row('stories260K on ONNX Runtime', 'ONNX Runtime', device.description, false, 'the CPU device fell back to something else'))
    const loaded = await loadCheckpoint(dataFile('stories260K.bin'))
    using model = await createModel({ ...loaded, device })
    for (const useCache of [true, false]) {
      const label = `${device.name === 'cpu' ? 'onnx' : device.name}, ${useCache ? 'with' : 'without'} the KV cache`
      const start = performance.now()
      rows.push(await greedy(model, expected, useCache, label))
      log(`${label}: ${((performance.now() - start) / 1000).toFixed(1)} s`)
      rows.push(await logits(model, loaded, expected, useCache, device, label))
    }
  }
  return rows
}
export default source

async function greedy(model: DecoderModel, expected: readonly Expected[], useCache: boolean, label: string): Promise<Row> {
  const wanted = expected.map(({ prompt_ids, greedy_ids }) => greedy_ids.slice(prompt_ids.length - 1))
  let equal = 0
  for (const [i, { prompt_ids }] of expected.entries()) {
    const { ids } = await model.generate(prompt_ids, { maxTokens: wanted[i]!.length, useCache })
    const differs = ids.findIndex((id, k) => id !== wanted[i]![k])
    equal += (differs < 0 ? wanted[i]!.length : differs) + prompt_ids.length - 1
  }
  const all = expected.reduce((sum, { greedy_ids }) => sum + greedy_ids.length, 0)
  return row(
    `stories260K, ${label}: greedy ids of both prompts equal to llama2.c's`,
    `${all} of ${all}`,
    `${equal} of ${all}`,
    equal === all,
  )
}

async function logits(
  model: DecoderModel,
  loaded: LoadedModel,
  expected: readonly Expected[],
  useCache: boolean,
  device: Device,
  label: string,
): Promise<Row> {
  let worst = 0
  for (const { prompt_ids, greedy_ids, logits_pos0_2 } of expected) {
    const ids = [prompt_ids[0]!, ...greedy_ids.slice(0, 2)]
    const found = useCache ? await oneByOne(loaded, ids, device) : await model.logits(ids)
    logits_pos0_2.flat().forEach((logit, i) => (worst = Math.max(worst, Math.abs(found[i]! - logit))))
  }
  return atMost(`stories260K, ${label}: logits of three positions, largest difference`, worst, tolerance, { digits: 6 })
}

/** Logits of each position, the tokens going in one by one. */
async function oneByOne({ config, weights }: LoadedModel, ids: readonly number[], device: Device): Promise<number[]> {
  const position = sym('position', { max: config.context })
  const rotary = rotaryTables(config)
  using step = jit((layers: FixedCache['layers'], id: Tensor) => forwardCached(weights, id, layers, { config, rotary, position }), {
    donate: [0],
    device,
  })
  using cache = new FixedCache(config, { capacity: 16 })
  const out: number[] = []
  for (const id of ids) {
    using input = tensor([[id]], { dtype: 'i32' })
    const result = await step.run([cache.layers, input], { symbols: new Map([[position, cache.position]]) })
    cache.replace(result.cache, 1)
    out.push(...(await result.logits.data()))
    result.logits.dispose()
  }
  disposeRotary(rotary)
  return out
}
