import type { EncodingData } from './encoding-data.js'
import { o200k } from './generated/o200k.js'

const FIRST_RESERVED = 200013
const END = 201088

const special: Record<string, number> = {
  '<|endofprompt|>': 200018,
  '<|startoftext|>': 199998,
  '<|endoftext|>': 199999,
  '<|reserved_200000|>': 200000,
  '<|reserved_200001|>': 200001,
  '<|return|>': 200002,
  '<|constrain|>': 200003,
  '<|reserved_200004|>': 200004,
  '<|channel|>': 200005,
  '<|start|>': 200006,
  '<|end|>': 200007,
  '<|message|>': 200008,
  '<|reserved_200009|>': 200009,
  '<|reserved_200010|>': 200010,
  '<|reserved_200011|>': 200011,
  '<|call|>': 200012,
}
// Among these is a second name for 200018, as in tiktoken.
for (let id = FIRST_RESERVED; id < END; id++) special[`<|reserved_${id}|>`] = id

/** The encoding of GPT-OSS: o200k_base with the tokens of the harmony format. */
export const o200k_harmony: EncodingData = { name: 'o200k_harmony', pattern: 'o200k', tokens: [o200k], special }
