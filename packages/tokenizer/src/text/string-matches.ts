/** Start and end of each place of a text where a string stands, from left to right without overlap, one after another. */
export function stringMatches(text: string, pattern: string): number[] {
  const found: number[] = []
  for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + pattern.length)) found.push(at, at + pattern.length)
  return found
}
