import { ByteTable } from '../../byte-table.js'
import { TokenizerError } from '../../errors.js'
import type { TokenizerParts } from '../../parts.js'
import { patternNameOf, patternSources } from '../../pretokenizers/create.js'
import { guardedSplit } from '../../pretokenizers/guarded-regex.js'
import type { PatternName, PreTokenizer } from '../../pretokenizers/pretokenizer.js'
import { Vocabulary } from '../../vocabulary.js'
import { decodeBase64 } from './base64.js'
import { MAX_RANKS, partsOfRanks } from './ranked-parts.js'

/** Looking a pair up costs its length, so that much longer tokens would make encoding slow. */
const MAX_TOKEN_BYTES = 1024
const MAX_FILE_BYTES = 2 ** 27
/** So many ranks may have no token, or so many times as many as have one: each takes memory and time all the same. */
const MAX_GAP = 2 ** 16
const MAX_SHARE = 4
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const BLANK = 0x20

export interface TiktokenOptions {
  /**
   * How text is cut before merging: the name of a known split, or a regular expression in tiktoken's dialect, which runs on this package's own
   * engine in time proportional to the text.
   */
  readonly pattern: PatternName | (string & {})
  /** Special tokens and their ids. */
  readonly special?: Readonly<Record<string, number>>
}

/**
 * The parts of a tokenizer from a rank file of tiktoken's: a line for each token, its bytes in base64, a blank and its rank.
 *
 * @throws TokenizerError `FILE`, with the line, when the file is malformed; `VALUE` or `UNSUPPORTED` for a pattern or special tokens that do not fit
 */
export function readTiktoken(file: string | Uint8Array, { pattern, special = {} }: TiktokenOptions): TokenizerParts {
  if (typeof pattern !== 'string') {
    throw new TokenizerError('VALUE', `pattern is the name of a split or a regular expression as text, got ${String(pattern)}`)
  }
  if (typeof file !== 'string' && !(file instanceof Uint8Array)) {
    throw new TokenizerError('VALUE', `A rank file is given as text or bytes, got ${typeof file}`)
  }
  if (file.length > MAX_FILE_BYTES) throw fail(`is larger than ${MAX_FILE_BYTES} bytes, got ${file.length}`)
  return partsOfRanks(readRankFile(typeof file === 'string' ? new TextEncoder().encode(file) : file), {
    pattern: splitOf(pattern),
    special,
  })
}

function splitOf(pattern: string): PatternName | PreTokenizer {
  if (Object.hasOwn(patternSources, pattern)) return pattern as PatternName
  return patternNameOf(pattern, 'fancy') ?? guardedSplit(pattern)
}

function readRankFile(file: Uint8Array): Vocabulary {
  const bytes = new Uint8Array(Math.ceil((file.length * 3) / 4))
  const tokens = new ByteTable(1024)
  const ranks: number[] = []
  let length = 0
  let line = 0
  for (let at = 0; at < file.length;) {
    line++
    let stop = file.indexOf(LINE_FEED, at)
    if (stop < 0) stop = file.length
    const next = stop + 1
    if (stop > at && file[stop - 1] === CARRIAGE_RETURN) stop--
    if (stop > at) {
      const blank = file.indexOf(BLANK, at)
      if (blank < 0 || blank >= stop) throw fail('should hold base64, a blank and a rank', line)
      if (blank - at > (MAX_TOKEN_BYTES * 4) / 3 + 4) throw fail(`has a token of more than ${MAX_TOKEN_BYTES} bytes`, line)
      const size = decodeBase64(file, at, blank, bytes, length)
      if (size < 1) throw fail('should begin with a token in base64', line)
      if (size > MAX_TOKEN_BYTES) throw fail(`has a token of ${size} bytes; the limit is ${MAX_TOKEN_BYTES}`, line)
      const rank = readRank(file, blank + 1, stop, line)
      if (tokens.add(bytes, length, length + size) !== ranks.length) throw fail('repeats a token', line)
      ranks.push(rank)
      length += size
    }
    at = next
  }
  return ordered(tokens, ranks)
}

function readRank(file: Uint8Array, start: number, end: number, line: number): number {
  let rank = 0
  for (let at = start; at < end; at++) {
    const digit = file[at]! - 0x30
    if (!(digit >= 0 && digit <= 9) || rank >= MAX_RANKS) rank = Infinity
    rank = rank * 10 + digit
  }
  if (start === end || !(rank < MAX_RANKS)) throw fail(`should end with a rank from 0 to ${MAX_RANKS - 1}`, line)
  return rank
}

/** The tokens at the ids that their ranks are. */
function ordered(tokens: ByteTable, ranks: readonly number[]): Vocabulary {
  let size = 0
  for (const rank of ranks) if (rank >= size) size = rank + 1
  if (size > MAX_GAP + ranks.length * MAX_SHARE)
    throw fail(`gives the rank ${size - 1} to one of ${ranks.length} tokens, which leaves too many ranks without one`)
  const byRank = new Array<Uint8Array | undefined>(size).fill(undefined)
  for (const [index, rank] of ranks.entries()) {
    if (byRank[rank] !== undefined) throw fail(`gives the rank ${rank} to two tokens`)
    byRank[rank] = tokens.arena.subarray(tokens.starts[index], tokens.starts[index + 1])
  }
  return new Vocabulary(byRank)
}

function fail(what: string, line?: number): TokenizerError {
  const where = line === undefined ? '' : `line ${line} `
  return new TokenizerError('FILE', `The rank file: ${where}${what}`, line === undefined ? {} : { position: line })
}
