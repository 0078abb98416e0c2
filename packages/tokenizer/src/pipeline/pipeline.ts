import type { AddedVocabulary } from '../added-vocab/added-vocabulary.js'
import { unknownId } from '../vocabulary.js'
import { IdList } from '../id-list.js'
import type { TextModel } from '../models/model.js'
import type { Prefixes } from '../models/prefixes.js'
import { PieceCache } from '../models/piece-cache.js'
import type { SpecialRule } from '../special-tokens.js'
import { AlignedText } from '../text/aligned.js'
import { isWordUnit } from '../encoding/safe-cuts.js'
import type {
  Decoder,
  GrowingText,
  Normalizer,
  PieceModel,
  PieceSplitter,
  PostProcessor,
  TextPipeline,
  TextRun,
  TokenSequence,
  TokenSink,
} from './components.js'

export interface PipelineParts {
  readonly added: AddedVocabulary
  readonly normalizer: Normalizer | undefined
  readonly splitter: PieceSplitter | undefined
  readonly model: PieceModel
  readonly postProcessor: PostProcessor | undefined
  readonly decoder: Decoder | undefined
  /** Does what `splitter` and `model` do for ids alone, faster. */
  readonly fast?: TextModel | undefined
}

/**
 * The way of a text in Hugging Face tokenizers: added tokens are taken out, what is between them is normalized, cut into pieces and given to
 * the model.
 */
export class Pipeline implements TextPipeline {
  readonly size: number
  readonly postProcessor: PostProcessor | undefined
  private readonly cache = new PieceCache()
  private readonly sink = new IdSink()
  /** Whether even ids alone depend on places, which a normalizer moves. */
  private readonly tracks: boolean
  private prefixes: (() => Prefixes) | undefined

  constructor(readonly parts: PipelineParts) {
    let size = parts.model.size
    for (const { id } of parts.added.tokens) size = Math.max(size, id + 1)
    this.size = size
    this.postProcessor = parts.postProcessor
    this.tracks = parts.normalizer !== undefined && parts.splitter?.needsPlaces === true
  }

  get cutsAtBlanks(): boolean {
    const { normalizer, splitter, added } = this.parts
    if (normalizer !== undefined && normalizer.wordwise !== true) return false
    if (splitter !== undefined && splitter.wordwise !== true) return false
    // Text behind an added token is normalized on its own, which only matters where such a token may stand before the blank.
    if (added.tokens.some((token) => token.normalized && isWordUnit(added.formOf(token).at(-1)?.charCodeAt(0) ?? 0))) return false
    return [' ', '  '].every((blanks) => this.fallsApart(blanks))
  }

  get growing(): GrowingText | undefined {
    const { normalizer, splitter, added, model } = this.parts
    // Added tokens that are looked for in normalized text could hide in it.
    if (normalizer !== undefined && (normalizer.characterwise !== true || added.tokens.some((token) => token.normalized))) return undefined
    if (splitter !== undefined && splitter.inOnePiece !== true) return undefined
    const prefixes = (this.prefixes ??= model.growing?.())
    if (prefixes === undefined) return undefined
    const utf8 = new TextEncoder()
    return { prefixes, apart: [], normalized: (text) => utf8.encode(this.piecesOf(wellFormed(text)).join('')) }
  }

  encode(text: string, special: SpecialRule, out: IdList): void {
    const { added, splitter, model, fast } = this.parts
    added.split(wellFormed(text), special, this.tracks, {
      added: (token) => out.push(token.id),
      text: (part) => {
        if (fast !== undefined) {
          fast.encode(part.text, out, part.atOrigin)
          return
        }
        const pieces = splitter === undefined ? [part] : splitter.split([part])
        if (model.encodeIds !== undefined) for (const piece of pieces) model.encodeIds(piece.text, out)
        else for (const piece of pieces) this.encodePiece(piece.text, out)
      },
    })
  }

  tokenize(text: string, special: SpecialRule): TokenSequence {
    const { added, splitter, model } = this.parts
    const given = wellFormed(text)
    const ids = new IdList()
    const starts: number[] = []
    const ends: number[] = []
    const words: number[] = []
    const forms: string[] = []
    let word = -1
    let piece: AlignedText | undefined
    const sink = {
      token(id: number, start: number, end: number): void {
        const place = piece!.range(start, end)
        ids.push(id)
        starts.push(place.start)
        ends.push(place.end)
        words.push(word)
        forms.push(id === model.verbatimId ? piece!.text.slice(start, end) : (model.idToToken(id) ?? ''))
      },
    }
    added.split(given, special, true, {
      added: (token, part) => {
        word++
        const place = part.range(0, part.length)
        ids.push(token.id)
        starts.push(place.start)
        ends.push(place.end)
        words.push(word)
        forms.push(part.text)
      },
      text: (part) => {
        for (piece of splitter === undefined ? [part] : splitter.split([part])) {
          word++
          model.encodePiece(piece.text, sink)
        }
      },
    })
    const tokens = {
      text: given,
      ids: ids.toArray(),
      starts: Int32Array.from(starts),
      ends: Int32Array.from(ends),
      words: Int32Array.from(words),
      forms,
    }
    this.postProcessor?.trimOffsets?.(tokens)
    return tokens
  }

  idToToken(id: number): string | undefined {
    const token = this.parts.added.byId.get(id)
    return token === undefined ? this.parts.model.idToToken(id) : this.parts.added.formOf(token)
  }

  tokenToId(token: string): number | undefined {
    return this.parts.added.byContent.get(token)?.id ?? this.parts.model.tokenToId(token)
  }

  startDecoding(): TextRun {
    // Without a decoder the library puts blanks between tokens.
    let index = 0
    const run = this.parts.decoder?.start(false) ?? {
      push: (form: string) => [index++ === 0 ? form : ` ${form}`],
      end: () => [],
    }
    return {
      push: (id, position) => {
        const form = this.idToToken(id)
        if (form === undefined) throw unknownId(id, position, `ids are below ${this.size}`)
        return joined(run.push(form))
      },
      end: () => joined(run.end()),
    }
  }

  /** Whether words with these blanks between them are in different pieces, or in one that the model cuts there. */
  private fallsApart(blanks: string): boolean {
    const { model } = this.parts
    const word = this.piecesOf(PROBE)
    const both = this.piecesOf(PROBE + blanks + PROBE)
    if (word.length > 0 && word.length < both.length && word.every((piece, i) => piece === both[i])) return true
    const [piece] = both
    if (both.length !== 1 || word.length !== 1 || !piece!.startsWith(word[0]!) || model.endsBefore === undefined) return false
    return model.endsBefore(String.fromCodePoint(piece!.codePointAt(word[0]!.length)!))
  }

  private piecesOf(text: string): string[] {
    const { normalizer, splitter } = this.parts
    const given = AlignedText.of(text, { track: this.tracks })
    const normalized = normalizer?.normalize(given) ?? given
    return (splitter?.split([normalized]) ?? [normalized]).map((piece) => piece.text)
  }

  private encodePiece(piece: string, out: IdList): void {
    if (this.cache.append(piece, out)) return
    const from = out.length
    this.sink.out = out
    this.parts.model.encodePiece(piece, this.sink)
    this.cache.keep(piece, out, from)
  }
}

/** Takes the ids of tokens alone. */
class IdSink implements TokenSink {
  out = new IdList()

  token(id: number): void {
    this.out.push(id)
  }
}

/** A word that no normalizer that is wordwise takes apart. */
const PROBE = 'aaa'

const joined = (forms: readonly string[]): string => (forms.length === 1 ? forms[0]! : forms.join(''))

/** The text with U+FFFD for lone surrogates. */
function wellFormed(text: string): string {
  // With `u` this class matches lone surrogates only.
  return /[\ud800-\udfff]/u.test(text) ? text.replace(/[\ud800-\udfff]/gu, '\ufffd') : text
}
