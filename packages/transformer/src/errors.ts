import { TesseraeError } from '@tesserae/core'

/** Why an operation on a model failed; see each code's comment for what to do. */
export type TransformerErrorCode =
  | 'CONFIG' // a configuration that describes no model
  | 'OPTION' // an option out of its range
  | 'TOKEN' // a token id outside the vocabulary
  | 'CAPACITY' // positions beyond what a cache or a model holds
  | 'WEIGHTS' // weights that do not fit the configuration
  | 'CHECKPOINT' // a checkpoint file of another model, another format, or damaged
  | 'DATA' // training data that cannot be used
  | 'UNSUPPORTED' // what this model, or this kind of model, cannot do
  | 'BUSY' // more requests than there is room for; try again later
  | 'TIMEOUT' // an answer that did not come in time
  | 'REMOTE' // a worker or a server that failed, or answered with what is no answer
  | 'OUTPUT' // an answer that its schema's own checks refuse, or no answer after the steps that were allowed
  | 'DISPOSED' // a model, cache or training run was used after it was disposed
  | 'DIVERGED' // training produced a loss that is not a number

/** An error of the transformer package. */
export class TransformerError extends TesseraeError {
  declare readonly code: TransformerErrorCode

  constructor(code: TransformerErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(code, message, options)
  }
}

/** How many of something, for messages. */
export const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`
