/**
 * Philox4x32-10, a counter-based random function: the same counter and key always give the same four words, so random
 * numbers need no hidden state, can be made in any order and in parallel, and resume bit for bit.
 *
 * Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011. Constants and
 * known answers as published with their Random123 library.
 */

const MULTIPLIER_0 = 0xd2511f53
const MULTIPLIER_1 = 0xcd9e8d57
const WEYL_0 = 0x9e3779b9
const WEYL_1 = 0xbb67ae85
const ROUNDS = 10

/** High 32 bits of the product of two unsigned 32-bit integers, as a signed number's bits. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  // Each partial product stays below 2^32 and each sum below 2^33, so doubles hold them exactly.
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const cross = aLow * bHigh + (middle & 0xffff)
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(cross / 65536)) | 0
}

/**
 * Writes four pseudo-random unsigned 32-bit words to `out[0..3]` and returns `out`.
 *
 * @param counter four 32-bit words; every distinct counter gives an independent block
 * @param key two 32-bit words
 * @param out at least four elements; may be the counter itself
 * @example
 * philox4x32([0, 0, 0, 0], [0, 0], new Uint32Array(4)) // => 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8
 */
export function philox4x32(counter: ArrayLike<number>, key: ArrayLike<number>, out: Uint32Array): Uint32Array {
  let c0 = counter[0]! | 0
  let c1 = counter[1]! | 0
  let c2 = counter[2]! | 0
  let c3 = counter[3]! | 0
  let k0 = key[0]! | 0
  let k1 = key[1]! | 0
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = mulHigh(MULTIPLIER_0, c0)
    const low0 = Math.imul(MULTIPLIER_0, c0)
    const high1 = mulHigh(MULTIPLIER_1, c2)
    const low1 = Math.imul(MULTIPLIER_1, c2)
    c0 = high1 ^ c1 ^ k0
    c1 = low1
    c2 = high0 ^ c3 ^ k1
    c3 = low0
    k0 = (k0 + WEYL_0) | 0
    k1 = (k1 + WEYL_1) | 0
  }
  out[0] = c0
  out[1] = c1
  out[2] = c2
  out[3] = c3
  return out
}
