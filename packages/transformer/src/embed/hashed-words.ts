import { hashString } from '@tesserae/core'
import { TransformerError } from '../errors.js'

export interface HashedWordsOptions {
  /** Entries of a vector; default 1024. */
  readonly width?: number
}

/**
 * A vector of a text without any model: lower-case words, each counted at a place and with a sign that its hash gives (Weinberger et al.,
 * arXiv:0902.2206), scaled to length 1. What a trained encoder has to beat; a text without words is all zeros.
 */
export function hashedWords(text: string, options: HashedWordsOptions = {}): Float32Array {
  const { width = 1024 } = options
  if (!Number.isInteger(width) || width < 1)
    throw new TransformerError('OPTION', `hashedWords: width must be a positive integer, got ${width}`)
  const vector = new Float32Array(width)
  for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) {
    const [low, high] = hashString(word)
    vector[high % width]! += ((low >>> 16) & 1) === 0 ? 1 : -1 // the lowest bits of FNV are mixed least
  }
  const length = Math.hypot(...vector)
  return length === 0 ? vector : vector.map((value) => value / length)
}
