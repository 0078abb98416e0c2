import { throwIfAborted, type OnProgress } from '@tesserae/core'
import { ByteTable } from '../byte-table.js'
import { TokenizerError } from '../errors.js'
import { SpecialTokens } from '../special-tokens.js'
import { grownDoubles } from './grow.js'
import type { MemoryLimit } from './memory-limit.js'
import type { Pause } from './pauses.js'

/** The texts of a corpus: one, several, or a stream of them. */
export type Texts = string | Iterable<string> | AsyncIterable<string>

/** Counts how often each distinct piece occurs in a corpus: all that byte-pair training needs to know of it. */
export class PieceCounter {
  /** The distinct pieces in UTF-8, in order of first occurrence. */
  readonly pieces = new ByteTable(4096)
  /** Occurrences of each piece. */
  counts = new Float64Array(4097)

  add(bytes: Uint8Array, start: number, end: number): void {
    const index = this.pieces.add(bytes, start, end)
    if (index >= this.counts.length) this.counts = grownDoubles(this.counts)
    this.counts[index]!++
  }

  /** Bytes of memory. */
  get memory(): number {
    return this.pieces.memory + this.counts.byteLength
  }
}

/** Cuts texts into the pieces that merges never cross. */
export interface PieceCutter {
  /** Adds the pieces of a text and returns its length in bytes of UTF-8. */
  cut(text: string, into: PieceCounter): number
  /** The next place from `from` on where a text may be cut and its parts be given one by one, or its end. */
  nextCut(text: string, from: number): number
}

interface CountOptions {
  /** Where these stand in a text, it is cut, and they are left out. */
  readonly special: readonly string[]
  readonly memory: MemoryLimit
  readonly signal: AbortSignal | undefined
  readonly pause: Pause
  readonly onProgress: OnProgress | undefined
}

/** UTF-16 units of a long text that are cut at a time. */
const PART = 1 << 18

/**
 * Reads a corpus once and counts its pieces.
 *
 * @throws TokenizerError `VALUE` for what is no text, `MEMORY`
 */
export async function countPieces(texts: Texts, cutter: PieceCutter, options: CountOptions): Promise<PieceCounter> {
  const { memory, signal, pause, onProgress } = options
  // Ids only matter when special tokens are found, and here they are dropped.
  const finder = new SpecialTokens(options.special.map((content) => ({ content, id: 0, special: true })))
  const counter = new PieceCounter()
  let completed = 0
  let index = 0

  const rest = async (waiting: Promise<boolean> | true): Promise<void> => {
    await waiting
    memory.seen(completed, counter.pieces.size)
    memory.check(counter.memory, 'distinct pieces')
    onProgress?.({ task: 'count-pieces', completed, unit: 'bytes' })
  }
  /** Returns a promise only when it is time for a rest: most texts are short. */
  const read = (text: unknown): Promise<void> | undefined => {
    if (typeof text !== 'string') throw noText(text, index)
    index++
    if (text.length > PART) return readLong(text)
    finder.scan(text, 'allow', (part) => (completed += cutter.cut(part, counter)), ignore)
    const waiting = pause()
    return waiting === false ? undefined : rest(waiting)
  }
  const readLong = async (text: string): Promise<void> => {
    const parts: string[] = []
    finder.scan(text, 'allow', (part) => parts.push(part), ignore)
    for (const part of parts) {
      for (let start = 0; start < part.length;) {
        const end = cutter.nextCut(part, start + PART)
        completed += cutter.cut(part.slice(start, end), counter)
        start = end
        const waiting = pause()
        if (waiting !== false) await rest(waiting)
      }
    }
  }

  // A string is itself iterable, character by character, which nobody means.
  const corpus: unknown = typeof texts === 'string' ? [texts] : texts
  if (isIterable(corpus)) {
    for (const text of corpus) {
      const waiting = read(text)
      if (waiting !== undefined) await waiting
    }
  } else if (isAsyncIterable(corpus)) {
    for await (const text of corpus) {
      const waiting = read(text)
      if (waiting !== undefined) await waiting
    }
  } else {
    throw new TokenizerError('VALUE', `The texts are a string, an iterable or an async iterable of strings, got ${String(corpus)}`)
  }
  throwIfAborted(signal, 'Training the tokenizer')
  memory.seen(completed, counter.pieces.size)
  memory.check(counter.memory, 'distinct pieces')
  onProgress?.({ task: 'count-pieces', completed, total: completed, unit: 'bytes' })
  return counter
}

const ignore = (): void => {}

const isIterable = (value: unknown): value is Iterable<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as Partial<Iterable<unknown>>)[Symbol.iterator] === 'function'

const isAsyncIterable = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === 'function'

function noText(given: unknown, index: number): TokenizerError {
  return new TokenizerError(
    'VALUE',
    `The texts to train on are strings, got ${given === null ? 'null' : typeof given} at index ${index}; decode files to text first`,
  )
}
