// Runs cases one after another and says of each what came of it, a line of JSON before it and one behind it. The numbers of the cases are the arguments.
import { writeSync } from 'node:fs'
import { Tokenizer } from '@tesserae/tokenizer'
import { cases } from './cases.js'
import type { Outcome } from './outcome.js'
import { hostileTexts } from './texts.js'
import { peakMiB } from '../../lib/peak.js'

const tell = (message: object): void => void writeSync(1, `${JSON.stringify(message)}\n`)
const textNames = Object.keys(hostileTexts)
/** Between the texts of one case and those of the next. */
const STRIDE = 7
const ENOUGH_MS = 2000
const WRITING = 'toJSON'

interface Refusal {
  readonly code: string
  readonly message: string
}

/** The least of wall and CPU time, in milliseconds: either is no less than what the work takes, and other programs may hold the machine. */
async function timed<T>(work: () => T | Promise<T>): Promise<{ readonly ms: number; readonly value?: T; readonly error?: unknown }> {
  const [wall, used] = [performance.now(), process.cpuUsage()]
  let result: { value?: T; error?: unknown }
  try {
    result = { value: await work() }
  } catch (error) {
    result = { error: error ?? new Error('threw nothing') }
  }
  const { user, system } = process.cpuUsage(used)
  return { ms: Math.min(performance.now() - wall, (user + system) / 1000), ...result }
}

/** A typed error, or undefined for any other. */
function refusalOf(error: unknown): Refusal | undefined {
  const { code, message, name } = error as { code?: unknown; message?: unknown; name?: unknown }
  return typeof code === 'string' && typeof message === 'string' && name === 'TokenizerError' ? { code, message } : undefined
}

async function run(number: number): Promise<Outcome> {
  const { name, byHand, prepare } = cases[number]!
  const load = prepare()
  globalThis.gc?.()
  const loading = await timed<Tokenizer | string>(load)
  const outcome: Outcome = { number, name, end: 'loaded', loadMs: loading.ms, useMs: 0, slowest: 'load', jsonMs: 0, peakMB: 0 }
  const failed = (error: unknown, at: string): Outcome => {
    const refusal = refusalOf(error)
    if (refusal === undefined) {
      const said = error instanceof Error ? (error.stack ?? error.message).slice(0, 600) : String(error)
      return { ...outcome, end: 'other error', slowest: at, message: said, peakMB: peakMB() }
    }
    return {
      ...outcome,
      end: at === 'load' ? 'refused' : 'refused in use',
      ...refusal,
      message: refusal.message.slice(0, 300),
      peakMB: peakMB(),
    }
  }
  if (loading.error !== undefined) return failed(loading.error, 'load')
  const tokenizer = loading.value
  if (!(tokenizer instanceof Tokenizer)) return { ...outcome, peakMB: peakMB() }
  // By turns, so that every text and call comes to every kind of file; one letter and special tokens always come where a hand made the file.
  const turns = Array.from({ length: byHand ? 4 : 2 }, (_, i) => textNames[(number * STRIDE + i * 5) % textNames.length]!)
  const chosen = new Set(byHand ? ['a', 'specials', ...turns] : turns)
  let refused: unknown
  let refusedAt = ''
  let turn = number
  const step = async <T>(what: string, work: () => T): Promise<T | undefined> => {
    // One call that is far too slow tells enough.
    if (outcome.useMs > ENOUGH_MS) return undefined
    tell({ step: what })
    const { ms, value, error } = await timed(work)
    if (what === WRITING) outcome.jsonMs = ms
    else if (ms > outcome.useMs) {
      outcome.useMs = ms
      outcome.slowest = what
    }
    if (error !== undefined && (refused === undefined || refusalOf(error) === undefined)) [refused, refusedAt] = [error, what]
    return value
  }
  for (const textName of chosen) {
    const text = hostileTexts[textName]!(tokenizer)
    const special = textName === 'specials' ? 'allow' : 'text'
    const ids = await step(`encode ${textName}`, () => tokenizer.encode(text, { special }))
    if (ids === undefined) continue
    await step(`decode ${textName}`, () => tokenizer.decode(ids))
    const calls: (() => unknown)[] = [
      () =>
        step(`stream ${textName}`, () => {
          const decoder = tokenizer.decoder()
          let length = 0
          for (const id of ids) length += decoder.push(id).length
          return length + decoder.flush().length
        }),
      () =>
        step(`offsets of ${textName}`, () => {
          const encoding = tokenizer.encodeWithOffsets(text, { special, offsets: 'utf8' })
          return [encoding.ids.length, encoding.offsets.length, encoding.tokens.length]
        }),
      () => step(`truncation of ${textName}`, () => tokenizer.truncateToTokens(text, 100, { special })),
    ]
    await calls[turn++ % calls.length]!()
  }
  await step('bytes of tokens', () => (tokenizer.vocabSize > 0 ? tokenizer.heal(tokenizer.encode('a', { special: 'text' })) : undefined))
  await step(WRITING, () => {
    try {
      return JSON.stringify(tokenizer).length
    } catch (error) {
      // Of formats that have no such form.
      if ((error as { code?: string }).code === 'UNSUPPORTED') return 0
      throw error
    }
  })
  return refused === undefined ? { ...outcome, peakMB: peakMB() } : failed(refused, refusedAt)
}

/** The most memory that the process has held, in MB. */
function peakMB(): number {
  return peakMiB()
}

tell({ ready: peakMB() })
for (const number of process.argv.slice(2).map(Number)) {
  tell({ begins: number })
  tell({ outcome: await run(number) })
}
process.exit(0)
