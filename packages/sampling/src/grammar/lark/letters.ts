/** Letters that are the same but for upper and lower case. */

/** Beyond are no letters of two cases. */
const LAST = 0x1ffff
/** What Unicode has besides the two cases of a letter of ASCII: the Kelvin sign, the long s, and the i without a dot. */
const MORE: Readonly<Record<string, number>> = { K: 0x212a, S: 0x17f, I: 0x131 }

let groups: Map<number, readonly number[]> | undefined

/** All that are the same as a code point, itself among them. */
export function sameLetters(point: number): readonly number[] {
  if (point > 0x7f) return (groups ??= findGroups()).get(point) ?? [point]
  const char = String.fromCodePoint(point)
  const upper = char.toUpperCase()
  if (upper === char.toLowerCase()) return [point]
  const more = MORE[upper]
  return [point, point ^ 0x20, ...(more === undefined ? [] : [more])]
}

function findGroups(): Map<number, readonly number[]> {
  const byUpper = new Map<string, number[]>()
  for (let point = 0; point <= LAST; point++) {
    if (point >= 0xd800 && point < 0xe000) continue
    const char = String.fromCodePoint(point)
    const lower = char.toLowerCase()
    const upper = lower.toUpperCase()
    // What becomes several characters is the same as no other.
    if ([...upper].length > 1 || [...lower].length > 1 || (lower === char && upper === char)) continue
    const group = byUpper.get(upper)
    if (group === undefined) byUpper.set(upper, [point])
    else group.push(point)
  }
  const found = new Map<number, readonly number[]>()
  for (const group of byUpper.values()) if (group.length > 1) for (const point of group) found.set(point, group)
  return found
}
