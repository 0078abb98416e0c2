import { caseFoldingRuns } from '../unicode/generated/case-folding.js'
import { has, single, union, type CodeSet } from './code-set.js'

/** Code points that are the same but for case, for each code point that has such. */
let orbits: Map<number, readonly number[]> | undefined

function caseOrbits(): Map<number, readonly number[]> {
  if (orbits !== undefined) return orbits
  const byTarget = new Map<number, number[]>()
  const words = caseFoldingRuns.split(/[ \n]/).map((word) => parseInt(word, 36))
  let start = 0
  for (let i = 0; i < words.length; i += 4) {
    const [skipped, count, step, distance] = words.slice(i, i + 4) as [number, number, number, number]
    start += skipped
    for (let index = 0; index < count; index++) {
      const point = start + index * step
      const target = point + distance
      const orbit = byTarget.get(target)
      if (orbit === undefined) byTarget.set(target, [target, point])
      else orbit.push(point)
    }
  }
  orbits = new Map()
  for (const orbit of byTarget.values()) for (const point of orbit) orbits.set(point, orbit)
  return orbits
}

/** The set with everything that differs from a member by case alone, by Unicode's simple folding: `s` brings `S` and `ſ`. */
export function closeOverCase(set: CodeSet): CodeSet {
  const all = caseOrbits()
  if (set.length === 2 && set[1]! - set[0]! === 1) {
    const orbit = all.get(set[0]!)
    return orbit === undefined ? set : union(...orbit.map(single))
  }
  const more: CodeSet[] = [set]
  for (const [point, orbit] of all) if (has(set, point)) for (const other of orbit) if (!has(set, other)) more.push(single(other))
  return union(...more)
}
