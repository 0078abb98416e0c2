import type { EncodingData } from './encoding-data.js'
import { p50k } from './generated/p50k.js'
import { r50k } from './generated/r50k.js'

/** The encoding of Codex and text-davinci-003: GPT-3’s with runs of blanks. */
export const p50k_base: EncodingData = {
  name: 'p50k_base',
  pattern: 'gpt2',
  tokens: [r50k, p50k],
  special: { '<|endoftext|>': 50256 },
}
