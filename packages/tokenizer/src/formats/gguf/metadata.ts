import { TokenizerError } from '../../errors.js'
import { written } from '../hf-json/json.js'

/** The metadata of a GGUF file as any reader gives it: values by key, arrays as arrays or typed arrays, 64-bit integers also as bigint. */
export type GgufMetadata = ReadonlyMap<string, unknown> | Readonly<Record<string, unknown>>

/** Checked access to what a GGUF file says about its tokenizer. */
export class GgufFields {
  private readonly get: (key: string) => unknown

  constructor(metadata: GgufMetadata) {
    if (typeof metadata !== 'object' || metadata === null) {
      throw new TokenizerError('VALUE', `fromGGUF takes a GGUF file's metadata as a Map or an object, got ${String(metadata)}`)
    }
    if (isMap(metadata)) this.get = (key) => metadata.get(key)
    else this.get = (key) => (Object.hasOwn(metadata, key) ? metadata[key] : undefined)
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  text(key: string): string | undefined {
    const value = this.get(key)
    if (value === undefined) return undefined
    if (typeof value !== 'string') throw this.fail(key, 'a string', value)
    return value
  }

  flag(key: string): boolean | undefined {
    const value = this.get(key)
    if (value === undefined) return undefined
    if (typeof value !== 'boolean') throw this.fail(key, 'true or false', value)
    return value
  }

  /** An id below `size`; undefined when the key is absent. */
  id(key: string, size: number): number | undefined {
    const given = this.get(key)
    if (given === undefined) return undefined
    const value = typeof given === 'bigint' ? Number(given) : given
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= size) {
      throw this.fail(key, `an id below ${size}`, value)
    }
    return value
  }

  texts(key: string): readonly string[] {
    const value = this.get(key)
    if (!Array.isArray(value)) throw this.fail(key, 'an array of strings', value)
    for (const [i, text] of (value as unknown[]).entries()) if (typeof text !== 'string') throw this.fail(`${key}[${i}]`, 'a string', text)
    return value as string[]
  }

  /** `length` numbers; undefined when the key is absent. */
  numbers(key: string, length?: number): Float64Array | undefined {
    const value = this.get(key)
    if (value === undefined) return undefined
    const list = ArrayBuffer.isView(value) && !(value instanceof DataView) ? Array.from(value as unknown as ArrayLike<unknown>) : value
    if (!Array.isArray(list)) throw this.fail(key, 'an array of numbers', value)
    if (length !== undefined && list.length !== length) throw this.fail(key, `an array of ${length} numbers`, `one of ${list.length}`)
    return Float64Array.from(list as unknown[], (entry, i) => {
      const number = typeof entry === 'bigint' ? Number(entry) : entry
      if (typeof number !== 'number' || !Number.isFinite(number)) throw this.fail(`${key}[${i}]`, 'a number', entry)
      return number
    })
  }

  fail(key: string, expected: string, given: unknown): TokenizerError {
    if (ArrayBuffer.isView(given)) return this.fail(key, expected, `an array of ${given.byteLength} bytes of numbers`)
    let shown = typeof given === 'bigint' ? String(given) : written(given)
    if (shown.length > 80) shown = `${shown.slice(0, 77)}…`
    return new TokenizerError('FILE', `GGUF metadata: ${key} should be ${expected}, got ${shown}`)
  }
}

/** Structural, so that maps of other realms count too. */
function isMap(value: GgufMetadata): value is ReadonlyMap<string, unknown> {
  return Object.prototype.toString.call(value) === '[object Map]'
}
