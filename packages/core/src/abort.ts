import { TesseraeError } from './errors.js'

/**
 * An operation stopped because its `signal` was aborted. `code` is `ABORTED`, `cause` is the signal's reason, and `name` is
 * `AbortError` as for `fetch`, so code that already tells cancellation from failure by name keeps working.
 */
export class AbortedError extends TesseraeError {
  declare readonly code: 'ABORTED'

  constructor(message: string, options?: { readonly cause?: unknown }) {
    super('ABORTED', message, options)
    this.name = 'AbortError'
  }
}

/**
 * Throws {@link AbortedError} when `signal` is aborted; does nothing otherwise, or without a signal.
 *
 * @param operation what was going on, for the message: `'Training the tokenizer'`
 */
export function throwIfAborted(signal: AbortSignal | undefined, operation = 'The operation'): void {
  if (signal?.aborted) throw new AbortedError(`${operation} was aborted by its signal`, { cause: signal.reason })
}
