/** The value below which a share of the values are; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) return NaN
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
}

const short = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(2))

/** A time in microseconds, as people read it. */
export const time = (microseconds: number): string =>
  Number.isNaN(microseconds)
    ? '–'
    : microseconds < 1000
      ? `${short(microseconds)} µs`
      : microseconds < 1e6
        ? `${short(microseconds / 1000)} ms`
        : `${short(microseconds / 1e6)} s`

/** Quantiles of times in microseconds in one line. */
export function spread(microseconds: readonly number[]): string {
  const at = (share: number): string => time(quantile(microseconds, share))
  return `p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${at(0.99)}, max ${time(quantile(microseconds, 1))}`
}
