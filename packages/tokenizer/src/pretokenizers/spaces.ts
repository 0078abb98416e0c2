/**
 * The end of the piece that starts with white space at `at`, by `\s+(?!\S)|\s+`: the run of white space up to `runEnd`, but without
 * its last character when something follows and the run is longer than that one, which then begins the next piece.
 */
export function spacesEnd(bytes: Uint8Array, at: number, runEnd: number, end: number): number {
  if (runEnd === end) return runEnd
  let last = runEnd - 1
  while ((bytes[last]! & 0xc0) === 0x80) last--
  return last === at ? runEnd : last
}
