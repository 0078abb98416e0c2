import { TokenizerError } from '../../errors.js'
import type { TokenizerParts } from '../../parts.js'
import { readByteLevel } from './byte-level.js'
import { readGgufMetadata } from './file.js'
import { GgufFields, type GgufMetadata } from './metadata.js'
import { readPieces } from './pieces.js'
import { readWordPiece } from './word-piece.js'

/**
 * The parts of a tokenizer from a GGUF file or its parsed metadata, with the keys `tokenizer.ggml.…` that llama.cpp defines: byte-level BPE (`gpt2`),
 * SentencePiece BPE (`llama`) and Unigram (`t5`), WordPiece (`bert`).
 *
 * @throws TokenizerError `FILE` when the file or its metadata is malformed, `UNSUPPORTED` for other models and pre-tokenizers
 */
export function readGguf(source: Uint8Array | GgufMetadata): TokenizerParts {
  const fields = new GgufFields(ArrayBuffer.isView(source) ? readGgufMetadata(source as Uint8Array) : source)
  const model = fields.text('tokenizer.ggml.model')
  switch (model) {
    case 'gpt2':
      return readByteLevel(fields)
    case 'llama':
    case 't5':
      return readPieces(fields, model)
    case 'bert':
      return readWordPiece(fields)
    case undefined:
      throw fields.fail('tokenizer.ggml.model', "a string such as 'gpt2' or 'llama'", undefined)
    default:
      throw new TokenizerError(
        'UNSUPPORTED',
        `GGUF metadata: tokenizer.ggml.model is ${JSON.stringify(model)}; 'gpt2', 'llama', 't5' and 'bert' are supported`,
      )
  }
}
