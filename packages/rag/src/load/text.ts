import { RagError } from '../errors.js'

/**
 * The text of a file: UTF-8, or UTF-16 with its mark. What is not text is refused by name.
 *
 * Errors: NOT_TEXT.
 */
export function decodeText(bytes: Uint8Array, name: string): string {
  const begins = (...signature: number[]) => signature.every((byte, i) => bytes[i] === byte)
  const encoding = begins(0xff, 0xfe) ? 'utf-16le' : begins(0xfe, 0xff) ? 'utf-16be' : 'utf-8'
  const kind = kindOf(begins)
  let text: string | undefined
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    // Not text: said below, with what it seems to be.
  }
  if (text !== undefined && kind === undefined && !text.includes('\0')) return text
  throw new RagError(
    'NOT_TEXT',
    `${name} is not text${kind === undefined ? ': its bytes are not UTF-8, or contain NUL' : ` but ${kind}`}. Convert it to text, or leave it out by include or exclude`,
  )
}

/** What files that are often taken for documents begin with. */
function kindOf(begins: (...signature: number[]) => boolean): string | undefined {
  if (begins(0x25, 0x50, 0x44, 0x46, 0x2d)) return 'a PDF'
  if (begins(0x50, 0x4b, 0x03, 0x04)) return 'a ZIP archive, as DOCX, EPUB and ODT are'
  if (begins(0x89, 0x50, 0x4e, 0x47)) return 'a PNG image'
  if (begins(0xff, 0xd8, 0xff)) return 'a JPEG image'
  if (begins(0x1f, 0x8b)) return 'compressed by gzip'
  return undefined
}
