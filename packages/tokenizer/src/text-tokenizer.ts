import { assemble } from './encoding/assemble.js'
import { tokenizeBytes } from './encoding/byte-tokens.js'
import type { Encoding } from './encoding/encoding.js'
import { paddedLength, paddingRule, truncationRule, type BatchOptions, type EncodeWithOffsetsOptions } from './encoding/options.js'
import type { TokenizerJson } from './formats/hf-json/schema.js'
import { IdList } from './id-list.js'
import type { TokenizerParts } from './parts.js'
import type { LayoutPart, TokenSequence } from './pipeline/components.js'
import type { PaddingRule } from './pipeline/limits.js'
import { plainLayout } from './postprocessors/byte-level.js'
import { SpecialTokens, type SpecialPolicy, type SpecialRule } from './special-tokens.js'
import { createPipelineDecoder, createStreamDecoder, TokenBytes, type DecodeRules, type StreamDecoder } from './stream-decoder.js'

export interface EncodeOptions {
  /** What to do with special tokens written out in the text. Default `'reject'`. */
  readonly special?: SpecialPolicy
  /** Whether to add the ids that the tokenizer's format puts around a text, such as Llama's beginning-of-text. Default true. */
  readonly addSpecial?: boolean
}

export interface DecodeOptions {
  /** Leaves special tokens out instead of writing their names. Default false. */
  readonly skipSpecial?: boolean
}

/** What every tokenizer does, however it came to be: `Tokenizer` without the readers of files. */
export class TextTokenizer {
  /** One more than the highest id: the number of rows of a model's embedding. */
  readonly vocabSize: number
  /** Special tokens and their ids. */
  readonly specialTokens: ReadonlyMap<string, number>
  /** The token that begins a text, where the format names one. */
  readonly bosId: number | undefined
  /** The token that ends a text, where the format names one. */
  readonly eosId: number | undefined
  private readonly added: SpecialTokens
  private readonly prefix: readonly number[]
  private decodeRules: DecodeRules | undefined
  private readonly ids = new IdList()
  private readonly utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

  constructor(private readonly parts: TokenizerParts) {
    this.added = new SpecialTokens(parts.added)
    this.vocabSize = parts.pipeline?.size ?? parts.vocabulary.size
    this.specialTokens = this.added.special
    this.bosId = parts.bosId
    this.eosId = parts.eosId
    this.prefix = parts.prefix ?? []
  }

  /**
   * The token ids of a text. Lone surrogates count as U+FFFD.
   *
   * @throws TokenizerError `SPECIAL_TOKEN`, with the token and its position, when the text holds one that `special` does not allow
   */
  encode(text: string, options: EncodeOptions = {}): Uint32Array {
    this.encodeToScratch(text, options)
    const result = this.ids.toArray()
    this.ids.clear()
    return result
  }

  /** The token ids of several texts. */
  encodeBatch(texts: readonly string[], options: EncodeOptions = {}): Uint32Array[] {
    return texts.map((text) => this.encode(text, options))
  }

  /** The number of tokens that {@link TextTokenizer.encode} would give. */
  count(text: string, options: EncodeOptions = {}): number {
    this.encodeToScratch(text, options)
    const count = this.ids.length
    this.ids.clear()
    return count
  }

  /**
   * A text's tokens with their places, words, masks and segments, as Hugging Face tokenizers gives them. Truncation and padding are those of the tokenizer's file
   * unless given; {@link TextTokenizer.encode} does neither.
   *
   * @throws TokenizerError `SPECIAL_TOKEN` by the policy; `VALUE` for options out of their range
   */
  encodeWithOffsets(text: string, options: EncodeWithOffsetsOptions = {}): Encoding {
    const { pair, ...rest } = options
    return this.encodeBatchWithOffsets([pair === undefined ? text : [text, pair]], rest)[0]!
  }

  /** The same for several texts or pairs, filled up to one length where `padding` asks for the longest. */
  encodeBatchWithOffsets(texts: readonly (string | readonly [string, string])[], options: BatchOptions = {}): Encoding[] {
    const { parts } = this
    const truncation = truncationRule(options.truncation, parts.truncation)
    const padding = this.paddingOf(options)
    const encodings = texts.map((entry) => {
      const sequences = (typeof entry === 'string' ? [entry] : entry).map((text) => this.tokenize(text, options.special ?? 'reject'))
      return assemble(sequences, this.layout(sequences.length === 2, options.addSpecial !== false), {
        unit: options.offsets ?? 'utf16',
        truncation,
      })
    })
    if (padding === undefined) return encodings
    const length = paddedLength(
      encodings.map((encoding) => encoding.length),
      padding,
    )
    return encodings.map((encoding) => encoding.padded({ ...padding, length }))
  }

  /**
   * The text of token ids. Bytes that are not UTF-8 become U+FFFD.
   *
   * @throws TokenizerError `TOKEN_ID`, with the index, for an id without a token
   */
  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    const { pipeline } = this.parts
    if (pipeline !== undefined && this.parts.decodesBytes !== true) {
      const skipped = options.skipSpecial === true ? this.added.specialIds : NO_IDS
      const run = pipeline.startDecoding()
      let text = ''
      let at = 0
      for (const id of ids) {
        if (!skipped.has(id)) text += run.push(id, at)
        at++
      }
      return text + run.end()
    }
    const bytes = new TokenBytes(this.rules, options.skipSpecial === true)
    let position = 0
    for (const id of ids) bytes.append(id, position++)
    return this.utf8.decode(bytes.bytes.subarray(0, bytes.length))
  }

  /** A decoder for tokens that arrive one at a time; the strings it gives, joined, equal {@link TextTokenizer.decode} of all ids. */
  decoder(options: DecodeOptions = {}): StreamDecoder {
    const { pipeline } = this.parts
    if (pipeline !== undefined && this.parts.decodesBytes !== true) {
      return createPipelineDecoder(pipeline, options.skipSpecial === true ? this.added.specialIds : NO_IDS)
    }
    return createStreamDecoder(this.rules, options.skipSpecial === true)
  }

  /** A copy of a token's bytes, which need not be whole characters. */
  tokenBytes(id: number): Uint8Array {
    return this.parts.vocabulary.tokenBytes(id)
  }

  /**
   * The value of a `tokenizer.json` that Hugging Face's libraries and `Tokenizer.fromJSON` load; `JSON.stringify` calls it.
   *
   * @throws TokenizerError `UNSUPPORTED` for a tokenizer read from a llama2.c file
   */
  toJSON(): TokenizerJson {
    return this.parts.write()
  }

  private tokenize(text: string, special: SpecialRule): TokenSequence {
    return this.parts.pipeline?.tokenize(text, special) ?? tokenizeBytes(text, special, this.parts, this.added)
  }

  /** The texts and, where wanted, what is put around them. */
  private layout(pair: boolean, addSpecial: boolean): readonly LayoutPart[] {
    const { pipeline } = this.parts
    const layout =
      pipeline === undefined ? prefixed(this.prefix, pair, this.parts) : (pipeline.postProcessor?.layout(pair) ?? plainLayout(pair))
    return addSpecial ? layout : layout.filter((part) => part.kind === 'sequence')
  }

  private paddingOf({ padding }: BatchOptions): PaddingRule | undefined {
    return paddingRule(padding, this.parts.padding, { padId: this.parts.padId, tokenOf: (id) => this.decode([id]) })
  }

  private encodeToScratch(text: string, { special = 'reject', addSpecial = true }: EncodeOptions): void {
    const { ids } = this
    ids.clear()
    const { pipeline } = this.parts
    if (pipeline !== undefined) {
      for (const part of pipeline.postProcessor?.layout(false) ?? plainLayout(false)) {
        if (part.kind === 'sequence') pipeline.encode(text, special, ids)
        else if (addSpecial) for (const id of part.ids) ids.push(id)
      }
      return
    }
    if (addSpecial) for (const id of this.prefix) ids.push(id)
    this.added.scan(
      text,
      special,
      (part, start) => this.parts.model.encode(part, ids, start === 0),
      (id) => ids.push(id),
    )
  }

  /** Built at first use: a pipeline makes its vocabulary of bytes only when asked for it. */
  private get rules(): DecodeRules {
    return (this.decodeRules ??= {
      vocabulary: this.parts.vocabulary,
      specialIds: this.added.specialIds,
      stripAfter: this.parts.stripAfterBos === true ? this.parts.bosId : undefined,
    })
  }
}

const NO_IDS: ReadonlySet<number> = new Set()

/** The ids in front of a text as a layout. */
function prefixed(ids: readonly number[], pair: boolean, { vocabulary }: TokenizerParts): readonly LayoutPart[] {
  if (ids.length === 0) return plainLayout(pair)
  const utf8 = new TextDecoder()
  const tokens = ids.map((id) => utf8.decode(vocabulary.tokenBytes(id)))
  return [{ kind: 'special', ids, tokens, typeId: 0 }, ...plainLayout(pair)]
}
