/** Calls `range` for each stretch of code points `[start, end)` of generated ranges: pairs in base 36 of code points skipped and code points in the range. */
export function forEachRange(ranges: string, range: (start: number, end: number) => void): void {
  const words = ranges.split(/[ \n]/)
  let at = 0
  for (let i = 0; i < words.length; i += 2) {
    at += parseInt(words[i]!, 36)
    const end = at + parseInt(words[i + 1]!, 36)
    range(at, end)
    at = end
  }
}
