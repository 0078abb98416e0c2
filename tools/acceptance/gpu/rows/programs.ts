// Bars 2 and 5: a trained Llama continues as llama2.c does, the tiny GPT learns as on the CPU, and caches change nothing, in Chromium, in Node and on emulated CUDA.
import { readFileSync } from 'node:fs'
import { resolveDevice } from '@tesserae/tensor'
import { openCuda } from '../../../../packages/tensor/src/device/cuda/device.js'
import { emulatedDriver } from '../../../../packages/tensor/src/device/cuda/testing/driver.js'
import { findChromium, noChromium } from '../../../../tests/browser/chromium.js'
import { cacheProblems, edgeLengths } from '../../../../tests/browser/page/lengths.js'
import { openWebGpuPage } from '../../../../tests/browser/webgpu-page.js'
import { firstLosses } from '../../foundation/shakespeare/model.js'
import { shakespeare } from '../../foundation/shakespeare/recipe.js'
import { dataFile } from '../../lib/data.js'
import { atMost, row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import type { ProgramLine, ProgramTask } from '../node/line.js'
import { generated } from '../node/generated.js'
import { runInNode } from '../node/run.js'

const TOKENS = 300
/** Largest difference of a loss. */
const LOSS = 1e-3
const chromium = 'WebGPU in Chromium'
const node = 'WebGPU in Node (Dawn)'
const cuda = 'emulated CUDA'
/** A driver in software compiles for up to a second a kernel, and each length has kernels of its own. */
const NODE_LIMIT_MS = 900_000

const source: RowSource = async ({ log }) => [...(await inChromium(log)), ...(await inNode(log)), ...(await onCuda(log))]
export default source

interface Story {
  readonly prompt: string
  readonly prompt_ids: readonly number[]
  readonly greedy_ids: readonly number[]
}

function story(): { readonly prompt: string; readonly ids: readonly number[]; readonly expected: readonly number[] } {
  const [{ prompt, prompt_ids, greedy_ids }] = JSON.parse(readFileSync(dataFile('stories260K.expected.json'), 'utf8')) as [Story]
  return { prompt, ids: prompt_ids, expected: greedy_ids.slice(prompt_ids.length - 1, prompt_ids.length - 1 + TOKENS) }
}

async function inChromium(log: (line: string) => void): Promise<Row[]> {
  const executable = findChromium()
  if (executable === undefined) return [unavailable(`programs on ${chromium}`, 'all', noChromium)]
  await using opened = await openWebGpuPage(executable)
  const { prompt, expected } = story()
  const { ids, tokensPerSecond } = await opened.run('page', 'stories', {
    folder: '/data',
    prompt,
    maxTokens: expected.length,
    device: 'webgpu',
  })
  log(`${chromium}: ${ids.length} tokens, ${tokensPerSecond.toFixed(1)} each second`)
  const rows = [told(chromium, ids, expected, `${tokensPerSecond.toFixed(1)} tokens a second`)]
  const steps = 20
  const found = await opened.run('page', 'losses', { file: '/data/tinyshakespeare.txt', steps, device: 'webgpu' })
  log(`${chromium}: losses ${found.map((loss) => loss.toFixed(4)).join(' ')}`)
  rows.push(learned(chromium, found, await firstLosses(shakespeare(), steps, {})))
  for (const form of [undefined, 'gpu'] as const) {
    const problems = await opened.run('page', 'lengths', { lengths: edgeLengths, ...(form === undefined ? {} : { form }) })
    rows.push(agreed(form === undefined ? chromium : `${chromium}, cut for graphics processors`, problems))
  }
  return rows
}

async function inNode(log: (line: string) => void): Promise<Row[]> {
  const { ids, expected } = story()
  const task: ProgramTask = { prompt: ids, tokens: expected.length, steps: 20, rows: 2, lengths: edgeLengths }
  const child = runInNode<ProgramLine>('./programs.ts', { args: [JSON.stringify(task)], timeoutMs: NODE_LIMIT_MS })
  const rows: Row[] = []
  const losses: number[] = []
  let description = ''
  for await (const line of child.lines)
    switch (line.kind) {
      case 'missing':
        return [unavailable(`programs on ${node}`, 'all', line.reason)]
      case 'device':
        description = line.description
        log(`${node}: ${description}`)
        break
      case 'stories':
        rows.push(told(node, line.ids, expected, `${line.tokensPerSecond.toFixed(1)} tokens a second; ${description}`))
        log(`${node}: ${rows.at(-1)!.measured}, ${line.tokensPerSecond.toFixed(1)} tokens a second`)
        break
      case 'lengths':
        rows.push(agreed(node, line.problems))
        log(`${node}: ${rows.at(-1)!.measured} lengths`)
        break
      case 'loss':
        losses.push(line.loss)
        log(`${node}: loss ${line.loss.toFixed(4)}`)
        break
      default:
        line satisfies never
    }
  if (losses.length > 0) rows.push(learned(node, losses, await firstLosses(shakespeare(), task.steps, { rows: task.rows })))
  const { code, errors } = await child.ended()
  if (code !== 0) {
    const parts = `${rows.length} of 3 parts begun, ${losses.length} of ${task.steps} steps, after at most ${NODE_LIMIT_MS / 1000} s`
    rows.push(row(`programs on ${node}: the process ends well`, '0', String(code), false, `${parts}; ${errors}`))
  }
  return rows
}

async function onCuda(log: (line: string) => void): Promise<Row[]> {
  const device = openCuda(emulatedDriver({ checks: { races: false, shared: false, global: false } }))
  try {
    const { ids, expected } = story()
    const rows = [told(cuda, await generated(device, ids, expected.length), expected, device.description)]
    log(`${cuda}: ${rows[0]!.measured}`)
    const options = { rows: 2 }
    const found = await firstLosses(shakespeare(), 3, { ...options, device })
    log(`${cuda}: losses ${found.map((loss) => loss.toFixed(4)).join(' ')}`)
    rows.push(learned(cuda, found, await firstLosses(shakespeare(), 3, options)))
    rows.push(agreed(cuda, await cacheProblems(device, edgeLengths)))
    rows.push(agreed('device cpu', await cacheProblems(await resolveDevice('cpu'), edgeLengths)))
    return rows
  } finally {
    await device.dispose()
  }
}

function told(where: string, ids: readonly number[], expected: readonly number[], note: string): Row {
  const same = ids.findIndex((id, i) => id !== expected[i])
  const right = same < 0 ? Math.min(ids.length, expected.length) : same
  return row(
    `stories260K on ${where}: ids as llama2.c's`,
    `${expected.length} of ${expected.length}`,
    `${right} of ${expected.length}`,
    right === expected.length && ids.length === expected.length,
    note,
  )
}

function learned(where: string, found: readonly number[], expected: readonly number[]): Row {
  const apart = found.length === expected.length ? Math.max(...found.map((loss, i) => Math.abs(loss - expected[i]!))) : Infinity
  return atMost(`losses of the tiny GPT's first ${expected.length} steps on ${where}, away from the CPU's`, apart, LOSS, {
    digits: 6,
    note: `${found[0]?.toFixed(4)} to ${found.at(-1)?.toFixed(4)}`,
  })
}

const agreed = (where: string, problems: readonly string[]): Row =>
  row(
    `decoding with a cache and without at ${edgeLengths.length} lengths from ${edgeLengths[0]} to ${edgeLengths.at(-1)} on ${where}`,
    `${edgeLengths.length} of ${edgeLengths.length}`,
    `${edgeLengths.length - problems.length} of ${edgeLengths.length}`,
    problems.length === 0,
    problems[0],
  )
