import type { TokenizerJson } from './formats/hf-json/schema.js'
import type { TextModel } from './models/model.js'
import type { AddedToken } from './special-tokens.js'
import type { Vocabulary } from './vocabulary.js'

/** What a tokenizer is made of; readers of files and trainers build it. */
export interface TokenizerParts {
  readonly vocabulary: Vocabulary
  readonly model: TextModel
  readonly added: readonly AddedToken[]
  readonly bosId?: number | undefined
  readonly eosId?: number | undefined
  /** Ids that encoding puts in front of a text unless told otherwise. */
  readonly prefix?: readonly number[]
  /** Whether decoding drops one blank after `bosId`. */
  readonly stripAfterBos?: boolean
  /** Writes the Hugging Face form, or throws `UNSUPPORTED`. */
  readonly write: () => TokenizerJson
}
