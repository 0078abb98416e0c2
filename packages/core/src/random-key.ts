import { TesseraeError } from './errors.js'
import { hashString } from './hash.js'
import { philox4x32 } from './philox.js'

/** A Philox key: two unsigned 32-bit words. Equal keys draw equal numbers. */
export type RandomKey = readonly [number, number]

/**
 * The last counter word of every Philox block says what the block is for, so draws and derived keys of one key never
 * share a block. The values spell `draw`, `fold` and `name` in ASCII.
 */
export const randomDomain = { draw: 0x64726177, fold: 0x666f6c64, name: 0x6e616d65 } as const

function wordsOf(value: number): [low: number, high: number] {
  // Two's complement of 64 bits, so that −1 and 2^32 − 1 are different data.
  return [value >>> 0, Math.floor(value / 2 ** 32) >>> 0]
}

/**
 * The key of a seed: an integer's low and high words, or the {@link hashString} of a string.
 *
 * @throws TesseraeError `RANDOM_SEED` when a number is not a safe integer
 */
export function keyOfSeed(seed: number | string): RandomKey {
  if (typeof seed === 'string') return hashString(seed)
  if (!Number.isSafeInteger(seed)) {
    throw new TesseraeError('RANDOM_SEED', `A seed must be a string or an integer within ±2^53, got ${String(seed)}`)
  }
  return wordsOf(seed)
}

/**
 * A key derived from `key` and an integer or a name: words 0 and 1 of Philox at counter `[low, high, 0, domain]`, where
 * low and high are the integer's words or the name's {@link hashString}. `3` and `'3'` give different keys.
 *
 * @throws TesseraeError `RANDOM_SEED` when a number is not a safe integer
 */
export function foldKey(key: RandomKey, data: number | string): RandomKey {
  const [low, high] = keyOfSeed(data)
  const domain = typeof data === 'string' ? randomDomain.name : randomDomain.fold
  const block = philox4x32([low, high, 0, domain], key, new Uint32Array(4))
  return [block[0]!, block[1]!]
}
