/** What a model in a worker and its owner say to each other. */
import { AbortedError, TesseraeError, type ProgressEvent } from '@tesserae/core'
import { TransformerError, type TransformerErrorCode } from '../errors.js'
import type { LmInfo, LmOptions, LmPart, LmPrompt } from '../lm/types.js'

/** Parts that a worker may send before it hears that they were taken: it is not to run far ahead of a slow reader. */
export const WINDOW = 16

export type ToWorker =
  | { readonly type: 'stream'; readonly call: number; readonly prompt: LmPrompt; readonly options: Omit<LmOptions, 'signal'> }
  | { readonly type: 'tokenize'; readonly call: number; readonly prompt: LmPrompt; readonly options: object }
  /** So many more parts were taken. */
  | { readonly type: 'taken'; readonly call: number; readonly parts: number }
  | { readonly type: 'abort'; readonly call: number }
  | { readonly type: 'dispose' }

export type FromWorker =
  | { readonly type: 'ready'; readonly info: LmInfo }
  | { readonly type: 'progress'; readonly event: ProgressEvent }
  | { readonly type: 'failed'; readonly error: SentError }
  | { readonly type: 'part'; readonly call: number; readonly part: LmPart }
  | { readonly type: 'end'; readonly call: number }
  | { readonly type: 'ids'; readonly call: number; readonly ids: Uint32Array }
  | { readonly type: 'error'; readonly call: number; readonly error: SentError }

/** An error as it is sent: with its code, and without what cannot be. */
export interface SentError {
  readonly name: string
  readonly message: string
  readonly code: string | undefined
  readonly stack: string | undefined
}

export function sentError(error: unknown): SentError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), code: undefined, stack: undefined }
  // Others have codes too, which mean something else: ENOENT, ERR_MODULE_NOT_FOUND.
  const code = TesseraeError.isInstance(error) ? error.code : undefined
  return { name: error.name, message: error.message, code, stack: error.stack }
}

/** The error again, with its name and code. Its place in the worker is its cause. */
export function receivedError({ name, message, code, stack }: SentError): Error {
  const cause = Object.assign(new Error(message), { stack })
  if (code === 'ABORTED') return new AbortedError(message, { cause })
  if (code !== undefined && name === 'TransformerError') return new TransformerError(code as TransformerErrorCode, message, { cause })
  if (code === undefined) return new TransformerError('REMOTE', `the worker failed: ${name}: ${message}`, { cause })
  return Object.assign(new TesseraeError(code, message, { cause }), { name })
}
