/** Bodies of requests: UTF-8, JSON, not nested without end. */
import { isNestedDeeper } from '../json-depth.js'
import { ApiError } from './api-error.js'

const MOST_DEPTH = 64

/**
 * The object that a body is. Names such as `__proto__` are refused wherever they are: nothing a client sends is to be taken for what an object is made of.
 * Errors: ApiError 400.
 */
export function parseBody(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new ApiError('the body is not UTF-8', { status: 400, code: 'invalid_encoding', cause })
  }
  if (isNestedDeeper(text, MOST_DEPTH))
    throw new ApiError(`the body is nested deeper than ${MOST_DEPTH} levels`, { status: 400, code: 'invalid_json' })
  let value: unknown
  try {
    value = JSON.parse(text, (key, inner: unknown) => {
      if (key === '__proto__')
        throw new ApiError('a name in the body is "__proto__", which is refused', { status: 400, code: 'invalid_json' })
      return inner
    })
  } catch (error) {
    if (error instanceof ApiError) throw error
    throw new ApiError(`the body is not JSON: ${error instanceof Error ? error.message : String(error)}`, {
      status: 400,
      code: 'invalid_json',
      cause: error,
    })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ApiError('the body must be a JSON object', { status: 400, code: 'invalid_json' })
  return value as Readonly<Record<string, unknown>>
}
