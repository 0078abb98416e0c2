import { TokenizerError } from '../errors.js'
import { charLength } from '../models/segments.js'
import { utf8PointAt } from '../text/utf8.js'
import type { PieceCounter } from './count-pieces.js'
import type { GrowingTokens } from './learn-merges.js'
import type { PieceSymbols } from './merge-corpus.js'
import type { Pause } from './pauses.js'

/** Which characters are tokens, and how tokens are written by their place in a piece. */
export interface CharacterForms {
  /** Characters kept, the most frequent ones; of equally frequent ones those of lower code points. */
  readonly limitAlphabet: number | undefined
  /** Characters kept in any case. */
  readonly initialAlphabet: readonly string[]
  /** What tokens begin with that do not begin a piece; may be empty. */
  readonly prefix: string
  /** What tokens end with that end a piece; may be empty. */
  readonly suffix: string
}

const ABSENT = -1
/** Bits of a character's place in its piece. */
const INNER = 1
const LAST = 2
/** Pieces between two calls of `pause`. */
const SLICE = 1 << 14

/** Tokens by their written forms. */
export class FormTokens implements GrowingTokens {
  readonly ids = new Map<string, number>()
  private readonly forms: string[] = []

  constructor(private readonly prefix: string) {}

  get size(): number {
    return this.forms.length
  }

  /** The id of a form, a new one where it has none. */
  add(form: string): number {
    let id = this.ids.get(form)
    if (id === undefined) {
      id = this.forms.push(form) - 1
      this.ids.set(form, id)
    }
    return id
  }

  join(left: number, right: number): number {
    const second = this.forms[right]!
    return this.add(this.forms[left]! + (second.startsWith(this.prefix) ? second.slice(this.prefix.length) : second))
  }
}

/**
 * Chooses the alphabet of a corpus, adds it to `tokens` by rising code points, then the forms with prefix and suffix that occur, by rising code points too
 * (Hugging Face's trainer numbers these in an order that differs from run to run), and gives the pieces as symbols. Characters that are not kept are
 * left out of them.
 */
export async function characterSymbols(
  counter: PieceCounter,
  tokens: FormTokens,
  forms: CharacterForms,
  pause: Pause,
): Promise<PieceSymbols> {
  const { pieces, counts } = counter
  const [inner, last] = [forms.prefix === '' ? 0 : INNER, forms.suffix === '' ? 0 : LAST]
  const points =
    1 + Math.max(highestPoint(pieces.arena, pieces.starts[pieces.size]!), ...forms.initialAlphabet.map((char) => char.codePointAt(0)!))
  // By place and code point: how often the character occurs, then its symbol.
  const occurrences = new Float64Array(points)
  let length = 0
  for (let piece = 0; piece < pieces.size; piece++) {
    const weight = counts[piece]!
    const end = pieces.starts[piece + 1]!
    for (let at = pieces.starts[piece]!; at < end; length++) {
      const size = charLength(pieces.arena[at]!)
      occurrences[utf8PointAt(pieces.arena, at)]! += weight
      at += size
    }
    if (piece % SLICE === 0) await pause()
  }

  for (const char of forms.initialAlphabet) occurrences[char.codePointAt(0)!] = Infinity
  const symbols: Int32Array[] = Array.from({ length: 4 }, () => NONE)
  symbols[0] = new Int32Array(points).fill(ABSENT)
  for (const point of alphabet(occurrences, forms.limitAlphabet)) tokens.add(String.fromCodePoint(point))
  // A special token of one character is in the alphabet, whether it was kept or not.
  for (const [form, id] of tokens.ids) {
    const point = form.codePointAt(0)!
    if (point < points && String.fromCodePoint(point) === form) symbols[0][point] = id
  }

  /** Calls `use` for the characters of a piece that are kept. */
  const each = (piece: number, use: (point: number, place: number) => void): void => {
    const start = pieces.starts[piece]!
    const end = pieces.starts[piece + 1]!
    for (let at = start; at < end;) {
      const size = charLength(pieces.arena[at]!)
      const point = utf8PointAt(pieces.arena, at)
      if (symbols[0]![point] !== ABSENT) use(point, (at > start ? inner : 0) | (at + size === end ? last : 0))
      at += size
    }
  }

  if (inner + last > 0) {
    const met = new Uint8Array(points)
    for (let piece = 0; piece < pieces.size; piece++) {
      each(piece, (point, place) => (met[point]! |= 1 << place))
      if (piece % SLICE === 0) await pause()
    }
    for (const place of [INNER, LAST, INNER | LAST]) symbols[place] = new Int32Array(points).fill(ABSENT)
    for (let point = 0; point < points; point++) {
      if (met[point] === 0) continue
      for (const place of [INNER, LAST, INNER | LAST]) {
        if ((met[point]! & (1 << place)) === 0) continue
        const char = String.fromCodePoint(point)
        symbols[place]![point] = tokens.add((place & INNER ? forms.prefix : '') + char + (place & LAST ? forms.suffix : ''))
      }
    }
  }
  return {
    size: pieces.size,
    length,
    counts,
    memory: counter.memory,
    write(piece, cells, at) {
      each(piece, (point, place) => (cells[at++] = symbols[place]![point]!))
      return at
    },
  }
}

const NONE = new Int32Array(0)

/** The code points that are kept, rising. */
function alphabet(occurrences: Float64Array, limit: number | undefined): number[] {
  const points: number[] = []
  for (let point = 0; point < occurrences.length; point++) if (occurrences[point] !== 0) points.push(point)
  if (limit === undefined || points.length <= limit) return points
  points.sort((a, b) => (occurrences[a] === occurrences[b] ? a - b : occurrences[a]! < occurrences[b]! ? 1 : -1))
  return points.slice(0, limit).sort((a, b) => a - b)
}

/** @throws TokenizerError `VALUE` for an alphabet of other things than characters, or a limit that is no whole number */
export function checkAlphabet(initialAlphabet: readonly string[], limitAlphabet: number | undefined): void {
  for (const char of initialAlphabet) {
    if (typeof char === 'string' && char !== '' && String.fromCodePoint(char.codePointAt(0)!) === char && !/[\ud800-\udfff]/u.test(char))
      continue
    throw new TokenizerError('VALUE', `initialAlphabet has single characters, got ${JSON.stringify(char)}`)
  }
  if (limitAlphabet !== undefined && !(Number.isInteger(limitAlphabet) && limitAlphabet >= 0)) {
    throw new TokenizerError('VALUE', `limitAlphabet is a whole number from 0 on, got ${String(limitAlphabet)}`)
  }
}

/** No character of UTF-8 text has a higher code point. */
function highestPoint(bytes: Uint8Array, length: number): number {
  let highest = 0
  for (let i = 0; i < length; i++) if (bytes[i]! > highest) highest = bytes[i]!
  return highest < 0x80 ? 0x7f : highest < 0xe0 ? 0x7ff : highest < 0xf0 ? 0xffff : 0x10ffff
}
