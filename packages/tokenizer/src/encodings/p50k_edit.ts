import type { EncodingData } from './encoding-data.js'
import { p50k } from './generated/p50k.js'
import { r50k } from './generated/r50k.js'

/** The encoding of the edit models: p50k_base with tokens to fill in the middle. */
export const p50k_edit: EncodingData = {
  name: 'p50k_edit',
  pattern: 'gpt2',
  tokens: [r50k, p50k],
  special: { '<|endoftext|>': 50256, '<|fim_prefix|>': 50281, '<|fim_middle|>': 50282, '<|fim_suffix|>': 50283 },
}
