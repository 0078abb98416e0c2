/** Errors as OpenAI's interface has them: `{ error: { message, type, param, code } }` and a status. */
import { TesseraeError } from '@tesserae/core'

export type ApiErrorType = 'invalid_request_error' | 'authentication_error' | 'rate_limit_error' | 'server_error' | 'timeout_error'

export interface ApiErrorDetails {
  readonly status: number
  readonly type?: ApiErrorType
  /** A word that programs can go by. */
  readonly code: string
  /** The field that is wrong, as `messages[0].content`. */
  readonly param?: string
  /** Seconds. */
  readonly retryAfter?: number
  readonly allow?: string
  readonly cause?: unknown
}

export class ApiError extends Error {
  readonly status: number
  readonly type: ApiErrorType
  readonly code: string
  readonly param: string | undefined
  readonly retryAfter: number | undefined
  readonly allow: string | undefined

  constructor(message: string, { status, type, code, param, retryAfter, allow, cause }: ApiErrorDetails) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'ApiError'
    this.status = status
    this.type = type ?? (status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error')
    this.code = code
    this.param = param
    this.retryAfter = retryAfter
    this.allow = allow
  }

  toJSON(): { error: { message: string; type: ApiErrorType; param: string | null; code: string } } {
    return { error: { message: this.message, type: this.type, param: this.param ?? null, code: this.code } }
  }
}

/** A request that is wrong at a field. */
export const wrong = (param: string, message: string, code = 'invalid_value'): ApiError =>
  new ApiError(param === '' ? message : `${param}: ${message}`, { status: 400, code, ...(param === '' ? {} : { param }) })

/** What a model threw, as a client is told of it. What nobody expected stays with the server. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const details = (status: number, code: string): ApiErrorDetails => ({ status, code, cause: error })
  if (TesseraeError.isInstance(error))
    switch (error.code) {
      case 'CAPACITY':
        return new ApiError(error.message, details(400, 'context_length_exceeded'))
      case 'OPTION':
      case 'TOKEN':
      case 'UNSUPPORTED':
      // Of @tesserae/sampling: settings out of range, schemas and tools that cannot be held to.
      case 'VALUE':
      case 'GRAMMAR':
      case 'TOOL':
      case 'SCHEMA':
        return new ApiError(error.message, details(400, error.code.toLowerCase()))
      case 'BUSY':
        return new ApiError(error.message, { ...details(429, 'busy'), retryAfter: 1 })
      case 'TIMEOUT':
        return new ApiError(error.message, { ...details(504, 'timeout'), type: 'timeout_error' })
      case 'OUT_OF_MEMORY':
        return new ApiError(error.message, { ...details(503, 'out_of_memory'), retryAfter: 5 })
      case 'DISPOSED':
      case 'REMOTE':
        return new ApiError('the model is not there at present; the server knows why', {
          ...details(503, 'model_unavailable'),
          retryAfter: 5,
        })
    }
  return new ApiError('the server failed at this request; it knows why, and it is not the request', details(500, 'internal_error'))
}
