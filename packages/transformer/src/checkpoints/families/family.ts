import { mostLayers, type DecoderConfig } from '../../architectures/config.js'
import { TransformerError } from '../../errors.js'

/** How the models of one kind are written in files of others: their configuration and the names of their weights. */
export interface Family {
  /** Values of `model_type` in `config.json`. */
  readonly modelTypes: readonly string[]
  /** Errors: CHECKPOINT for what the file says that is not computed here. */
  config(fields: ConfigFields): DecoderConfig
  /** Names in safetensors. */
  names(config: DecoderConfig, has: (name: string) => boolean): RecordNames
  /** Values of `general.architecture` in GGUF, whose names of weights all kinds share. */
  readonly architectures: readonly string[]
  /** @param tensors by name, for what is no number */
  ggufConfig(fields: ConfigFields, tensors: GgufTensors): DecoderConfig
}

/** What a GGUF file says beside its metadata. */
export interface GgufTensors {
  /** Number of tokens of the vocabulary. */
  readonly tokens: number
  has(name: string): boolean
  /** A short list of numbers that is kept as a tensor, such as the divisors of rotary angles; undefined where there is none. */
  numbers(name: string): readonly number[] | undefined
}

/** Where a weight is in a file, where it is not simply a tensor of its own. */
export interface WeightSource {
  /** Tensors of the file: one, or several that are stacked along a first axis of their own. */
  readonly names: readonly string[]
  /** The weight is these rows, first and behind the last, of a tensor of `of` rows that holds several. */
  readonly rows?: { readonly ranges: readonly (readonly [from: number, to: number])[]; readonly of: number }
  /** The file has rows and columns the other way round. */
  readonly transposed?: boolean
  /** Added to each number: what norms are written without. */
  readonly plus?: number
  /** The file's shape, where it is another one of as many numbers. */
  readonly shape?: readonly number[]
}

/** What weights are called in a file. */
export interface RecordNames {
  /** The name of a weight of ours, or where else it is. */
  sourceOf(weight: string): string | WeightSource
  /** Tensors that the file may hold beside the weights. */
  isOther(name: string): boolean
}

/** Checked access to Hugging Face's `config.json`. */
export class ConfigFields {
  constructor(
    private readonly values: Readonly<Record<string, unknown>>,
    private readonly label: string,
  ) {}

  has(name: string): boolean {
    return this.values[name] !== undefined && this.values[name] !== null
  }

  isNull(name: string): boolean {
    return this.values[name] === null
  }

  /** A number; `fallback` where there is none, an error where there is none either. */
  number(name: string, fallback?: number): number {
    if (!this.has(name) && fallback !== undefined) return fallback
    const value = this.values[name]
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.fail(name, 'a number')
    return value
  }

  /** A number of layers, small enough to make a list of them. */
  layers(name: string): number {
    const value = this.number(name)
    if (!Number.isInteger(value) || value < 1 || value > mostLayers) throw this.fail(name, `an integer from 1 to ${mostLayers}`)
    return value
  }

  text(name: string, fallback?: string): string {
    if (!this.has(name) && fallback !== undefined) return fallback
    const value = this.values[name]
    if (typeof value !== 'string') throw this.fail(name, 'a text')
    return value
  }

  flag(name: string, fallback: boolean): boolean {
    if (!this.has(name)) return fallback
    const value = this.values[name]
    if (typeof value !== 'boolean') throw this.fail(name, 'true or false')
    return value
  }

  /** A list; undefined where there is none. */
  list(name: string, of = 'a list'): readonly unknown[] | undefined {
    if (!this.has(name)) return undefined
    const value = this.values[name]
    if (Array.isArray(value)) return value
    if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number>)
    throw this.fail(name, of)
  }

  numbers(name: string): readonly number[] {
    const of = 'a list of numbers'
    const list = this.list(name, of)
    if (list === undefined || !list.every((one) => typeof one === 'number' && Number.isFinite(one))) throw this.fail(name, of)
    return list as readonly number[]
  }

  /** A field that holds fields. */
  inside(name: string): ConfigFields {
    const value = this.values[name]
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.fail(name, 'an object')
    return new ConfigFields(value as Record<string, unknown>, `${this.label}: ${name}`)
  }

  /** What is not one of a few values is not computed here. */
  expect(name: string, values: readonly (string | boolean | number)[]): void {
    if (this.has(name) && !values.includes(this.values[name] as never))
      throw this.fail(name, values.map((value) => JSON.stringify(value)).join(' or '))
  }

  fail(name: string, expected: string): TransformerError {
    const value = this.values[name]
    const found = ArrayBuffer.isView(value) ? 'a list of numbers' : (JSON.stringify(value) ?? 'nothing')
    return new TransformerError('CHECKPOINT', `${this.label}: ${name} is ${found.slice(0, 80)}; expected ${expected}`)
  }
}
