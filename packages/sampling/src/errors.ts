import { TesseraeError } from '@tesserae/core'

/** Why sampling failed; see each code's comment. */
export type SamplingErrorCode =
  | 'LOGITS' // logits that no token can be drawn from
  | 'VALUE' // a parameter out of its range
  | 'STATE' // a saved state that does not fit the sampler
  | 'GRAMMAR' // a grammar that is none, or that a text does not follow
  | 'JSON' // a text that is no JSON
  | 'TOOL' // a tool that has no name of its own, or that a format of calls cannot carry

/** An error of the sampling package. */
export class SamplingError extends TesseraeError {
  declare readonly code: SamplingErrorCode

  constructor(code: SamplingErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(code, message, options)
  }
}
