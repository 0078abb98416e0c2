/** Fields of a request, read one by one: each by name, with its type and range, and errors that say where. */
import { wrong } from './api-error.js'

export type JsonRecord = Readonly<Record<string, unknown>>

interface NumberRange {
  readonly min?: number
  readonly max?: number
  readonly integer?: boolean
}

export const isRecord = (value: unknown): value is JsonRecord => typeof value === 'object' && value !== null && !Array.isArray(value)

/** A record and where it is. `null` counts as not given, as OpenAI's clients send it. */
export class Fields {
  constructor(
    readonly values: JsonRecord,
    readonly path = '',
  ) {}

  /** The fields of a value that has to be a record. */
  static of(value: unknown, path: string): Fields {
    if (!isRecord(value)) throw wrong(path, `must be an object, got ${described(value)}`, 'invalid_type')
    return new Fields(value, path)
  }

  where(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`
  }

  get(name: string): unknown {
    if (!Object.hasOwn(this.values, name)) return undefined
    return this.values[name] ?? undefined
  }

  number(name: string, { min = -Infinity, max = Infinity, integer = false }: NumberRange = {}): number | undefined {
    const value = this.get(name)
    if (value === undefined) return undefined
    const kind = integer ? 'an integer' : 'a number'
    if (typeof value !== 'number') throw wrong(this.where(name), `must be ${kind}, got ${described(value)}`, 'invalid_type')
    const isFine = value >= min && value <= max && (integer ? Number.isSafeInteger(value) : Number.isFinite(value))
    if (!isFine) throw wrong(this.where(name), `must be ${kind}${rangeOf(min, max)}, got ${value}`)
    return value
  }

  boolean(name: string): boolean | undefined {
    const value = this.get(name)
    if (value !== undefined && typeof value !== 'boolean')
      throw wrong(this.where(name), `must be true or false, got ${described(value)}`, 'invalid_type')
    return value
  }

  text(name: string): string | undefined {
    const value = this.get(name)
    if (value !== undefined && typeof value !== 'string')
      throw wrong(this.where(name), `must be a string, got ${described(value)}`, 'invalid_type')
    return value
  }

  /** A text that has to be there. */
  needText(name: string): string {
    const value = this.text(name)
    if (value === undefined) throw missing(this.where(name))
    return value
  }

  oneOf<const Words extends readonly string[]>(name: string, words: Words): Words[number] | undefined {
    const value = this.get(name)
    if (value === undefined) return undefined
    if (typeof value !== 'string' || !words.includes(value))
      throw wrong(this.where(name), `must be one of ${words.join(', ')}, got ${described(value)}`)
    return value
  }

  list(name: string, { min = 0, max = Infinity }: { readonly min?: number; readonly max?: number } = {}): readonly unknown[] | undefined {
    const value = this.get(name)
    if (value === undefined) return undefined
    if (!Array.isArray(value)) throw wrong(this.where(name), `must be a list, got ${described(value)}`, 'invalid_type')
    if (value.length < min || value.length > max)
      throw wrong(
        this.where(name),
        `must have ${min === max ? `${min}` : max === Infinity ? `at least ${min}` : `${min} to ${max}`} items, got ${value.length}`,
      )
    return value
  }

  fields(name: string): Fields | undefined {
    const value = this.get(name)
    return value === undefined ? undefined : Fields.of(value, this.where(name))
  }

  /** Refuses names that nobody reads: what is misspelled would go unheard. */
  refuseOthers(known: ReadonlySet<string>): void {
    for (const name of Object.keys(this.values))
      if (!known.has(name))
        throw wrong(this.where(shortened(name)), 'is not a field of this request; see the documentation of serve', 'unknown_parameter')
  }
}

export const missing = (path: string): Error => wrong(path, 'is missing', 'missing_required_parameter')

/** What was given, cut where it is long. */
export function described(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (isRecord(value)) return 'an object'
  return typeof value === 'string' ? JSON.stringify(shortened(value)) : String(value)
}

const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text)

const rangeOf = (min: number, max: number): string =>
  min === -Infinity ? (max === Infinity ? '' : ` up to ${max}`) : max === Infinity ? ` from ${min} on` : ` from ${min} to ${max}`
