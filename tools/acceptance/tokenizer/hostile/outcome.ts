/** What came of a case. */
export interface Outcome {
  readonly number: number
  readonly name: string
  /** `other error` is one that is not typed; a crash is the end of the process, a hang that it did not answer. */
  end: 'loaded' | 'refused' | 'refused in use' | 'other error' | 'crash' | 'hang'
  readonly code?: string
  readonly message?: string
  readonly loadMs: number
  /** The slowest single call on a text of 100,000 units, and which it was. */
  useMs: number
  slowest: string
  /** `toJSON`, which is as long as the file and not as a text; 0 where there is none. */
  jsonMs: number
  /** The most that its process has held so far, in MB. */
  readonly peakMB: number
}
