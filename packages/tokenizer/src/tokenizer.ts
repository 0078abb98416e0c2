import type { EncodingData, EncodingName } from './encodings/encoding-data.js'
import { loadEncoding } from './encodings/load.js'
import { readEncoding } from './encodings/read-encoding.js'
import { readHuggingFaceJson, type ReadJsonOptions, type TokenizerConfig } from './formats/hf-json/read.js'
import type { GgufMetadata } from './formats/gguf/metadata.js'
import { readGguf } from './formats/gguf/read.js'
import { readLlama2c } from './formats/llama2c.js'
import { readTiktoken, type TiktokenOptions } from './formats/tiktoken/read.js'
import { readSentencePiece, type SentencePieceOptions } from './formats/sentencepiece/read.js'
import { TextTokenizer } from './text-tokenizer.js'

export type { DecodeOptions, EncodeOptions } from './text-tokenizer.js'

/**
 * Turns text into token ids and back, exactly as the model's own tokenizer does.
 *
 * @example
 * const tokenizer = await trainBpe([book], { vocabSize: 1024, specialTokens: ['<|endoftext|>'] })
 * const ids = tokenizer.encode('Call me Ishmael.')
 * tokenizer.decode(ids) // => 'Call me Ishmael.'
 */
export class Tokenizer extends TextTokenizer {
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
}
