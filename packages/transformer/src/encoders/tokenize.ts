import type { Tokenizer } from '@tesserae/tokenizer'
import { TransformerError } from '../errors.js'
import type { TokenizedText } from './run.js'

/** A text's ids, cut so that the special tokens behind it stay. Errors: DATA for a text without tokens. */
export function tokenized(
  text: string,
  name: string,
  tokenizer: Tokenizer,
  maxTokens: number,
): TokenizedText & { readonly truncated: boolean } {
  const ids = tokenizer.encode(text, { special: 'text' })
  if (ids.length === 0)
    throw new TransformerError('DATA', `${name} (${JSON.stringify(text.slice(0, 60))}) has no tokens, so it has no vector; leave it out`)
  if (ids.length <= maxTokens) return { ids, truncated: false }
  const cut = tokenizer.encodeWithOffsets(text, { special: 'text', truncation: { maxLength: maxTokens }, padding: false })
  return { ids: cut.ids, truncated: true }
}

/** Two texts as one, with the segments of each, cut at the longer one's end. */
export function tokenizedPair(
  first: string,
  second: string,
  tokenizer: Tokenizer,
  maxTokens: number,
): TokenizedText & { readonly truncated: boolean } {
  const whole = tokenizer.encodeWithOffsets(first, {
    pair: second,
    special: 'text',
    truncation: { maxLength: maxTokens },
    padding: false,
  })
  return { ids: whole.ids, types: whole.typeIds, truncated: whole.overflowing.length > 0 }
}
