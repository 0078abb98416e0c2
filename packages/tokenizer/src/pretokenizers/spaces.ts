const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

export const isBreak = (byte: number | undefined): boolean => byte === LINE_FEED || byte === CARRIAGE_RETURN

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

/** The same by `\s*[\r\n]+|\s+(?!\S)|\s+`: a run that holds line breaks ends after the last of them. */
export function breaksOrSpacesEnd(bytes: Uint8Array, at: number, runEnd: number, end: number): number {
  for (let last = runEnd; last > at; last--) if (isBreak(bytes[last - 1])) return last
  return spacesEnd(bytes, at, runEnd, end)
}
