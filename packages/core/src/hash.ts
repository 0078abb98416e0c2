/**
 * 64-bit FNV-1a over the UTF-8 bytes of `text`, as `[low, high]` unsigned 32-bit words. Names of random streams are
 * hashed with it, so its results never change. Not meant to resist an attacker.
 *
 * Source: G. Fowler, L. Noll, K.-P. Vo, "The FNV Non-Cryptographic Hash Algorithm" (IETF draft), with its test vectors.
 *
 * @example
 * hashString('a') // => [0x8601ec8c, 0xaf63dc4c]
 */
export function hashString(text: string): [low: number, high: number] {
  let low = 0x84222325
  let high = 0xcbf29ce4
  for (const byte of new TextEncoder().encode(text)) {
    low = (low ^ byte) >>> 0
    // Times the prime 2^40 + 0x1b3, modulo 2^64. The product with 0x1b3 stays below 2^41, which a double holds.
    const product = low * 0x1b3
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 2 ** 32) + (low << 8)) >>> 0
    low = product >>> 0
  }
  return [low, high]
}
