import { TesseraeError } from '@tesserae/core'

/** Why an operation of retrieval failed; see each code's comment for what to do. */
export type RagErrorCode =
  | 'OPTION' // an option out of its range, or two that do not go together
  | 'DOCUMENT' // a document that cannot be indexed as it is given: no id, an id given twice, metadata that is not plain
  | 'NOT_TEXT' // a document that is not text: binary, or not UTF-8
  | 'FILTER' // a filter that means nothing
  | 'EMBEDDING' // an embedding model that failed or returned what is no set of vectors
  | 'MANIFEST' // the index was made by another embedder, another analyzer or another format: see ManifestMismatch
  | 'LOCKED' // the index is open elsewhere
  | 'STORE' // a store that is not open, is damaged, or failed
  | 'CLOSED' // a store or a retrieval system was used after it was closed
  | 'DATA' // lines or judgements that cannot be read
  | 'MODEL' // a language or reranking model that failed

/** An error of the rag package. */
export class RagError extends TesseraeError {
  declare readonly code: RagErrorCode

  constructor(code: RagErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(code, message, options)
  }
}
