import { TesseraeError } from '@tesserae/core'

/** Why the tokenizer failed; see each code's comment. */
export type TokenizerErrorCode =
  | 'SPECIAL_TOKEN' // the text holds a special token that the call does not allow
  | 'TOKEN_ID' // no token has this id
  | 'VALUE' // an argument out of its range
  | 'FILE' // a tokenizer file is malformed
  | 'TEMPLATE' // a chat template is malformed, fails or goes beyond its limits
  | 'MEMORY' // training would take more memory than its option allows
  | 'UNSUPPORTED' // a tokenizer file needs something this package does not have

/** An error of the tokenizer package. */
export class TokenizerError extends TesseraeError {
  declare readonly code: TokenizerErrorCode
  /** The special token found, for `SPECIAL_TOKEN`. */
  readonly token?: string
  /** Where: an index of UTF-16 units into the text for `SPECIAL_TOKEN`, into the ids for `TOKEN_ID`, of bytes into a binary file. */
  readonly position?: number

  constructor(
    code: TokenizerErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly token?: string; readonly position?: number } = {},
  ) {
    super(code, message, 'cause' in options ? { cause: options.cause } : undefined)
    if (options.token !== undefined) this.token = options.token
    if (options.position !== undefined) this.position = options.position
  }
}
