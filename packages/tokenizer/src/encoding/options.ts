import { TokenizerError } from '../errors.js'
import type { PaddingRule, TruncationRule } from '../pipeline/limits.js'
import type { EncodeOptions } from '../tokenizer.js'
import type { OffsetUnit } from './encoding.js'

export interface TruncationOptions {
  /** The longest encoding in tokens, special ones included. */
  readonly maxLength: number
  /** Tokens that neighbouring stretches share. Default 0. */
  readonly stride?: number
  /** The side that is cut off. Default `'right'`. */
  readonly side?: 'left' | 'right'
  /** Which text of a pair is cut; default `'longest_first'`. */
  readonly strategy?: 'longest_first' | 'only_first' | 'only_second'
}

export interface PaddingOptions {
  /** A number of tokens, or the longest encoding of a batch. Default `'longest'`. */
  readonly to?: 'longest' | number
  /** Lengths are rounded up to a multiple of this. */
  readonly multipleOf?: number
  /** Default `'right'`. */
  readonly side?: 'left' | 'right'
  /** The id to fill up with; by default that of the padding token that the tokenizer's file names. */
  readonly id?: number
  /** Default 0. */
  readonly typeId?: number
}

export interface EncodeWithOffsetsOptions extends EncodeOptions {
  /** A second text behind the first, such as the answer to a question. */
  readonly pair?: string
  /** What offsets count. Default `'utf16'`, the indices of JavaScript strings. */
  readonly offsets?: OffsetUnit
  /** How long encodings may be; `false` switches off what the tokenizer's file asks for. */
  readonly truncation?: TruncationOptions | false
  /** How encodings are filled up; `false` switches off what the tokenizer's file asks for. */
  readonly padding?: PaddingOptions | false
}

/** Options for a batch, whose entries are texts or pairs of them. */
export type BatchOptions = Omit<EncodeWithOffsetsOptions, 'pair'>

/** @throws TokenizerError `VALUE` for options out of their range */
export function truncationRule(given: TruncationOptions | false | undefined, own: TruncationRule | undefined): TruncationRule | undefined {
  if (given === undefined) return own
  if (given === false) return undefined
  const { maxLength, stride = 0, side = 'right', strategy = 'longest_first' } = given
  natural('truncation.maxLength', maxLength)
  natural('truncation.stride', stride)
  oneOf('truncation.side', side, ['left', 'right'])
  oneOf('truncation.strategy', strategy, ['longest_first', 'only_first', 'only_second'])
  return { maxLength, stride, side, strategy }
}

/** @throws TokenizerError `VALUE` for options out of their range, or without an id to fill up with */
export function paddingRule(
  given: PaddingOptions | false | undefined,
  own: PaddingRule | undefined,
  vocabulary: { readonly padId: number | undefined; readonly tokenOf: (id: number) => string },
): PaddingRule | undefined {
  if (given === undefined) return own
  if (given === false) return undefined
  const { to = 'longest', multipleOf, side = 'right', typeId = 0, id = own?.id ?? vocabulary.padId } = given
  if (id === undefined) throw new TokenizerError('VALUE', 'padding: the tokenizer names no padding token; pass padding.id')
  if (to !== 'longest') natural('padding.to', to)
  if (multipleOf !== undefined) natural('padding.multipleOf', multipleOf)
  oneOf('padding.side', side, ['left', 'right'])
  natural('padding.typeId', typeId)
  return { to, multipleOf, side, id, typeId, token: vocabulary.tokenOf(id) }
}

/** The length that encodings of these lengths are filled up to. */
export function paddedLength(lengths: Iterable<number>, { to, multipleOf }: PaddingRule): number {
  let length = to === 'longest' ? 0 : to
  if (to === 'longest') for (const each of lengths) length = Math.max(length, each)
  return multipleOf === undefined || multipleOf === 0 ? length : Math.ceil(length / multipleOf) * multipleOf
}

/** @throws TokenizerError `VALUE` unless the value is a whole number that is not negative */
export function natural(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new TokenizerError('VALUE', `${name} is a whole number from 0 on, got ${String(value)}`)
  }
}

export function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): void {
  if (allowed.includes(value)) return
  throw new TokenizerError('VALUE', `${name} is ${allowed.map((each) => `'${each}'`).join(' or ')}, got ${JSON.stringify(value)}`)
}
