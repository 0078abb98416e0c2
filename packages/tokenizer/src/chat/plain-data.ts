import { TokenizerError } from '../errors.js'

const MAX_DEPTH = 64

/**
 * A copy of what a template may see: plain values only, no functions, no getters, no prototypes. `rewrite` is given every string, keys excepted.
 *
 * @throws TokenizerError `VALUE`, with the place, for anything else
 */
export function plainData(value: unknown, where: string, rewrite: (text: string) => string, depth = 0): unknown {
  if (value === null || value === undefined || typeof value === 'boolean') return value
  if (typeof value === 'string') return rewrite(value)
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (depth > MAX_DEPTH) throw new TokenizerError('VALUE', `${where} is nested deeper than ${MAX_DEPTH} levels, or holds itself`)
  if (Array.isArray(value)) return value.map((entry, i) => plainData(entry, `${where}[${i}]`, rewrite, depth + 1))
  if (typeof value === 'object') {
    const entries = entriesOf(value, where).filter(([, entry]) => entry !== undefined)
    return Object.fromEntries(entries.map(([key, entry]) => [key, plainData(entry, `${where}.${key}`, rewrite, depth + 1)]))
  }
  throw new TokenizerError(
    'VALUE',
    `${where} is plain data (text, finite numbers, true, false, null, lists and objects), got ${typeof value} ${String(value)}`,
  )
}

function entriesOf(value: object, where: string): [string, unknown][] {
  try {
    return Object.entries(value)
  } catch (cause) {
    throw new TokenizerError('VALUE', `${where} is plain data, got an object with a field that cannot be read: ${String(cause)}`, { cause })
  }
}
