const largest = 20 * 1024 * 1024

/** A text file's name and text. Errors, in words, for files that are too large or not text. */
export async function readTextFile(file: File): Promise<{ name: string; text: string }> {
  if (file.size > largest) throw new Error(`${file.name} has ${(file.size / 2 ** 20).toFixed(0)} MB; the limit here is 20 MB.`)
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer())
    if (text.includes('\0')) throw new TypeError('NUL')
    return { name: file.name, text: text.replaceAll('\r\n', '\n') }
  } catch (cause) {
    throw new Error(`${file.name} is not text in UTF-8. Save it as plain text, and try again.`, { cause })
  }
}
