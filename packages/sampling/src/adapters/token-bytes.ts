/** The bytes that tokens stand for, from how vocabularies write them. */

/**
 * The alphabet in which byte-level BPE writes bytes: those that are printable in Latin-1 stand for themselves, the others are the characters from U+0100 on, in their order.
 *
 * Source: `bytes_to_unicode` of GPT-2's encoder.
 */
const byteOfPoint = new Map<number, number>()
for (let byte = 0, next = 0x100; byte < 256; byte++) {
  const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
  byteOfPoint.set(isPrintable ? byte : next++, byte)
}

const encoder = new TextEncoder()

export const textBytes = (text: string): Uint8Array => encoder.encode(text)

/** The bytes of a token of byte-level BPE. What is not written in its alphabet stands for itself. */
export function byteLevelBytes(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length)
  for (let i = 0; i < token.length; i++) {
    const byte = byteOfPoint.get(token.charCodeAt(i))
    if (byte === undefined) return textBytes(token)
    bytes[i] = byte
  }
  return bytes
}

/** The byte of a piece such as `<0x0A>`; undefined for others. */
export function byteOfPiece(piece: string): number | undefined {
  return /^<0x[0-9A-Fa-f]{2}>$/.test(piece) ? Number.parseInt(piece.slice(3, 5), 16) : undefined
}

/** The bytes of a piece of SentencePiece, which writes blanks as ▁. */
export const pieceBytes = (piece: string): Uint8Array => textBytes(piece.replaceAll('\u2581', ' '))
