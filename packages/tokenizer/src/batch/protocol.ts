import type { EncodeOptions } from '../core-tokenizer.js'
import type { TokenizerErrorCode } from '../errors.js'
import type { TokenizerSource } from './source.js'

/** What a thread is told. */
export type Request =
  | { readonly kind: 'load'; readonly source: TokenizerSource }
  | { readonly kind: 'encode'; readonly job: number; readonly texts: readonly string[]; readonly options: EncodeOptions }

/** What a thread answers. */
export type Response =
  // It listens from now on; what is said before may be lost.
  | { readonly kind: 'ready' }
  | { readonly kind: 'loaded' }
  | { readonly kind: 'encoded'; readonly job: number; readonly ids: Uint32Array<ArrayBuffer>; readonly ends: Uint32Array<ArrayBuffer> }
  | { readonly kind: 'failed'; readonly job?: number; readonly error: WireError }

/** An error on its way between threads, which keep neither classes nor fields of errors. */
export interface WireError {
  /** Absent for errors of others. */
  readonly code?: TokenizerErrorCode
  readonly message: string
  readonly token?: string
  readonly position?: number
  /** Which of the texts. */
  readonly text?: number
}
