import type { EncodingData } from './encoding-data.js'
import { r50k } from './generated/r50k.js'

/** The encoding of GPT-3. */
export const r50k_base: EncodingData = {
  name: 'r50k_base',
  pattern: 'gpt2',
  tokens: [r50k],
  special: { '<|endoftext|>': 50256 },
}
