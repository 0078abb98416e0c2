import type { EncodingData } from './encoding-data.js'
import { r50k } from './generated/r50k.js'

/** GPT-2’s encoding, which equals r50k_base. */
export const gpt2: EncodingData = {
  name: 'gpt2',
  pattern: 'gpt2',
  tokens: [r50k],
  special: { '<|endoftext|>': 50256 },
}
