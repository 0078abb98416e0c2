import { SamplingError } from '../errors.js'

/** A text that is no JSON: the code is `JSON`. */
export class JsonError extends SamplingError {
  constructor(
    message: string,
    /** Where the text stops being JSON: the number of UTF-16 code units before that. */
    readonly position: number,
  ) {
    super('JSON', message)
  }
}
