/** Counts the tokens of a stretch of text that grows and cannot be cut. */
export interface Stretch {
  /** The number of tokens of the stretch so far, with this at its end; undefined when it holds what cannot be counted so. */
  push(text: string): number | undefined
  /** No stretch that goes on from here has fewer tokens than this. */
  readonly least: number
}
