import type { PaddingRule, TruncationRule } from '../../pipeline/limits.js'
import { checkId, checkNatural, ComponentFields } from './fields.js'
import { fail, isRecord, type JsonRecord } from './json.js'
import type { PaddingJson, TruncationJson } from './schema.js'

/** Longer encodings than any model takes; every one would be filled up to this. */
const MAX_PADDED = 2 ** 20

const strategies = { LongestFirst: 'longest_first', OnlyFirst: 'only_first', OnlySecond: 'only_second' } as const
const sides = { Left: 'left', Right: 'right' } as const
type Written<T> = Extract<keyof T, string>

/** The `truncation` of a file: the default for encodings. */
export function readTruncation(value: unknown): TruncationRule | undefined {
  const fields = fieldsOf(value, 'truncation')
  if (fields === undefined) return undefined
  const rule = {
    maxLength: fields.natural('max_length'),
    stride: fields.natural('stride'),
    side: sides[fields.oneOf<Written<typeof sides>>('direction', ['Left', 'Right'], 'Right')],
    strategy: strategies[fields.oneOf<Written<typeof strategies>>('strategy', ['LongestFirst', 'OnlyFirst', 'OnlySecond'])],
  }
  return rule
}

/** The `padding` of a file: the default for encodings. */
export function readPadding(value: unknown): PaddingRule | undefined {
  const fields = fieldsOf(value, 'padding')
  if (fields === undefined) return undefined
  const strategy = fields.get('strategy')
  const to =
    strategy === 'BatchLongest'
      ? 'longest'
      : checkNatural(isRecord(strategy) ? strategy['Fixed'] : strategy, 'padding.strategy.Fixed', MAX_PADDED)
  return {
    to,
    multipleOf: fields.has('pad_to_multiple_of')
      ? checkNatural(fields.get('pad_to_multiple_of'), 'padding.pad_to_multiple_of', MAX_PADDED)
      : undefined,
    side: sides[fields.oneOf<Written<typeof sides>>('direction', ['Left', 'Right'])],
    id: checkId(fields.get('pad_id'), 'padding.pad_id'),
    typeId: checkId(fields.get('pad_type_id'), 'padding.pad_type_id'),
    token: fields.text('pad_token'),
  }
}

export function writeTruncation(rule: TruncationRule | undefined): TruncationJson | null {
  if (rule === undefined) return null
  const { maxLength, stride, side, strategy } = rule
  return { direction: writtenAs(sides, side), max_length: maxLength, strategy: writtenAs(strategies, strategy), stride }
}

export function writePadding(rule: PaddingRule | undefined): PaddingJson | null {
  if (rule === undefined) return null
  return {
    strategy: rule.to === 'longest' ? 'BatchLongest' : { Fixed: rule.to },
    direction: writtenAs(sides, rule.side),
    pad_to_multiple_of: rule.multipleOf ?? null,
    pad_id: rule.id,
    pad_type_id: rule.typeId,
    pad_token: rule.token,
  }
}

function writtenAs<K extends string, V>(names: Readonly<Record<K, V>>, value: V): K {
  return (Object.keys(names) as K[]).find((name) => names[name] === value)!
}

function fieldsOf(value: unknown, where: string): ComponentFields | undefined {
  if (value === undefined || value === null) return undefined
  if (!isRecord(value)) throw fail(where, 'an object or null', value)
  return new ComponentFields({ ...(value as JsonRecord), type: where }, where)
}
