const [D, E, L, M, R, S, T, V] = [0x64, 0x65, 0x6c, 0x6d, 0x72, 0x73, 0x74, 0x76]

/** The length of the contraction in lower case after an apostrophe at `at`, with the apostrophe, or 0: `'(?:s|t|re|ve|m|ll|d)`. */
export function lowerContraction(bytes: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return 0
  const first = bytes[at + 1]!
  if (first === S || first === D || first === M || first === T) return 2
  if (at + 2 >= end) return 0
  return isPair(first, bytes[at + 2]!) ? 3 : 0
}

/** The same in any case: `(?i:'(?:s|t|re|ve|m|ll|d))`. */
export function anyCaseContraction(bytes: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return 0
  // Setting bit 5 maps A–Z to a–z and no other byte to one of the letters compared with.
  const first = bytes[at + 1]! | 0x20
  if (first === S || first === D || first === M || first === T) return 2
  if (at + 2 >= end) return 0
  // Without regard to case, s is also ſ (U+017F, bytes C5 BF).
  if (bytes[at + 1] === 0xc5 && bytes[at + 2] === 0xbf) return 3
  return isPair(first, bytes[at + 2]! | 0x20) ? 3 : 0
}

const isPair = (first: number, second: number): boolean =>
  (first === L && second === L) || (first === V && second === E) || (first === R && second === E)
