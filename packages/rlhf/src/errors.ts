import { TesseraeError } from '@tesserae/core'

/** Why an operation of alignment failed; see each code's comment for what to do. */
export type RlhfErrorCode =
  | 'ROW' // a row of training data that is malformed; the message names its line
  | 'TEMPLATE' // a chat template that the tokenizer cannot write
  | 'OPTION' // an option out of its range
  | 'SHAPE' // tensors given to a loss that do not belong together
  | 'LENGTH' // a row longer than the model's context
  | 'REWARD' // a reward function that threw, hung or gave no number
  | 'ROLLOUT' // generation and training disagree about a log-probability
  | 'CHECKPOINT' // a checkpoint of another trainer, another format, or damaged
  | 'DISPOSED' // a run or a model was used after it was disposed
  | 'DIVERGED' // training produced a loss that is not a number

/** An error of the rlhf package. */
export class RlhfError extends TesseraeError {
  declare readonly code: RlhfErrorCode

  constructor(code: RlhfErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(code, message, options)
  }
}
