import type { TokenizerJson } from './formats/hf-json/schema.js'
import type { TextModel } from './models/model.js'
import type { TextPipeline } from './pipeline/components.js'
import type { PaddingRule, TruncationRule } from './pipeline/limits.js'
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
  readonly padId?: number | undefined
  readonly unkId?: number | undefined
  /** Templates for chats by name; the usual one is `default`. */
  readonly chatTemplates?: ReadonlyMap<string, string>
  /** The longest text in tokens that the model takes. */
  readonly modelMaxLength?: number | undefined
  /** What encodings are cut and filled to unless told otherwise. */
  readonly truncation?: TruncationRule | undefined
  readonly padding?: PaddingRule | undefined
  /** Encodes and decodes instead of `model` and `vocabulary`, where the format needs more than these do. */
  readonly pipeline?: TextPipeline
  /** Whether, even so, the bytes of tokens joined are the text that they decode to. */
  readonly decodesBytes?: boolean
  /** Writes the Hugging Face form, or throws `UNSUPPORTED`. */
  readonly write: () => TokenizerJson
}
