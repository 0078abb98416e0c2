import type { AnswerPart, AnswerResult } from '@tesserae/rag'
import type { Call } from './protocol.js'

export interface SourceText {
  /** Its path or file name. */
  readonly id: string
  readonly text: string
}

export interface Indexed {
  readonly added: number
  readonly changed: number
  readonly deleted: number
  readonly sources: number
  readonly chunks: number
  readonly failed: readonly { readonly id: string; readonly reason: string }[]
  readonly ms: number
}

export interface DocumentsCalls {
  /** Makes the index hold these documents and no others. */
  'documents.sync': Call<{ readonly documents: readonly SourceText[] }, { readonly completed: number; readonly total: number }, Indexed>
  'documents.ask': Call<{ readonly question: string }, AnswerPart, AnswerResult>
}
