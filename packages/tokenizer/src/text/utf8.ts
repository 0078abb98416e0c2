/** The character (code point) of valid UTF-8 that begins at `at`. */
export function utf8PointAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  if (first < 0x80) return first
  if (first < 0xe0) return ((first & 0x1f) << 6) | (bytes[at + 1]! & 0x3f)
  const tail = ((bytes[at + 1]! & 0x3f) << 6) | (bytes[at + 2]! & 0x3f)
  return first < 0xf0 ? ((first & 0x0f) << 12) | tail : ((first & 0x07) << 18) | (tail << 6) | (bytes[at + 3]! & 0x3f)
}
