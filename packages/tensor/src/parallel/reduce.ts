import type { GroupArray, ReduceOp } from './group.js'

/**
 * Combines `parts` element by element into `into`, which may be one of them: in the order of the parts, so that the same parts give the same bits. Sums of floats are kept in float64 until
 * an element is done.
 */
export function reduceInOrder(into: GroupArray, parts: readonly GroupArray[], op: ReduceOp): void {
  const [first, ...rest] = parts as [GroupArray, ...GroupArray[]]
  const { length } = into
  for (let i = 0; i < length; i++) {
    let value = first[i]!
    for (const part of rest) {
      const other = part[i]!
      if (op === 'sum') value += other
      else if (op === 'max') value = Math.max(value, other)
      else value = Math.min(value, other)
    }
    // An Int32Array takes a sum modulo 2^32, exactly as long as a double holds it: for fewer than 2^21 ranks.
    into[i] = value
  }
}
