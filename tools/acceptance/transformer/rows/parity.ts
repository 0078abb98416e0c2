// Bar 1: tiny random checkpoints of every architecture against transformers (tools/transformer/generate-model-fixtures.py). Logits and 20 greedy tokens on the CPU with a cache, without, and side by side in
// one batch; the same tokens by GGUF, on WebGPU (Chromium's software adapter) and on CUDA (its emulator).
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCuda } from '../../../../packages/tensor/src/device/cuda/device.js'
import { emulatedDriver } from '../../../../packages/tensor/src/device/cuda/testing/driver.js'
import {
  answersOf,
  batchOf,
  checkpointNames,
  fixtures,
  greedyOf,
  logitsApart,
  parityModel,
} from '../../../../packages/transformer/src/checkpoints/testing/parity.js'
import { loadCheckpoint } from '../../../../packages/transformer/src/checkpoints/node/model.js'
import { findChromium, noChromium } from '../../../../tests/browser/chromium.js'
import { openWebGpuPage } from '../../../../tests/browser/webgpu-page.js'
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'

type Log = (line: string) => void

/** Largest difference of a logit. */
const BAR = 1e-4
/** Held on graphics cards too. */
const onCards = ['llama', 'gemma3', 'qwen3']

const source: RowSource = async ({ log }) => [...(await onCpu(log)), ...(await onWebGpu(log)), ...(await onCuda(log))]
export default source

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

async function onCpu(log: Log): Promise<Row[]> {
  const files = checkpointNames.flatMap((name) => (name.endsWith('-f32') ? [name, name.replace(/-f32$/, '.gguf')] : [name]))
  const rows: Row[] = []
  for (const name of files) {
    const answers = answersOf(name)
    const { config, weights } = await loadCheckpoint(join(fixtures, name))
    using model = await parityModel({ config, weights, device: 'cpu' })
    const apart = await logitsApart(model, answers)
    const ways = {
      cached: same(await greedyOf(model, answers, true), answers.greedy),
      uncached: same(await greedyOf(model, answers, false), answers.greedy),
      'in a batch of 3': same(await batchOf(model, answers, 'cpu'), answers.batch.greedy),
    }
    const wrong = Object.entries(ways).flatMap(([way, right]) => (right ? [] : [way]))
    const window = Math.max(0, ...(config.windows ?? []))
    rows.push(
      row(
        `${name}: logits, 20 tokens`,
        `≤ ${BAR}, same ids`,
        `${apart.toExponential(1)}, ${wrong.length === 0 ? 'same ids' : `other ids ${wrong.join(', ')}`}`,
        apart <= BAR && wrong.length === 0,
        `with a cache, without, and batch of 3${window === 0 ? '' : `; 60 tokens past a window of ${window}`}`,
      ),
    )
    log(`${rows.at(-1)!.figure}: ${rows.at(-1)!.measured}`)
  }
  return rows
}

async function onWebGpu(log: Log): Promise<Row[]> {
  const executable = findChromium()
  if (executable === undefined) return [unavailable('the same tokens on WebGPU', 'same ids', noChromium)]
  await using opened = await openWebGpuPage(executable)
  const rows: Row[] = []
  for (const name of onCards) {
    const { prompt, greedy } = answersOf(`${name}.gguf`)
    const gguf = readFileSync(join(fixtures, `${name}.gguf`)).toString('base64')
    const { ids } = await opened.run('page', 'continued', { gguf, prompt, tokens: greedy.length, device: 'webgpu' })
    rows.push(told(`${name}: 20 tokens on WebGPU (software adapter of Chromium)`, ids, greedy))
    log(`${rows.at(-1)!.figure}: ${rows.at(-1)!.measured}`)
  }
  return rows
}

async function onCuda(log: Log): Promise<Row[]> {
  const device = openCuda(emulatedDriver({ checks: { races: false, shared: false, global: false } }))
  const rows: Row[] = []
  try {
    for (const name of onCards) {
      const answers = answersOf(`${name}-f32`)
      const { config, weights } = await loadCheckpoint(join(fixtures, `${name}-f32`))
      using model = await parityModel({ config, weights, device })
      rows.push(told(`${name}: 20 tokens on CUDA (emulated)`, await greedyOf(model, answers, true), answers.greedy))
      log(`${rows.at(-1)!.figure}: ${rows.at(-1)!.measured}`)
    }
  } finally {
    await device.dispose()
  }
  return rows
}

function told(figure: string, ids: readonly number[], expected: readonly number[]): Row {
  const at = expected.findIndex((id, i) => id !== ids[i])
  const right = at < 0 ? expected.length : at
  return row(figure, 'same ids', `${right} of ${expected.length}`, right === expected.length && ids.length === expected.length)
}
