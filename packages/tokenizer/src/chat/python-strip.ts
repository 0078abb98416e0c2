import { whiteSpaceRanges } from '../unicode/generated/categories.js'
import { forEachRange } from '../unicode/ranges.js'

export type StripSide = 'left' | 'right' | 'both'

/** What Python's `str.isspace` holds for white space: Unicode's, and four separators of ASCII. JavaScript's `trim` takes U+FEFF and leaves U+0085 and those. */
const whiteSpace = new Set<string>()
forEachRange(whiteSpaceRanges, (start, end) => {
  for (let point = start; point < end; point++) whiteSpace.add(String.fromCharCode(point))
})
for (let point = 0x1c; point <= 0x1f; point++) whiteSpace.add(String.fromCharCode(point))

/**
 * The text without characters at its ends, as Python's `strip`, `lstrip` and `rstrip`.
 *
 * @param chars which characters go; white space when not given
 */
export function pythonStrip(text: string, side: StripSide, chars?: string): string {
  const gone = chars === undefined ? whiteSpace : new Set(chars)
  const list = chars !== undefined && /[\ud800-\udfff]/.test(chars) ? [...text] : text
  let start = 0
  let end = list.length
  if (side !== 'right') while (start < end && gone.has(list[start]!)) start++
  if (side !== 'left') while (end > start && gone.has(list[end - 1]!)) end--
  const kept = list.slice(start, end)
  return typeof kept === 'string' ? kept : kept.join('')
}
