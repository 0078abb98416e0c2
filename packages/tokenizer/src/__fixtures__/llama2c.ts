/** A file in llama2.c's format: control and byte tokens, then these tokens with falling scores unless given. */
export function llama2cFile(tokens: readonly (string | readonly [string, number])[], longest = 16): Uint8Array {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
  const entries: [string, number][] = ['<unk>', '\n<s>\n', '\n</s>\n', ...bytes].map((token) => [token, 0])
  for (const [i, token] of tokens.entries()) entries.push(typeof token === 'string' ? [token, -i] : [...token])
  const parts = [new Uint8Array(Int32Array.of(longest).buffer)]
  for (const [token, score] of entries) {
    const text = new TextEncoder().encode(token)
    parts.push(new Uint8Array(Float32Array.of(score).buffer), new Uint8Array(Int32Array.of(text.length).buffer), text)
  }
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}
