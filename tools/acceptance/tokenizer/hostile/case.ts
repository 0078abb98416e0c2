import type { Tokenizer } from '@tesserae/tokenizer'

/** One malformed or hostile input. Making it costs the case no time; only what `load` does counts. */
export interface HostileCase {
  readonly name: string
  /** Whether the input was made by hand; such tokenizers get every hostile text, others a few by turns. */
  readonly byHand: boolean
  /** Makes the input and returns what reads it: a tokenizer, or the text of a chat. */
  readonly prepare: () => () => Tokenizer | Promise<string>
  /** The `tokenizer.json` at hand, where another library can be asked about it. */
  readonly json?: () => string
}
