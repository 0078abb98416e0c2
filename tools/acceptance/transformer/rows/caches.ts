// Caches of keys and values in f32, f16, q8 and q4, of two real models on the CPU: their bytes, how far logits are from those with f32, how fast tokens come behind short and long texts, and the peak of memory.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createModel, loadModel, modelMemory, type CacheType } from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'
import { atMost, row, type Row, type RowSource } from '../../lib/row.js'
import { script } from '../../lib/script.js'
import { realModel } from '../models.js'

const types = ['f32', 'f16', 'q8', 'q4'] as const satisfies readonly CacheType[]
const CAPACITY = 2304
/** Of a text of so many tokens the logits of the last so many are compared. */
const TEXT = 384
const COMPARED = 32
/** Shares of the bytes of f32, and root mean square differences of logits as shares of their spread. */
const BARS: Readonly<Record<Exclude<CacheType, 'f32'>, { readonly bytes: number; readonly error: number }>> = {
  f16: { bytes: 0.5, error: 0.01 },
  q8: { bytes: 0.3, error: 0.03 },
  q4: { bytes: 0.17, error: 0.4 },
}
/** Tokens of the text that memory is looked at behind. */
const LONG = 4096
const MiB = 2 ** 20

const source: RowSource = async ({ log }) => {
  const rows: Row[] = []
  for (const name of ['SmolLM2-135M-Instruct.Q4_1.gguf', 'gemma-3-270m-q4_k_m.gguf'] as const) {
    const path = realModel(name)
    rows.push(...(await measure(name.replace(/\.gguf$/, ''), path, log)))
    if (name.startsWith('Smol')) rows.push(...(await peaks(name.replace(/\.gguf$/, ''), path, log)))
  }
  return rows
}
export default source

/** English, the same for all. */
const words = `It is a truth of long habit that whoever keeps a record of what was said must choose how finely to keep it. A ledger in ink holds every figure, and fills a room; a ledger in pencil marks holds the sense of
each line, and fits a pocket. Sailors who crossed the northern sea wrote down the wind by the point of the compass and the hour of the watch, and nothing more, and yet from such notes whole voyages could be told again. `

async function measure(name: string, path: string, log: (line: string) => void): Promise<Row[]> {
  const loaded = await loadCheckpoint(path, { device: 'cpu', capacity: CAPACITY })
  const lm = await loadModel(path, { device: 'cpu', context: 64 })
  const ids = [...lm.tokenizer.encode(words.repeat(8))].slice(0, TEXT)
  await lm.dispose()
  const open = (cacheType: CacheType, activations: 'f32' | 'rounded') =>
    createModel({
      ...loaded,
      device: 'cpu',
      capacity: CAPACITY,
      cacheType,
      activations,
      maxStreams: 1,
      prefixCache: false,
      borrowWeights: true,
    })
  const logits = async (cacheType: CacheType): Promise<Float32Array[]> => {
    using model = await open(cacheType, 'f32')
    using text = model.open(ids.slice(0, TEXT - COMPARED))
    const out: Float32Array[] = []
    for (const id of ids.slice(TEXT - COMPARED)) {
      out.push(Float32Array.from(await text.next()))
      text.ids.push(id)
    }
    return out
  }
  const exact = await logits('f32')
  const rows: Row[] = []
  const bytesOf = (cacheType: CacheType): number =>
    modelMemory(loaded.config, { capacity: CAPACITY, cacheType }).cache.reduce((sum, { bytes }) => sum + bytes, 0)
  for (const type of ['f16', 'q8', 'q4'] as const) {
    const { error, divergence, same } = apart(await logits(type), exact)
    log(`${name}, ${type}: error ${error.toFixed(4)}, ${divergence.toFixed(5)} nats, ${same} of ${COMPARED} first choices the same`)
    rows.push(
      atMost(`${name}: bytes of caches in ${type}, of those in f32`, bytesOf(type) / bytesOf('f32'), BARS[type].bytes, {
        digits: 3,
        note: `${(bytesOf(type) / MiB).toFixed(1)} of ${(bytesOf('f32') / MiB).toFixed(1)} MiB for ${CAPACITY.toLocaleString('en')} tokens`,
      }),
      atMost(`${name}: logits with caches in ${type}: root mean square difference from f32, of their spread`, error, BARS[type].error, {
        digits: 4,
        note: `the last ${COMPARED} of ${TEXT} tokens, products of inputs in f32; ${divergence.toFixed(5)} nats a token; the likeliest token is the same for ${same}`,
      }),
    )
  }
  rows.push(await speeds(name, (type) => open(type, 'rounded'), log))
  return rows
}

/** Of logits to which the same is added nothing differs, so their means are taken off. */
function apart(found: readonly Float32Array[], exact: readonly Float32Array[]): Apart {
  let [squares, spread, divergence, same] = [0, 0, 0, 0]
  for (const [i, row] of exact.entries()) {
    const other = found[i]!
    const [mean, otherMean] = [row, other].map((values) => values.reduce((sum, value) => sum + value, 0) / values.length) as [
      number,
      number,
    ]
    const [whole, otherWhole] = [logSum(row), logSum(other)]
    row.forEach((value, at) => {
      squares += (other[at]! - otherMean - value + mean) ** 2
      spread += (value - mean) ** 2
      divergence += Math.exp(value - whole) * (value - whole - other[at]! + otherWhole)
    })
    if (highest(row) === highest(other)) same++
  }
  return { error: Math.sqrt(squares / spread), divergence: divergence / exact.length, same }
}

interface Apart {
  readonly error: number
  /** Mean Kullback-Leibler divergence, in nats a token. */
  readonly divergence: number
  readonly same: number
}

function logSum(row: Float32Array): number {
  const peak = row.reduce((most, value) => Math.max(most, value), -Infinity)
  return peak + Math.log(row.reduce((sum, value) => sum + Math.exp(value - peak), 0))
}

const highest = (row: Float32Array): number => row.reduce((best, value, i) => (value > row[best]! ? i : best), 0)

/** Tokens a second of the fastest of some turns, type after type. */
async function speeds(name: string, open: (type: CacheType) => ReturnType<typeof createModel>, log: (line: string) => void): Promise<Row> {
  const measured: string[] = []
  for (const context of [128, 2048]) {
    const times = new Map<CacheType, number>()
    const models = []
    for (const type of types) {
      const model = await open(type)
      const text = model.open(Array.from({ length: context }, (_, i) => 1000 + (((i + 1) * 7919) % 30_000)))
      models.push({ type, model, text })
      await text.next()
      text.ids.push(1000)
    }
    for (let turn = 0; turn < 6; turn++)
      for (const { type, text } of models)
        for (let i = 0; i < 4; i++) {
          const start = performance.now()
          await text.next()
          times.set(type, Math.min(times.get(type) ?? Infinity, performance.now() - start))
          text.ids.push(1001 + i)
        }
    for (const { text, model } of models) {
      text[Symbol.dispose]()
      model.dispose()
    }
    measured.push(`${context}: ${types.map((type) => `${type} ${(1000 / times.get(type)!).toFixed(0)}`).join(', ')}`)
    log(`${name}: tokens a second behind ${measured.at(-1)}`)
  }
  return row(`${name}: tokens a second behind 128 and 2,048, by the fastest step`, 'reported', measured.join('; '), true)
}

/** The most that a process has in memory that fills a cache. */
async function peaks(name: string, path: string, log: (line: string) => void): Promise<Row[]> {
  using program = await script(fileURLToPath(new URL('../speed/fill-cache.ts', import.meta.url)))
  const found = new Map<CacheType, number>()
  for (const type of types) {
    const done = spawnSync(process.execPath, [program.path, path, String(LONG), type], { encoding: 'utf8' })
    if (done.status !== 0) throw new Error(`filling a cache in ${type}: ${done.stderr.slice(-500)}`)
    found.set(type, Number(done.stdout))
    log(`${name}: peak with ${LONG} tokens in ${type}: ${done.stdout.trim()} MiB`)
  }
  const all = types.map((type) => `${type} ${found.get(type)!.toFixed(0)}`).join(', ')
  return [
    row(
      `${name}: peak of memory with ${LONG.toLocaleString('en')} tokens in the cache`,
      'all others < f32',
      `${all} MiB`,
      types.slice(1).every((type) => found.get(type)! < found.get('f32')!),
      'of a process that loads the model and computes a prompt; weights and the runtime are the same, and so is what a piece of a prompt needs, more or less',
    ),
  ]
}
