import { fail, isRecord, unsupported, type JsonRecord } from './json.js'

/** Sequences in sequences go no deeper than this, and hold no more components together, of which some count several times. */
const MAX_DEPTH = 8
const MAX_COMPONENTS = 64
/** What others than these take is several times as long. */
const SHORT_STEPS: ReadonlySet<string> = new Set(['Replace', 'Prepend', 'Strip', 'Lowercase', 'Fuse', 'Sequence'])
const LONG_STEP = 4
/** Bytes written as characters make twice as many of other scripts each time. */
const BYTES_STEP = 21
/** What is put into texts or between tokens has a few characters. */
const MAX_INSERTED = 1024
/** Real vocabularies stay far below this; a file that claims more would exhaust memory, as every id up to the highest takes some. */
const MAX_ID = 2 ** 21 - 1
/** So many ids may have no token, or so many times as many as have one. */
const MAX_GAP = 2 ** 16
const MAX_SHARE = 4

/** A component of a file with checked access to its fields; errors name their place. */
export class ComponentFields {
  readonly type: string
  private readonly record: JsonRecord

  /** @param budget how many components may still come, shared by all of a file's kind */
  constructor(
    value: unknown,
    readonly where: string,
    private readonly depth = 0,
    private readonly budget = { left: MAX_COMPONENTS },
  ) {
    if (!isRecord(value)) throw fail(where, 'an object', value)
    if (depth > MAX_DEPTH) throw unsupported(`${where}, a Sequence in more than ${MAX_DEPTH} others`)
    this.record = value
    const type = own(value, 'type')
    if (typeof type !== 'string') throw fail(`${where}.type`, 'the name of a component', type)
    this.type = type
    this.count(SHORT_STEPS.has(type) ? 1 : type === 'ByteLevel' ? BYTES_STEP : LONG_STEP)
  }

  /** Takes a component that runs a regular expression for a long step. */
  countAsLong(): void {
    if (SHORT_STEPS.has(this.type)) this.count(LONG_STEP - 1)
  }

  has(name: string): boolean {
    const value = own(this.record, name)
    return value !== undefined && value !== null
  }

  get(name: string): unknown {
    return own(this.record, name)
  }

  boolean(name: string, fallback?: boolean): boolean {
    const value = this.get(name)
    if (value === undefined && fallback !== undefined) return fallback
    if (typeof value !== 'boolean') throw fail(`${this.where}.${name}`, 'true or false', value)
    return value
  }

  text(name: string): string {
    return checkText(this.get(name), `${this.where}.${name}`)
  }

  /** A text that is put into others, and therefore short. */
  short(name: string): string {
    const value = this.text(name)
    if (value.length > MAX_INSERTED) throw unsupported(`${this.where}.${name} of ${value.length} characters, more than ${MAX_INSERTED}`)
    return value
  }

  /** One character (code point). */
  character(name: string): string {
    const value = this.text(name)
    if ([...value].length !== 1) throw fail(`${this.where}.${name}`, 'one character', value)
    return value
  }

  natural(name: string, fallback?: number): number {
    const value = this.get(name)
    if (value === undefined && fallback !== undefined) return fallback
    return checkNatural(value, `${this.where}.${name}`)
  }

  oneOf<T extends string>(name: string, allowed: readonly T[], fallback?: T): T {
    const value = this.get(name)
    if (value === undefined && fallback !== undefined) return fallback
    const found = allowed.find((choice) => choice === value)
    if (found === undefined) throw fail(`${this.where}.${name}`, allowed.join(', '), value)
    return found
  }

  /** The components of a sequence. */
  components(name: string): ComponentFields[] {
    return this.list(name).map((value, index) => new ComponentFields(value, `${this.where}.${name}[${index}]`, this.depth + 1, this.budget))
  }

  list(name: string): readonly unknown[] {
    const value = this.get(name)
    if (!Array.isArray(value)) throw fail(`${this.where}.${name}`, 'an array', value)
    // A copy has no holes, which `map` would pass over.
    return Array.from(value as unknown[])
  }

  private count(steps: number): void {
    this.budget.left -= steps
    if (this.budget.left >= 0) return
    throw unsupported(`${this.where}, beyond ${MAX_COMPONENTS} components (all but simple replacements count as ${LONG_STEP})`)
  }

  /** The pattern of a split or a replacement. */
  pattern(name: string): { readonly kind: 'String' | 'Regex'; readonly source: string } {
    const value = this.get(name)
    for (const kind of ['String', 'Regex'] as const) {
      const source = isRecord(value) ? own(value, kind) : undefined
      if (typeof source === 'string') return { kind, source: checkText(source, `${this.where}.${name}.${kind}`) }
    }
    throw fail(`${this.where}.${name}`, 'an object with String or Regex', value)
  }
}

/** A field of its own: nothing is inherited, so that a field called `constructor` is missing where the file lacks it. */
export const own = (record: JsonRecord, name: string): unknown => (Object.hasOwn(record, name) ? record[name] : undefined)

export function checkText(value: unknown, where: string): string {
  if (typeof value !== 'string') throw fail(where, 'a string', value)
  if (/[\ud800-\udfff]/u.test(value)) throw fail(where, 'text without lone surrogates', value)
  return value
}

export function checkNatural(value: unknown, where: string, highest = 2 ** 31 - 1): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > highest) {
    throw fail(where, `an integer from 0 to ${highest}`, value)
  }
  return value
}

export const checkId = (value: unknown, where: string): number => checkNatural(value, where, MAX_ID)

/** @throws TokenizerError `UNSUPPORTED` for a highest id that makes nearly all ids stand for nothing, which each takes memory and time all the same */
export function checkDense(highest: number, tokens: number, where: string): void {
  if (highest > MAX_GAP + tokens * MAX_SHARE)
    throw unsupported(`${where} with the id ${highest} for one of ${tokens} tokens, which leaves too many ids without one`)
}
