import type { EncodingData } from './encoding-data.js'
import { cl100k } from './generated/cl100k.js'

/** The encoding of GPT-3.5, GPT-4 and text-embedding-3. */
export const cl100k_base: EncodingData = {
  name: 'cl100k_base',
  pattern: 'cl100k',
  tokens: [cl100k],
  special: {
    '<|endoftext|>': 100257,
    '<|fim_prefix|>': 100258,
    '<|fim_middle|>': 100259,
    '<|fim_suffix|>': 100260,
    '<|endofprompt|>': 100276,
  },
}
