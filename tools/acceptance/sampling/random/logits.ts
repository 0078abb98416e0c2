/** Random logits by which the most likely token is one sampled at random, with those preferred that bring a text to its end. */
import type { Tokens } from '../contests/vocabulary.js'

/** Logits beyond those of one vocabulary, so that a window anywhere in the table is one for a token. */
const WINDOWS = 8

/** Numbers of Gumbel's distribution: added to logits, the largest sum is as likely as the softmax says. */
export function gumbelTable(below: (limit: number) => number, size: number): Float32Array {
  return Float32Array.from({ length: WINDOWS * size }, () => -Math.log(-Math.log((below(2 ** 24) + 0.5) / 2 ** 24)))
}

/** How much each token closes: 1 for quotes and brackets and the end, less for what separates, and for single characters, by which patterns get on. */
export function closingBias({ tokens, end }: Tokens): Float32Array {
  const bias = new Float32Array(tokens.length)
  const decoder = new TextDecoder()
  tokens.forEach((bytes, id) => {
    if (bytes === undefined) return
    const text = decoder.decode(bytes)
    if (/^["}\]]+$/.test(text)) bias[id] = 1
    else if (/^["}\],:]+$/.test(text)) bias[id] = 0.8
    else if (/^[ -,./:;=?@_\x2d]$/.test(text)) bias[id] = 0.6
    else if (/^[0-9A-Za-z]$/.test(text)) bias[id] = 0.4
  })
  bias[end] = 2
  return bias
}

/** The allowed token with the highest logit, −1 where none is allowed. */
export function mostLikely(bits: Uint32Array, table: Float32Array, from: number, bias: Float32Array, strength: number): number {
  let [best, most] = [-1, -Infinity]
  for (let word = 0; word < bits.length; word++) {
    for (let left = bits[word]!; left !== 0; left &= left - 1) {
      const id = word * 32 + 31 - Math.clz32(left & -left)
      const logit = table[from + id]! + strength * bias[id]!
      if (logit > most) [best, most] = [id, logit]
    }
  }
  return best
}
