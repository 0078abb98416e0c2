import type { ByteTrie } from '../../models/byte-trie.js'
import { CharsMap } from '../../normalizers/charsmap.js'
import type { NormalizerSpec } from './model-proto.js'

const BLANK = 0x20
/** What stands for a blank in pieces, U+2581 in UTF-8. */
export const BLANK_SYMBOL = Uint8Array.of(0xe2, 0x96, 0x81)
const REPLACEMENT = Uint8Array.of(0xef, 0xbf, 0xbd)

export interface NormalizerOptions {
  /** Whether the blank that is added stands behind the text rather than in front. */
  readonly suffix: boolean
  /** User-defined symbols, which stay as they are. */
  readonly keep?: ByteTrie | undefined
  /** What the spec is part of, for messages. */
  readonly where: string
}

/**
 * SentencePiece's normalization: characters are rewritten by the rules of the file, the longest match first, blanks at the ends and beside
 * each other may be dropped, one may be added at the beginning or end, and they may be written as U+2581.
 *
 * Works on UTF-8. The result is `bytes[0, length)` until the next call.
 */
export class SentencePieceNormalizer {
  bytes = new Uint8Array(1024)
  length = 0
  /** When places are tracked: where in the input each byte of the result comes from, and at `length` where the last one ends. */
  places = new Int32Array(0)
  private readonly rules: CharsMap | undefined
  private readonly blank: Uint8Array
  private track = false
  // What the rule at hand writes: source[from, to).
  private source: Uint8Array = REPLACEMENT
  private from = 0
  private to = 0

  constructor(
    readonly spec: NormalizerSpec,
    private readonly options: NormalizerOptions,
  ) {
    this.rules = spec.charsmap === undefined ? undefined : new CharsMap(spec.charsmap, options.where)
    this.blank = spec.escapeWhitespaces ? BLANK_SYMBOL : Uint8Array.of(BLANK)
  }

  /** Whether text may be cut before a blank that follows an ASCII letter or digit, and its parts be rewritten on their own but for what is done at the ends. */
  get wordwise(): boolean {
    return !this.options.suffix && (this.rules === undefined || this.rules.keepsWords)
  }

  /**
   * @param input UTF-8; a byte that is none becomes U+FFFD
   * @param end how many of its bytes count
   * @param addBlank whether the spec's blank may be added
   * @param track whether to fill `places`
   */
  normalize(input: Uint8Array, end: number, addBlank: boolean, track: boolean): void {
    this.length = 0
    this.track = track
    if (track && this.places.length === 0) this.places = new Int32Array(this.bytes.length + 1)
    const { removeExtraWhitespaces } = this.spec
    let at = 0
    if (removeExtraWhitespaces) {
      while (at < end) {
        const consumed = this.rewrite(input, at, end)
        if (this.to - this.from !== 1 || this.source[this.from] !== BLANK) break
        at += consumed
      }
    }
    if (at < end) {
      const dummy = addBlank && this.spec.addDummyPrefix
      if (dummy && !this.options.suffix) this.write(this.blank, 0, this.blank.length, at)
      const last = this.body(input, at, end)
      const stop = removeExtraWhitespaces ? this.dropTrailing(last) : last
      if (dummy && this.options.suffix) this.write(this.blank, 0, this.blank.length, stop)
      if (track) this.places[this.length] = stop
    } else if (track) this.places[0] = at
  }

  /** Gives back the memory that an unusually long text took. */
  trim(): void {
    if (this.bytes.length <= 1 << 20) return
    this.bytes = new Uint8Array(1024)
    this.places = new Int32Array(0)
  }

  private body(input: Uint8Array, start: number, end: number): number {
    const { removeExtraWhitespaces } = this.spec
    let at = start
    let afterBlank = removeExtraWhitespaces
    while (at < end) {
      const consumed = this.rewrite(input, at, end)
      const { source, to } = this
      let { from } = this
      while (afterBlank && from < to && source[from] === BLANK) from++
      if (from < to) {
        this.writeEscaped(source, from, to, at)
        afterBlank = removeExtraWhitespaces && source[to - 1] === BLANK
      }
      at += consumed
    }
    return at
  }

  /** Finds what the characters at `at` become, and returns how many bytes of input that takes. */
  private rewrite(input: Uint8Array, at: number, end: number): number {
    const { rules } = this
    const { keep } = this.options
    const first = input[at]!
    const kept = keep === undefined ? 0 : keep.longestPrefix(input, at, end)
    this.source = input
    this.from = at
    if (kept > 0) {
      this.to = at + kept
      return kept
    }
    const plain = first < 0x80 && (rules === undefined || (rules.plain[first] === 1 && (at + 1 === end || input[at + 1]! < 0x80)))
    if (!plain && rules !== undefined) {
      const matched = rules.longest(input, at, end)
      if (matched > 0) {
        this.source = rules.replacements
        this.from = rules.from
        this.to = rules.to
        return matched
      }
    }
    const length = first < 0x80 ? 1 : validLength(input, at, end)
    if (length > 0) {
      this.to = at + length
      return length
    }
    this.source = REPLACEMENT
    this.from = 0
    this.to = REPLACEMENT.length
    return 1
  }

  private writeEscaped(source: Uint8Array, from: number, to: number, place: number): void {
    if (!this.spec.escapeWhitespaces) return this.write(source, from, to, place)
    let start = from
    for (let i = from; i < to; i++) {
      if (source[i] !== BLANK) continue
      this.write(source, start, i, place)
      this.write(this.blank, 0, this.blank.length, place)
      start = i + 1
    }
    this.write(source, start, to, place)
  }

  private write(source: Uint8Array, from: number, to: number, place: number): void {
    const after = this.length + to - from
    if (after > this.bytes.length) this.grow(after)
    const { bytes } = this
    let { length } = this
    if (this.track) this.places.fill(place, length, after)
    for (let i = from; i < to; i++) bytes[length++] = source[i]!
    this.length = length
  }

  private grow(needed: number): void {
    const bytes = new Uint8Array(Math.max(needed, this.bytes.length * 2))
    bytes.set(this.bytes.subarray(0, this.length))
    this.bytes = bytes
    if (!this.track) {
      this.places = new Int32Array(0)
      return
    }
    const places = new Int32Array(bytes.length + 1)
    places.set(this.places.subarray(0, this.length))
    this.places = places
  }

  /** Drops blanks at the end and returns where in the input the text ends then. */
  private dropTrailing(end: number): number {
    const { bytes, blank, track } = this
    const { length: size } = blank
    let stop = end
    for (;;) {
      const start = this.length - size
      if (start < 0 || bytes[start] !== blank[0] || (size === 3 && (bytes[start + 1] !== blank[1] || bytes[start + 2] !== blank[2])))
        return stop
      this.length = start
      if (track) stop = this.places[start]!
    }
  }
}

/** The length of the UTF-8 character at `at`, or 0 when there is none: overlong, cut, a surrogate or too large. */
export function validLength(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!
  const trail = (offset: number): boolean => at + offset < end && (bytes[at + offset]! & 0xc0) === 0x80
  if (first < 0x80) return 1
  if (first < 0xc2) return 0
  if (first < 0xe0) return trail(1) ? 2 : 0
  if (first < 0xf0) {
    if (!trail(1) || !trail(2)) return 0
    const second = bytes[at + 1]!
    if (first === 0xe0 && second < 0xa0) return 0
    return first === 0xed && second >= 0xa0 ? 0 : 3
  }
  if (first > 0xf4 || !trail(1) || !trail(2) || !trail(3)) return 0
  const second = bytes[at + 1]!
  if (first === 0xf0 && second < 0x90) return 0
  return first === 0xf4 && second >= 0x90 ? 0 : 4
}
