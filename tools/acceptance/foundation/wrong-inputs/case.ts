/** Something that a user does wrong. */
export interface WrongInput {
  readonly title: string
  /** Codes of which the error must carry one. */
  readonly codes: readonly string[]
  /** Does it. What it throws is the result; returning means that it went unnoticed. */
  readonly attempt: () => unknown
}
