/** How far a long operation has come. */
export interface ProgressEvent {
  /** What is being done, stable enough to switch on: `train-bpe`, `download`. */
  readonly task: string
  /** Units finished; never decreases within a task. */
  readonly completed: number
  /** Units in all, where known beforehand. */
  readonly total?: number
  /** What is counted: `bytes`, `tokens`, `steps`, `merges`. */
  readonly unit?: string
  /** A sentence for people. */
  readonly message?: string
}

/** Receives progress. Called synchronously from inside the operation, so it should return quickly. */
export type OnProgress = (event: ProgressEvent) => void
