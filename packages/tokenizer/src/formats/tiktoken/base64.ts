const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const digits = new Int8Array(128).fill(-1)
for (let i = 0; i < alphabet.length; i++) digits[alphabet.charCodeAt(i)] = i
const PAD = 0x3d

const digitAt = (text: Uint8Array, at: number): number => (text[at]! < 128 ? digits[text[at]!]! : -1)

/**
 * Decodes the base64 at `text[start, end)`, which must be padded, to `into[to …]` and returns the number of bytes, or −1 when it is no base64.
 * `into` must have room for three bytes per four characters.
 */
export function decodeBase64(text: Uint8Array, start: number, end: number, into: Uint8Array, to: number): number {
  if ((end - start) % 4 !== 0) return -1
  const first = to
  for (let at = start; at < end; at += 4) {
    const last = at + 4 === end
    const pads = last && text[at + 3] === PAD ? (text[at + 2] === PAD ? 2 : 1) : 0
    const a = digitAt(text, at)
    const b = digitAt(text, at + 1)
    const c = pads === 2 ? 0 : digitAt(text, at + 2)
    const d = pads > 0 ? 0 : digitAt(text, at + 3)
    if ((a | b | c | d) < 0) return -1
    const bits = (a << 18) | (b << 12) | (c << 6) | d
    // What padding cuts off must be zero, or two texts would mean one thing.
    if ((bits & ((1 << (pads * 8)) - 1)) !== 0) return -1
    into[to++] = bits >> 16
    if (pads < 2) into[to++] = (bits >> 8) & 255
    if (pads < 1) into[to++] = bits & 255
  }
  return to - first
}
