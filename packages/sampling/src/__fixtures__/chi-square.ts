/** How well counts agree with probabilities, by Pearson's χ². */

export interface Fit {
  readonly statistic: number
  readonly degrees: number
  /** How probable a statistic as large is where the counts were drawn by the probabilities. */
  readonly p: number
}

/** Counts that are expected less often than this are put together: χ² holds for many draws only. */
const LEAST_EXPECTED = 5

/** @param expected probabilities that sum to one; a count of anything else gives a `p` of 0 */
export function goodnessOfFit<Key>(counts: ReadonlyMap<Key, number>, expected: ReadonlyMap<Key, number>): Fit {
  let draws = 0
  for (const [key, count] of counts) {
    draws += count
    if (!expected.has(key)) return { statistic: Infinity, degrees: expected.size - 1, p: 0 }
  }
  let [statistic, cells, restCount, restExpected] = [0, 0, 0, 0]
  for (const [key, probability] of expected) {
    const count = counts.get(key) ?? 0
    const wanted = draws * probability
    if (wanted < LEAST_EXPECTED) {
      restCount += count
      restExpected += wanted
      continue
    }
    statistic += (count - wanted) ** 2 / wanted
    cells++
  }
  if (restExpected > 0) {
    statistic += (restCount - restExpected) ** 2 / restExpected
    cells++
  }
  return { statistic, degrees: cells - 1, p: upperTail(statistic, cells - 1) }
}

/** Of several counts, each of draws of its own. */
export function together(fits: readonly Fit[]): Fit {
  const statistic = fits.reduce((sum, fit) => sum + fit.statistic, 0)
  const degrees = fits.reduce((sum, fit) => sum + fit.degrees, 0)
  return { statistic, degrees, p: upperTail(statistic, degrees) }
}

/**
 * The probability that χ² with so many degrees of freedom is above `statistic`: the regularised incomplete gamma function Q(degrees / 2, statistic / 2), by its series below and its continued fraction
 * above.
 *
 * Source: NIST Digital Library of Mathematical Functions, 8.11.4 and 8.9.2.
 */
export function upperTail(statistic: number, degrees: number): number {
  if (statistic === Infinity) return 0
  const [a, x] = [degrees / 2, statistic / 2]
  if (x <= 0 || a <= 0) return 1
  const factor = Math.exp(a * Math.log(x) - x - logGamma(a))
  if (x < a + 1) {
    let [term, sum] = [1 / a, 1 / a]
    for (let n = 1; term > 1e-16 * sum; n++) {
      term *= x / (a + n)
      sum += term
    }
    return 1 - factor * sum
  }
  let fraction = x
  for (let n = 5000; n > 0; n--) fraction = x + (n - a) / (1 + n / fraction)
  return factor / fraction
}

/** ln Γ(x), by recurrence up to where Stirling's series is exact to rounding. */
function logGamma(x: number): number {
  let shift = 0
  for (; x < 15; x++) shift -= Math.log(x)
  const square = 1 / (x * x)
  const series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / x
  return shift + (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series
}
