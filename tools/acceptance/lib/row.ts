/** One line of an acceptance table. */
export interface Row {
  /** What was measured, e.g. 'f32 matmul 1024³ through Tensor against onnxruntime-node'. */
  readonly figure: string
  /** The bar as the issue states it, e.g. '≥ 0.9'. */
  readonly target: string
  /** What came out, with its unit. */
  readonly measured: string
  readonly met: boolean
  /** What a reader needs to judge the figure: conditions, both sides of a ratio, peak memory, why a peer is missing. */
  readonly note?: string
}

/** What a file of rows default-exports. It measures and returns its rows; what it throws becomes a row that is not met. */
export type RowSource = (context: RowContext) => Promise<Row | readonly Row[]>

export interface RowContext {
  /** Prints a line of progress. The table comes at the end. */
  readonly log: (line: string) => void
}

interface BarOptions {
  readonly unit?: string
  /** Digits after the decimal point. Default 2. */
  readonly digits?: number
  readonly note?: string
}

/** A row by hand. */
export function row(figure: string, target: string, measured: string, met: boolean, note?: string): Row {
  return { figure, target, measured, met, ...(note === undefined ? {} : { note }) }
}

/** A row that is met when `value` is at least `limit`. NaN never is. */
export function atLeast(figure: string, value: number, limit: number, options: BarOptions = {}): Row {
  return bar(figure, '≥', value, limit, value >= limit, options)
}

/** A row that is met when `value` is at most `limit`. NaN never is. */
export function atMost(figure: string, value: number, limit: number, options: BarOptions = {}): Row {
  return bar(figure, '≤', value, limit, value <= limit, options)
}

function bar(figure: string, sign: string, value: number, limit: number, met: boolean, { unit = '', digits = 2, note }: BarOptions): Row {
  const suffix = unit === '' ? '' : ` ${unit}`
  return row(figure, `${sign} ${limit}${suffix}`, `${value.toFixed(digits)}${suffix}`, met, note)
}

/** The row of a figure whose peer cannot be had on this machine: it says so and is not met. */
export function unavailable(figure: string, target: string, reason: unknown): Row {
  return row(figure, target, 'not measured', false, reason instanceof Error ? reason.message : String(reason))
}
