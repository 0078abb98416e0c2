/** A function being recorded by jit. Argument nodes carry the trace as their source. */
export class Trace {
  readonly name: string
  readonly quantizedInputs: QuantizedInputs

  constructor(name: string, quantizedInputs: QuantizedInputs = 'rounded') {
    this.name = name
    this.quantizedInputs = quantizedInputs
  }
}

/** How products with quantised weights take what they multiply these by. */
export type QuantizedInputs = 'rounded' | 'f32'

let active: Trace | undefined

export const activeTrace = (): Trace | undefined => active

/** Runs a function with a trace in force; traces nest, and end however the function ends. */
export function withTrace<T>(trace: Trace, run: () => T): T {
  const before = active
  active = trace
  try {
    return run()
  } finally {
    active = before
  }
}

export const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
