import { TensorError } from '../errors.js'

export interface StrictJsonLimits {
  /** Deepest nesting of arrays and objects. */
  readonly depth: number
  /** Most values in all, since a few bytes of hostile text can cost many bytes of memory. */
  readonly values: number
}

const quote = 34
const backslash = 92

/**
 * Parses JSON from a file that nobody vouches for. On top of `JSON.parse`: UTF-8 is checked, a key given twice in one
 * object is an error (`JSON.parse` keeps the last one silently, so two readers could see two different files), and
 * nesting and the number of values are limited before anything is built. `what` names the text in errors ('FILE').
 */
export function parseStrictJson(bytes: Uint8Array, what: string, limits: StrictJsonLimits): unknown {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new TensorError('FILE', `${what} is not valid UTF-8`, { cause })
  }
  scan(text, what, limits)
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new TensorError('FILE', `${what} is not valid JSON: ${cause instanceof Error ? clip(cause.message, 160) : ''}`, { cause })
  }
}

/** One pass over the text; grammar errors are left to `JSON.parse`, which runs afterwards. */
function scan(text: string, what: string, limits: StrictJsonLimits): void {
  /** Keys of each open object, undefined for an array. */
  const open: (Set<string> | undefined)[] = []
  let values = 1
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === quote) {
      const start = i++
      let escaped = false
      while (i < text.length && text.charCodeAt(i) !== quote) {
        if (text.charCodeAt(i) === backslash) {
          escaped = true
          i++
        }
        i++
      }
      const keys = open[open.length - 1]
      if (keys === undefined || !isKey(text, i + 1)) continue
      const key = escaped ? unescape(text.slice(start, i + 1), what) : text.slice(start + 1, i)
      if (keys.has(key))
        throw new TensorError(
          'FILE',
          `${what} holds the key ${show(key)} twice in one object; the file is malformed or made to be read differently by different programs`,
        )
      keys.add(key)
    } else if (code === 123 /* { */ || code === 91 /* [ */) {
      open.push(code === 123 ? new Set() : undefined)
      values++
      if (open.length > limits.depth) throw new TensorError('FILE', `${what} is nested more than ${limits.depth} deep`)
    } else if (code === 125 /* } */ || code === 93 /* ] */) open.pop()
    else if (code === 44 /* , */) values++
    if (values > limits.values) throw new TensorError('FILE', `${what} holds more than ${limits.values} values`)
  }
}

/** In valid JSON exactly the keys are followed by a colon. */
function isKey(text: string, after: number): boolean {
  let i = after
  while (i < text.length && (text[i] === ' ' || text[i] === '\n' || text[i] === '\r' || text[i] === '\t')) i++
  return text[i] === ':'
}

function unescape(token: string, what: string): string {
  try {
    return JSON.parse(token) as string
  } catch (cause) {
    throw new TensorError('FILE', `${what} is not valid JSON: ${clip(token, 80)} is not a string`, { cause })
  }
}

/** A plain object as JSON makes it. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A value from a file, quoted and shortened for an error message. */
export function show(value: unknown): string {
  const text = JSON.stringify(value)
  return clip(text ?? String(value), 100)
}

const clip = (text: string, length: number): string => (text.length <= length ? text : `${text.slice(0, length)}…`)
