export interface Series {
  readonly label: string
  readonly mark: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

/** Curves over a shared grid of characters, with the axes' ranges; later series are drawn over earlier ones. */
export function chart(
  series: readonly Series[],
  options: { readonly width: number; readonly height: number; readonly xLabel: string },
): string {
  const points = series.flatMap(({ points: own }) => own)
  if (points.length === 0) return ''
  const { width, height, xLabel } = options
  const xs = points.map(([x]) => x)
  const ys = points.map(([, y]) => y)
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)]
  const [y0, y1] = [Math.min(...ys), Math.max(...ys)]
  const grid = Array.from({ length: height }, () => Array.from({ length: width }, () => ' '))
  const column = (x: number): number => (x1 === x0 ? 0 : Math.round(((x - x0) / (x1 - x0)) * (width - 1)))
  const row = (y: number): number => (y1 === y0 ? 0 : Math.round(((y1 - y) / (y1 - y0)) * (height - 1)))
  for (const { mark, points: own } of series) {
    // Several points fall into one column: their mean is what a reader of the curve means.
    const sums = new Map<number, [sum: number, count: number]>()
    for (const [x, y] of own) {
      const at = sums.get(column(x)) ?? [0, 0]
      sums.set(column(x), [at[0] + y, at[1] + 1])
    }
    for (const [at, [sum, count]] of sums) grid[row(sum / count)]![at] = mark
  }
  const labels = grid.map((_, i) => (i === 0 ? y1.toFixed(2) : i === height - 1 ? y0.toFixed(2) : ''))
  const lines = grid.map((cells, i) => `${labels[i]!.padStart(6)} ┤${cells.join('').trimEnd()}`)
  const legend = series.map(({ label, mark }) => `${mark} ${label}`).join('   ')
  return [
    ...lines,
    `       └${'─'.repeat(width)}`,
    `        ${`${xLabel} ${x0}`.padEnd(width - String(x1).length)}${x1}`,
    `        ${legend}`,
  ].join('\n')
}
