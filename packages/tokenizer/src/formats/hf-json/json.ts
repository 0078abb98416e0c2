import { TokenizerError } from '../../errors.js'

export type JsonRecord = Readonly<Record<string, unknown>>

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A field of a value that may not be an object. */
export function field(value: unknown, name: string): unknown {
  return isRecord(value) ? value[name] : undefined
}

/** The error for a malformed place of a `tokenizer.json`. */
export function fail(where: string, expected: string, given: unknown): TokenizerError {
  let shown = written(given)
  if (shown.length > 80) shown = `${shown.slice(0, 77)}…`
  return new TokenizerError('FILE', `tokenizer.json: ${where} should be ${expected}, got ${shown}`)
}

/** The error for what a `tokenizer.json` needs and this package lacks. */
export function unsupported(what: string): TokenizerError {
  return new TokenizerError('UNSUPPORTED', `tokenizer.json needs what this package does not support: ${what}`)
}

/** A value of a file as messages show it. */
export function written(value: unknown): string {
  if (value === undefined) return 'nothing'
  // A number beyond doubles is read as infinite, which JSON would write as null.
  if (typeof value === 'number') return String(value)
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    // What holds itself, or goes too deep for any way of writing it.
    return Array.isArray(value)
      ? 'a list that cannot be written'
      : `${typeof value === 'object' ? 'an object' : typeof value} that cannot be written`
  }
}
