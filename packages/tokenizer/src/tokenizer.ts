import type { EncodingData, EncodingName } from './encodings/encoding-data.js'
import { loadEncoding } from './encodings/load.js'
import { readEncoding } from './encodings/read-encoding.js'
import { readHuggingFaceJson, type ReadJsonOptions, type TokenizerConfig } from './formats/hf-json/read.js'
import type { TokenizerJson } from './formats/hf-json/schema.js'
import type { GgufMetadata } from './formats/gguf/metadata.js'
import { readGguf } from './formats/gguf/read.js'
import { readLlama2c } from './formats/llama2c.js'
import { readTiktoken, type TiktokenOptions } from './formats/tiktoken/read.js'
import { readSentencePiece, type SentencePieceOptions } from './formats/sentencepiece/read.js'
import { IdList } from './id-list.js'
import type { TokenizerParts } from './parts.js'
import type { LayoutPart } from './pipeline/components.js'
import { SpecialTokens, type SpecialPolicy } from './special-tokens.js'
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
   * One of OpenAI's encodings by tiktoken's name. Its vocabulary is imported when it is asked for.
   *
   * @throws TokenizerError `VALUE` for an unknown name
   */
  static async fromEncoding(name: EncodingName): Promise<Tokenizer> {
    return new Tokenizer(readEncoding(await loadEncoding(name)))
  }

  /** The same from data that was imported from `@tesserae/tokenizer/encodings/NAME`. */
  static fromEncodingData(data: EncodingData): Tokenizer {
    return new Tokenizer(readEncoding(data))
  }

  /**
   * A tokenizer from a rank file of tiktoken's (Llama 3, Qwen and Kimi are published as such): a line for each token, its bytes in base64 and its rank.
   *
   * @param file the file's text or bytes
   * @param options how text is cut (the file does not say), and special tokens
   * @throws TokenizerError `FILE`, with the line, when the file is malformed; `VALUE` or `UNSUPPORTED` for options that do not fit
   */
  static fromTiktoken(file: string | Uint8Array, options: TiktokenOptions): Tokenizer {
    return new Tokenizer(readTiktoken(file, options))
  }

  /**
   * A tokenizer from a Hugging Face `tokenizer.json`, with every component that their tokenizers library 0.23 has.
   *
   * @param json the file's text, or its parsed value
   * @param config `tokenizer_config.json`, as text or parsed: which tokens begin and end texts, whether to add them
   * @param options `trustPattern` runs a split by a regular expression that cannot be bounded on JavaScript's engine
   * @throws TokenizerError `FILE` when the file is malformed, `UNSUPPORTED` when it needs what this package does not have
   */
  static fromJSON(json: unknown, config?: TokenizerConfig | string, options?: ReadJsonOptions): Tokenizer {
    return new Tokenizer(readHuggingFaceJson(json, config, options))
  }

  /**
   * A tokenizer from a SentencePiece `.model`: Unigram, BPE, word or character pieces, exactly as SentencePiece itself. Control tokens such as
   * `<s>` decode to nothing, and nothing is put around a text unless `addBos` or `addEos` asks for it.
   *
   * @throws TokenizerError `FILE`, with the position, when the file is malformed
   */
  static fromSentencePiece(bytes: Uint8Array, options?: SentencePieceOptions): Tokenizer {
    return new Tokenizer(readSentencePiece(bytes, options))
  }

  /**
   * A tokenizer from a GGUF file (its beginning with all metadata is enough) or from its parsed metadata: the vocabularies that llama.cpp
   * calls `gpt2`, `llama`, `t5` and `bert`.
   *
   * @throws TokenizerError `FILE` when the file is malformed, `UNSUPPORTED` for another kind of vocabulary or an unknown pre-tokenizer
   */
  static fromGGUF(source: Uint8Array | GgufMetadata): Tokenizer {
    return new Tokenizer(readGguf(source))
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

  /** A decoder for tokens that arrive one at a time; the strings it gives, joined, equal {@link Tokenizer.decode} of all ids. */
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
   * The value of a `tokenizer.json` that Hugging Face's libraries and {@link Tokenizer.fromJSON} load; `JSON.stringify` calls it.
   *
   * @throws TokenizerError `UNSUPPORTED` for a tokenizer read from a llama2.c file
   */
  toJSON(): TokenizerJson {
    return this.parts.write()
  }

  private encodeToScratch(text: string, { special = 'reject', addSpecial = true }: EncodeOptions): void {
    const { ids } = this
    ids.clear()
    const { pipeline } = this.parts
    if (pipeline !== undefined) {
      for (const part of pipeline.postProcessor?.layout(false) ?? ALONE) {
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
const ALONE: readonly LayoutPart[] = [{ kind: 'sequence', index: 0, typeId: 0 }]
