import { isPairAt } from '../text/aligned.js'
import type { TokenSequence } from '../pipeline/components.js'

/** What offsets count: UTF-16 units (indices of JavaScript strings), bytes of UTF-8, or code points (indices of Python strings). */
export type OffsetUnit = 'utf16' | 'utf8' | 'codepoint'

/** A stretch of an encoding: tokens `from` to `to` of a text, or tokens that belong to no text. */
export type EncodingPart =
  | {
      readonly kind: 'sequence'
      readonly source: SourceText
      readonly index: 0 | 1
      readonly typeId: number
      readonly from: number
      readonly to: number
    }
  | {
      readonly kind: 'special' | 'padding'
      readonly ids: readonly number[]
      readonly tokens: readonly string[]
      readonly typeId: number
    }

/** A text's tokens, with its positions in other units than UTF-16, worked out once for all parts of it. */
export class SourceText {
  private map: Uint32Array | undefined

  constructor(readonly sequence: TokenSequence) {}

  /** The position in `unit` of each UTF-16 position; undefined where they are the same. */
  positions(unit: OffsetUnit): Uint32Array | undefined {
    if (unit === 'utf16') return undefined
    if (this.map !== undefined) return this.map
    const { text } = this.sequence
    const map = new Uint32Array(text.length + 1)
    let position = 0
    for (let at = 0; at < text.length; at++) {
      map[at] = position
      const code = text.charCodeAt(at)
      if (isPairAt(text, at)) {
        // A position inside a pair is that of its character.
        map[++at] = position
        position += unit === 'utf8' ? 4 : 1
      } else position += unit === 'codepoint' || code < 0x80 ? 1 : code < 0x800 ? 2 : 3
    }
    map[text.length] = position
    return (this.map = map)
  }
}

/**
 * Tokens of one text or of two with all that is known of them. Every list has one entry for each token ({@link Encoding.offsets} two); each is
 * made when it is first asked for.
 */
export class Encoding {
  readonly length: number
  private readonly made = new Map<string, unknown>()

  constructor(
    private readonly parts: readonly EncodingPart[],
    private readonly unit: OffsetUnit,
    private readonly rest: () => readonly Encoding[] = () => [],
  ) {
    this.length = parts.reduce((sum, part) => sum + sizeOf(part), 0)
  }

  get ids(): Uint32Array {
    return this.once('ids', () => this.filled(new Uint32Array(this.length), (part, i) => idAt(part, i)))
  }

  /** Which segment each token belongs to: mostly 0 for the first text and 1 for the second, as the tokenizer's file says. */
  get typeIds(): Uint32Array {
    return this.once('typeIds', () => this.filled(new Uint32Array(this.length), (part) => part.typeId))
  }

  /** The written form of each token, as in the vocabulary (`Ġword`, `▁word`, `##ing`). */
  get tokens(): readonly string[] {
    return this.once('tokens', () => {
      const tokens: string[] = []
      for (const part of this.parts) {
        if (part.kind !== 'sequence') for (const token of part.tokens) tokens.push(token)
        else for (let i = part.from; i < part.to; i++) tokens.push(part.source.sequence.forms[i]!)
      }
      return tokens
    })
  }

  /** Start and end of token `i` in its text: `offsets[2 * i]` and `offsets[2 * i + 1]`, both 0 for tokens that belong to no text. */
  get offsets(): Uint32Array {
    return this.once('offsets', () => {
      const offsets = new Uint32Array(this.length * 2)
      let at = 0
      for (const part of this.parts) {
        if (part.kind === 'sequence') {
          const { starts, ends } = part.source.sequence
          const map = part.source.positions(this.unit)
          for (let i = part.from; i < part.to; i++, at += 2) {
            offsets[at] = map === undefined ? starts[i]! : map[starts[i]!]!
            offsets[at + 1] = map === undefined ? ends[i]! : map[ends[i]!]!
          }
        } else at += part.ids.length * 2
      }
      return offsets
    })
  }

  /** The number of the word (piece between pre-tokenizer's cuts) in its text that each token lies in, −1 for tokens that belong to no text. */
  get wordIds(): Int32Array {
    return this.once('wordIds', () =>
      this.filled(new Int32Array(this.length), (part, i) => (part.kind === 'sequence' ? part.source.sequence.words[i]! : -1)),
    )
  }

  /** 1 for tokens that were put around the texts, padding included. */
  get specialTokensMask(): Uint8Array {
    return this.once('special', () => this.filled(new Uint8Array(this.length), (part) => (part.kind === 'sequence' ? 0 : 1)))
  }

  /** 0 for padding, 1 for all else. */
  get attentionMask(): Uint8Array {
    return this.once('attention', () => this.filled(new Uint8Array(this.length), (part) => (part.kind === 'padding' ? 0 : 1)))
  }

  /** 0 for tokens of the first text, 1 for those of the second, −1 for tokens that belong to neither. */
  get sequenceIds(): Int8Array {
    return this.once('sequences', () => this.filled(new Int8Array(this.length), (part) => (part.kind === 'sequence' ? part.index : -1)))
  }

  /** What truncation cut off, as encodings of their own that overlap by the stride. */
  get overflowing(): readonly Encoding[] {
    return this.once('overflowing', this.rest)
  }

  /** The same with padding, and so its overflowing encodings. */
  padded(padding: {
    readonly length: number
    readonly side: 'left' | 'right'
    readonly id: number
    readonly typeId: number
    readonly token: string
  }): Encoding {
    const missing = padding.length - this.length
    const rest = (): readonly Encoding[] => this.overflowing.map((encoding) => encoding.padded(padding))
    if (missing <= 0) return new Encoding(this.parts, this.unit, rest)
    const fill: EncodingPart = {
      kind: 'padding',
      ids: Array<number>(missing).fill(padding.id),
      tokens: Array<string>(missing).fill(padding.token),
      typeId: padding.typeId,
    }
    return new Encoding(padding.side === 'left' ? [fill, ...this.parts] : [...this.parts, fill], this.unit, rest)
  }

  private once<T>(name: string, make: () => T): T {
    if (!this.made.has(name)) this.made.set(name, make())
    return this.made.get(name) as T
  }

  private filled<T extends Uint32Array | Int32Array | Uint8Array | Int8Array>(
    list: T,
    value: (part: EncodingPart, i: number) => number,
  ): T {
    let at = 0
    for (const part of this.parts) {
      const from = part.kind === 'sequence' ? part.from : 0
      for (let i = from; i < from + sizeOf(part); i++) list[at++] = value(part, i)
    }
    return list
  }
}

const sizeOf = (part: EncodingPart): number => (part.kind === 'sequence' ? part.to - part.from : part.ids.length)

const idAt = (part: EncodingPart, i: number): number => (part.kind === 'sequence' ? part.source.sequence.ids[i]! : part.ids[i]!)
