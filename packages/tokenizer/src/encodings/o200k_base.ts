import type { EncodingData } from './encoding-data.js'
import { o200k } from './generated/o200k.js'

/** The encoding of GPT-4o, GPT-4.1, GPT-5 and the o models. */
export const o200k_base: EncodingData = {
  name: 'o200k_base',
  pattern: 'o200k',
  tokens: [o200k],
  special: { '<|endoftext|>': 199999, '<|endofprompt|>': 200018 },
}
