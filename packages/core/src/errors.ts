/** What an error carries beside its message. */
export interface TesseraeErrorOptions {
  /** The error that led to this one. */
  readonly cause?: unknown
}

const marker = Symbol.for('tesserae.error')

/**
 * Base of every error that a Tesserae package throws. A message says what was given, what was expected and what to do.
 * Two copies of a package may be loaded side by side, so recognise errors with {@link TesseraeError.isInstance} and
 * `code`, never with `instanceof`.
 */
export class TesseraeError extends Error {
  /** Stable, upper-case identifier such as `SHAPE` or `DONATED`; part of the public interface. */
  readonly code: string
  readonly [marker] = true

  constructor(code: string, message: string, options?: TesseraeErrorOptions) {
    super(message, options !== undefined && 'cause' in options ? { cause: options.cause } : undefined)
    this.name = new.target.name
    this.code = code
  }

  /** True for an error of any Tesserae package, whichever copy of it created the error. */
  static isInstance(value: unknown): value is TesseraeError {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[marker] === true
  }
}
