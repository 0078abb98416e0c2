/** Something that a user of alignment or retrieval does wrong, and what must still be true after it. */
export interface WrongInput {
  readonly title: string
  /** The code that the error must carry. */
  readonly code: string
  /** What its message must say: where the fault is. */
  readonly says: RegExp
  /** Does it. What it throws is the result; returning means that it went unnoticed. */
  readonly attempt: () => unknown
  /** Undefined, or what was lost; asked after the attempt. */
  readonly damage?: () => Promise<string | undefined>
}
