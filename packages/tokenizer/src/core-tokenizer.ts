import type { TokenizerJson } from './formats/hf-json/schema.js'
import { IdList } from './id-list.js'
import type { TokenizerParts } from './parts.js'
import { plainLayout } from './postprocessors/byte-level.js'
import { SpecialTokens, type SpecialPolicy, type SpecialRule } from './special-tokens.js'
import { createPipelineDecoder, createStreamDecoder, TokenBytes, type DecodeRules, type StreamDecoder } from './stream-decoder.js'

export interface EncodeOptions {
  /** What to do with special tokens written out in the text. Default `'reject'`. */
  readonly special?: SpecialPolicy
  /** Whether to add the ids that the tokenizer's format puts around a text, such as Llama's beginning-of-text. Default true. */
  readonly addSpecial?: boolean
}

export interface EncodeRule {
  readonly special?: SpecialRule
  readonly addSpecial?: boolean
}

export interface DecodeOptions {
  /** Leaves special tokens out instead of writing their names. Default false. */
  readonly skipSpecial?: boolean
}

/** What every tokenizer does, however it came to be, and no more: text to ids and back. Pages that download no more than this stay small. */
export class CoreTokenizer {
  /** One more than the highest id: the number of rows of a model's embedding. */
  readonly vocabSize: number
  /** Special tokens and their ids. */
  readonly specialTokens: ReadonlyMap<string, number>
  /** The token that begins a text, where the format names one. */
  readonly bosId: number | undefined
  /** The token that ends a text, where the format names one. */
  readonly eosId: number | undefined
  protected readonly added: SpecialTokens
  protected readonly prefix: readonly number[]
  private decodeRules: DecodeRules | undefined
  private readonly ids = new IdList()
  private readonly utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

  constructor(protected readonly parts: TokenizerParts) {
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
    return this.encodeBy(text, options)
  }

  /** The token ids of several texts. */
  encodeBatch(texts: readonly string[], options: EncodeOptions = {}): Uint32Array[] {
    return texts.map((text) => this.encode(text, options))
  }

  /** The number of tokens that {@link CoreTokenizer.encode} would give. */
  count(text: string, options: EncodeOptions = {}): number {
    this.encodeToScratch(text, options)
    const count = this.ids.length
    this.ids.clear()
    return count
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

  /** A decoder for tokens that arrive one at a time; the strings it gives, joined, equal {@link CoreTokenizer.decode} of all ids. */
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
   * @throws TokenizerError `UNSUPPORTED` for a tokenizer read from a llama2.c file, or from a SentencePiece model or GGUF file that says what a `tokenizer.json`
   * cannot
   */
  toJSON(): TokenizerJson {
    return this.parts.write()
  }

  /** {@link CoreTokenizer.encode} by a rule that callers do not have. */
  protected encodeBy(text: string, rule: EncodeRule): Uint32Array {
    this.encodeToScratch(text, rule)
    const result = this.ids.toArray()
    this.ids.clear()
    return result
  }

  private encodeToScratch(text: string, { special = 'reject', addSpecial = true }: EncodeRule): void {
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
