import { PieceType } from '../sentencepiece/model-proto.js'
import type { GgufFields } from './metadata.js'

/** Real vocabularies stay far below this. */
const MAX_TOKENS = 2 ** 21

/** The tokens of a GGUF file with their types (see PieceType), which stand in the metadata side by side. */
export interface GgufVocabulary {
  readonly tokens: readonly string[]
  readonly types: Uint8Array
}

export function readVocabulary(fields: GgufFields): GgufVocabulary {
  const tokens = fields.texts('tokenizer.ggml.tokens')
  if (tokens.length === 0 || tokens.length > MAX_TOKENS) {
    throw fields.fail('tokenizer.ggml.tokens', `an array of 1 to ${MAX_TOKENS} strings`, `one of ${tokens.length}`)
  }
  const key = 'tokenizer.ggml.token_type'
  const given = fields.numbers(key, tokens.length)
  const types = new Uint8Array(tokens.length).fill(PieceType.normal)
  if (given !== undefined) {
    for (const [id, type] of given.entries()) {
      // 0 is "undefined", which llama.cpp neither merges nor looks for.
      if (!Number.isInteger(type) || type < 0 || type > 6) throw fields.fail(`${key}[${id}]`, 'a type from 0 to 6', type)
      types[id] = type === 0 ? PieceType.unused : type
    }
  }
  return { tokens, types }
}

/** Which tokens are put around texts: by the file's flags, or else by what is usual for its kind. */
export interface Framing {
  readonly bosId: number | undefined
  readonly eosId: number | undefined
  readonly addBos: boolean
  readonly addEos: boolean
}

export function readFraming(fields: GgufFields, size: number, usual: Partial<Framing>): Framing {
  const id = (name: string, fallback: number | undefined): number | undefined => {
    const found = fields.id(`tokenizer.ggml.${name}_token_id`, size)
    return found ?? (fallback !== undefined && fallback < size ? fallback : undefined)
  }
  const bosId = id('bos', usual.bosId)
  const eosId = id('eos', usual.eosId)
  return {
    bosId,
    eosId,
    addBos: fields.flag('tokenizer.ggml.add_bos_token') ?? usual.addBos ?? false,
    addEos: fields.flag('tokenizer.ggml.add_eos_token') ?? usual.addEos ?? false,
  }
}
