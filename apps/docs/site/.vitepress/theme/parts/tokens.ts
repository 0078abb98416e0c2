import type { Tokenizer } from '@tesserae/tokenizer'

/** A token as shown: its id, bytes and text. */
export interface TokenView {
  readonly id: number
  readonly text: string
  readonly bytes: Uint8Array
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** A token by itself. Part of a character is written as its bytes. */
export function viewToken(tokenizer: Tokenizer, id: number): TokenView {
  const bytes = tokenizer.tokenBytes(id)
  return { id, bytes, text: textOf(bytes) }
}

/** The tokens of a text, in order; special tokens written in it are plain text. */
export const viewTokens = (tokenizer: Tokenizer, text: string): TokenView[] =>
  Array.from(tokenizer.encode(text, { special: 'text' }), (id) => viewToken(tokenizer, id))

function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    return hexOf(bytes)
  }
}

/** Bytes as hexadecimal numbers: `E6 9D B1`. */
export const hexOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join(' ')

/** A token's text with blanks that can be seen. */
export const showToken = (text: string): string => text.replaceAll(' ', '·').replaceAll('\n', '⏎').replaceAll('\t', '⇥')
