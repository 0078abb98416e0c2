import type { AddedVocabulary } from '../../added-vocab/added-vocabulary.js'
import type { IdList } from '../../id-list.js'
import { ByteCursor } from '../../models/bpe/byte-cursor.js'
import { Utf8Buffer } from '../../models/model.js'
import { charLength, Segments, UNKNOWN, type Segmenter } from '../../models/segments.js'
import { ScoredBpe } from '../../models/bpe/scored.js'
import type { Prefixes } from '../../models/prefixes.js'
import { beginsWords } from '../../models/words.js'
import type { GrowingText, PostProcessor, TextPipeline, TextRun, TokenSequence } from '../../pipeline/components.js'
import type { SpecialRule } from '../../special-tokens.js'
import { startDecoding, type DecodingRules } from './decoder.js'
import { PieceType } from './model-proto.js'
import { BLANK_SYMBOL, type SentencePieceNormalizer } from './normalizer.js'
import type { Pieces } from './pieces.js'
import { prefixesOf } from './prefixes.js'
import { TokenList } from './token-list.js'

export interface SentencePieceParts {
  readonly pieces: Pieces
  readonly segmenter: Segmenter
  readonly normalizer: SentencePieceNormalizer
  readonly decoding: DecodingRules
  /** Tokens that are found in text before it is cut, where the policy lets them. */
  readonly added: AddedVocabulary
  /** Whether a blank is also put in front of text that follows an added token. */
  readonly blankAfterAdded: boolean
  readonly postProcessor?: PostProcessor | undefined
}

/** SentencePiece's way from text to tokens and back. */
export class SentencePiecePipeline implements TextPipeline {
  readonly size: number
  readonly postProcessor: PostProcessor | undefined
  private readonly utf8 = new Utf8Buffer()
  private readonly segments = new Segments()
  private prefixes: (() => Prefixes) | undefined

  constructor(readonly parts: SentencePieceParts) {
    this.size = parts.pieces.size
    this.postProcessor = parts.postProcessor
  }

  get cutsAtBlanks(): boolean {
    const { pieces, segmenter, normalizer } = this.parts
    if (!normalizer.wordwise || segmenter.wordwise !== true) return false
    return beginsWords(
      Array.from(pieces.ids, (id) => pieces.form(id)),
      normalizer.spec.escapeWhitespaces ? '\u2581' : ' ',
    )
  }

  get growing(): GrowingText | undefined {
    const { pieces, segmenter, normalizer } = this.parts
    if (!normalizer.wordwise || pieces.ids.length === 0) return undefined
    const begin = (this.prefixes ??= prefixesOf(segmenter, pieces))
    if (begin === undefined) return undefined
    return {
      prefixes: begin,
      // Found in the text before all else, and joined to nothing.
      apart: segmenter instanceof ScoredBpe ? pieces.ofType(PieceType.userDefined).map((id) => pieces.bytes(id)) : [],
      normalized: (part) => {
        const length = this.utf8.write(part)
        normalizer.normalize(this.utf8.bytes, length, true, false)
        return normalizer.bytes.subarray(0, normalizer.length)
      },
    }
  }

  encode(text: string, special: SpecialRule, out: IdList): void {
    this.parts.added.split(text, special, false, {
      text: (part) => this.encodePart(part.text, part.atOrigin, out),
      added: (token) => out.push(token.id),
    })
  }

  tokenize(text: string, special: SpecialRule): TokenSequence {
    const list = new TokenList()
    this.parts.added.split(text, special, true, {
      text: (part) => this.tokenizePart(part.text, part.range(0, 0).start, list),
      added: (token, part) => {
        const { start, end } = part.range(0, part.length)
        list.nextWord()
        list.push(token.id, start, end, part.text)
        list.nextWord()
      },
    })
    return list.toSequence(text)
  }

  idToToken(id: number): string | undefined {
    return id >>> 0 === id && id < this.size ? this.parts.pieces.form(id) : undefined
  }

  tokenToId(token: string): number | undefined {
    return this.parts.pieces.find(token)
  }

  startDecoding(): TextRun {
    return startDecoding(this.parts.pieces, this.parts.decoding)
  }

  /** Fills `segments` with those of the normalized text. */
  private cut(part: string, atOrigin: boolean, track: boolean): void {
    const { normalizer, segmenter, blankAfterAdded } = this.parts
    const length = this.utf8.write(part)
    normalizer.normalize(this.utf8.bytes, length, atOrigin || blankAfterAdded, track)
    this.segments.clear()
    segmenter.segment(normalizer.bytes, normalizer.length, this.segments)
  }

  private encodePart(part: string, atOrigin: boolean, out: IdList): void {
    this.cut(part, atOrigin, false)
    const { segments } = this
    const { unknownId, byteIds } = this.parts.pieces
    const { bytes } = this.parts.normalizer
    out.reserve(segments.length)
    let begin = 0
    let inUnknown = false
    for (let i = 0; i < segments.length; i++) {
      const id = segments.ids[i]!
      const end = segments.ends[i]!
      if (id !== UNKNOWN) out.push(id)
      else if (byteIds.length > 0) for (let at = begin; at < end; at++) out.push(byteIds[bytes[at]!]!)
      else if (!inUnknown) out.push(unknownId)
      inUnknown = id === UNKNOWN
      begin = end
    }
    this.trim()
  }

  private tokenizePart(part: string, start: number, list: TokenList): void {
    this.cut(part, start === 0, true)
    const { segments } = this
    const { pieces, normalizer } = this.parts
    const { bytes, places } = normalizer
    const cursor = new ByteCursor(part)
    const add = (ids: Iterable<number>, from: number, to: number, form?: string): void => {
      const first = cursor.startOf(places[from]!)
      const last = places[to] === places[from] ? first : cursor.endOf(places[to]!)
      for (const id of ids) list.push(id, start + first, start + last, form ?? pieces.form(id))
    }
    const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
    let begin = 0
    for (let i = 0; i < segments.length;) {
      const id = segments.ids[i]!
      let end = segments.ends[i++]!
      if (startsWithBlank(bytes, begin)) list.nextWord()
      if (id !== UNKNOWN) {
        add([id], begin, end)
      } else if (pieces.byteIds.length > 0) {
        // All bytes of a character stand for it as a whole.
        while (begin < end) {
          const after = begin + charLength(bytes[begin]!)
          add(
            Array.from(bytes.subarray(begin, after), (byte) => pieces.byteIds[byte]!),
            begin,
            after,
          )
          begin = after
        }
      } else {
        while (i < segments.length && segments.ids[i] === UNKNOWN) end = segments.ends[i++]!
        add([pieces.unknownId], begin, end, utf8.decode(bytes.subarray(begin, end)))
      }
      begin = end
    }
    this.trim()
  }

  private trim(): void {
    this.utf8.trim()
    this.parts.normalizer.trim()
  }
}

const startsWithBlank = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === BLANK_SYMBOL[0] && bytes[at + 1] === BLANK_SYMBOL[1] && bytes[at + 2] === BLANK_SYMBOL[2]
