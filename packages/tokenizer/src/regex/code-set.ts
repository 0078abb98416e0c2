/** A set of code points as rising borders: members begin at even indices and end before odd ones. */
export type CodeSet = readonly number[]

/** One more than the highest code point. */
export const CODE_POINTS = 0x110000

export const NOTHING: CodeSet = []
export const ANYTHING: CodeSet = [0, CODE_POINTS]

export const single = (point: number): CodeSet => [point, point + 1]

/** The set of ranges `[start, end)` in any order, which may overlap. */
export function fromRanges(ranges: readonly (readonly [number, number])[]): CodeSet {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0])
  const borders: number[] = []
  for (const [start, end] of sorted) {
    const last = borders.length - 1
    if (last > 0 && start <= borders[last]!) borders[last] = Math.max(borders[last]!, end)
    else borders.push(start, end)
  }
  return borders
}

export function union(...sets: readonly CodeSet[]): CodeSet {
  const full = sets.filter((set) => set.length > 0)
  if (full.length <= 1) return full[0] ?? NOTHING
  const ranges: [number, number][] = []
  for (const set of full) for (let i = 0; i < set.length; i += 2) ranges.push([set[i]!, set[i + 1]!])
  return fromRanges(ranges)
}

export function complement(set: CodeSet): CodeSet {
  if (set.length === 0) return ANYTHING
  const borders = set[0] === 0 ? set.slice(1) : [0, ...set]
  if (borders.at(-1) === CODE_POINTS) borders.pop()
  else borders.push(CODE_POINTS)
  return borders
}

export function intersection(a: CodeSet, b: CodeSet): CodeSet {
  const borders: number[] = []
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const start = Math.max(a[i]!, b[j]!)
    const end = Math.min(a[i + 1]!, b[j + 1]!)
    if (start < end) borders.push(start, end)
    if (a[i + 1]! < b[j + 1]!) i += 2
    else j += 2
  }
  return borders
}

export const difference = (a: CodeSet, b: CodeSet): CodeSet => intersection(a, complement(b))

export function has(set: CodeSet, point: number): boolean {
  let low = 0
  let high = set.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (set[middle]! <= point) low = middle + 1
    else high = middle
  }
  return low % 2 === 1
}
