import { readHuggingFaceJson, type ReadJsonOptions, type TokenizerConfig } from './formats/hf-json/read.js'
import type { TokenizerJson } from './formats/hf-json/schema.js'
import { readLlama2c } from './formats/llama2c.js'
import { IdList } from './id-list.js'
import type { TextModel } from './models/model.js'
import type { TokenizerParts } from './parts.js'
import { SpecialTokens, type SpecialPolicy } from './special-tokens.js'
import { createStreamDecoder, TokenBytes, type DecodeRules, type StreamDecoder } from './stream-decoder.js'
import type { Vocabulary } from './vocabulary.js'

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

/**
 * Turns text into token ids and back, exactly as the model's own tokenizer does.
 *
 * @example
 * const tokenizer = await trainBpe([book], { vocabSize: 1024, specialTokens: ['<|endoftext|>'] })
 * const ids = tokenizer.encode('Call me Ishmael.')
 * tokenizer.decode(ids) // => 'Call me Ishmael.'
 */
export class Tokenizer {
  /** One more than the highest id: the number of rows of a model's embedding. */
  readonly vocabSize: number
  /** Special tokens and their ids. */
  readonly specialTokens: ReadonlyMap<string, number>
  /** The token that begins a text, where the format names one. */
  readonly bosId: number | undefined
  /** The token that ends a text, where the format names one. */
  readonly eosId: number | undefined
  private readonly vocabulary: Vocabulary
  private readonly model: TextModel
  private readonly added: SpecialTokens
  private readonly prefix: readonly number[]
  private readonly rules: DecodeRules
  private readonly write: () => TokenizerJson
  private readonly ids = new IdList()
  private readonly utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

  constructor(parts: TokenizerParts) {
    this.vocabulary = parts.vocabulary
    this.model = parts.model
    this.added = new SpecialTokens(parts.added)
    this.vocabSize = parts.vocabulary.size
    this.specialTokens = this.added.special
    this.bosId = parts.bosId
    this.eosId = parts.eosId
    this.prefix = parts.prefix ?? []
    this.write = parts.write
    this.rules = {
      vocabulary: parts.vocabulary,
      specialIds: this.added.specialIds,
      stripAfter: parts.stripAfterBos === true ? parts.bosId : undefined,
    }
  }

  /**
   * A tokenizer from a Hugging Face `tokenizer.json`: byte-level BPE with the split of GPT-2, cl100k or Llama 3. What the file asks for
   * beyond that is refused by name.
   *
   * @param json the file's text, or its parsed value
   * @param config `tokenizer_config.json`, for `bosId` and `eosId`
   * @param options `trustPattern` accepts a split by any regular expression; without it only known splits are
   * @throws TokenizerError `FILE` when the file is malformed, `UNSUPPORTED` when it needs a missing component
   */
  static fromJSON(json: unknown, config?: TokenizerConfig, options?: ReadJsonOptions): Tokenizer {
    return new Tokenizer(readHuggingFaceJson(json, config, options))
  }

  /**
   * A tokenizer from llama2.c's `tokenizer.bin`. Encoding puts token 1 (`<s>`) in front unless `addSpecial` is false, and decoding drops the
   * blank that follows it, as llama2.c does.
   *
   * @throws TokenizerError `FILE` when the file is malformed
   */
  static fromLlama2c(bytes: Uint8Array): Tokenizer {
    return new Tokenizer(readLlama2c(bytes))
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

  /** The number of tokens that {@link Tokenizer.encode} would give. */
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
    const bytes = new TokenBytes(this.rules, options.skipSpecial === true)
    let position = 0
    for (const id of ids) bytes.append(id, position++)
    return this.utf8.decode(bytes.bytes.subarray(0, bytes.length))
  }

  /** A decoder for tokens that arrive one at a time; the strings it gives, joined, equal {@link Tokenizer.decode} of all ids. */
  decoder(options: DecodeOptions = {}): StreamDecoder {
    return createStreamDecoder(this.rules, options.skipSpecial === true)
  }

  /** A copy of a token's bytes, which need not be whole characters. */
  tokenBytes(id: number): Uint8Array {
    return this.vocabulary.tokenBytes(id)
  }

  /**
   * The value of a `tokenizer.json` that Hugging Face's libraries and {@link Tokenizer.fromJSON} load; `JSON.stringify` calls it.
   *
   * @throws TokenizerError `UNSUPPORTED` for a tokenizer read from a llama2.c file
   */
  toJSON(): TokenizerJson {
    return this.write()
  }

  private encodeToScratch(text: string, { special = 'reject', addSpecial = true }: EncodeOptions): void {
    const { ids } = this
    ids.clear()
    if (addSpecial) for (const id of this.prefix) ids.push(id)
    this.added.scan(
      text,
      special,
      (part, start) => this.model.encode(part, ids, start === 0),
      (id) => ids.push(id),
    )
  }
}
