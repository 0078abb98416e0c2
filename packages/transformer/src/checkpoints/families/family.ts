import type { DecoderConfig } from '../../architectures/config.js'
import { TransformerError } from '../../errors.js'

/** How the models of one kind are written in files of others: their configuration and the names of their weights. */
export interface Family {
  /** Values of `model_type` in `config.json`. */
  readonly modelTypes: readonly string[]
  /** Errors: CHECKPOINT for what the file says that is not computed here. */
  config(fields: ConfigFields): DecoderConfig
  /** Names in safetensors. */
  readonly names: RecordNames
  /** The same in GGUF. */
  readonly gguf: {
    /** Values of `general.architecture`. */
    readonly architectures: readonly string[]
    /** @param tensors by name, for what is no number */
    config(fields: ConfigFields, tensors: GgufTensors): DecoderConfig
    readonly names: RecordNames
  }
}

/** What a GGUF file says beside its metadata. */
export interface GgufTensors {
  /** Number of tokens of the vocabulary. */
  readonly tokens: number
  has(name: string): boolean
  /** Divisors of rotary angles, where the file has them. */
  readonly divisors: readonly number[] | undefined
}

/** What weights are called in a file. */
export interface RecordNames {
  nameOf(weight: string): string
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

  /** A number; `fallback` where there is none, an error where there is none either. */
  number(name: string, fallback?: number): number {
    if (!this.has(name) && fallback !== undefined) return fallback
    const value = this.values[name]
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.fail(name, 'a number')
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
