/**
 * How byte-level vocabularies are written as text: printable Latin-1 bytes stand for themselves, the other 68 are the code points from
 * U+0100 on, in order. From GPT-2's published encoder.
 */

/** The character of each byte. */
export const byteToChar: readonly string[] = buildTable()
const charToByte: ReadonlyMap<string, number> = new Map(byteToChar.map((char, byte) => [char, byte]))

/** The bytes in the order of their characters, which is the order of their ids in GPT-2 and in trained vocabularies. */
export const byteOrder: readonly number[] = byteToChar
  .map((char, byte) => ({ point: char.charCodeAt(0), byte }))
  .sort((a, b) => a.point - b.point)
  .map(({ byte }) => byte)

function buildTable(): string[] {
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    return String.fromCharCode(printable ? byte : next++)
  })
}

/** The bytes that a token's written form stands for, or undefined when a character stands for none. */
export function bytesOf(written: string): Uint8Array | undefined {
  const bytes = new Uint8Array(written.length)
  for (let i = 0; i < written.length; i++) {
    const byte = charToByte.get(written[i]!)
    if (byte === undefined) return undefined
    bytes[i] = byte
  }
  return bytes
}

/** A token's written form. */
export function writtenForm(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byteToChar[byte]!
  return text
}
