import { TokenizerError } from '../../errors.js'
import { patternNameOf } from '../../pretokenizers/create.js'
import type { PatternName } from '../../pretokenizers/pretokenizer.js'
import { field, isRecord } from './json.js'

/** What the fast way over bytes does before it merges. */
export interface FastPattern {
  readonly split: PatternName | RegExp
  /** Whether a text that does not begin with a blank gets one. */
  readonly addPrefixSpace: boolean
}

/**
 * The split of a `pre_tokenizer` that the scanners over bytes know: `ByteLevel` with its own, or a known `Split` followed by `ByteLevel` without
 * one. Undefined for all others, which go the general way.
 *
 * @param trusted whether to run an unknown split on JavaScript's engine
 */
export function readFastPattern(value: unknown, trusted: boolean): FastPattern | undefined {
  if (!isRecord(value)) return undefined
  if (value['type'] === 'ByteLevel') {
    // The field is younger than GPT-2's files, where its absence means true.
    if (value['use_regex'] === false) return undefined
    return { split: 'gpt2', addPrefixSpace: value['add_prefix_space'] === true }
  }
  const steps = value['pretokenizers']
  if (value['type'] !== 'Sequence' || !Array.isArray(steps) || steps.length !== 2) return undefined
  const [split, byteLevel] = steps as unknown[]
  if (
    field(split, 'type') !== 'Split' ||
    field(split, 'behavior') !== 'Isolated' ||
    field(split, 'invert') === true ||
    field(byteLevel, 'type') !== 'ByteLevel' ||
    field(byteLevel, 'use_regex') !== false ||
    field(byteLevel, 'add_prefix_space') !== false
  ) {
    return undefined
  }
  const source = field(field(split, 'pattern'), 'Regex')
  if (typeof source !== 'string') return undefined
  const known = patternNameOf(source, 'oniguruma') ?? (trusted ? trustedPattern(source) : undefined)
  return known === undefined ? undefined : { split: known, addPrefixSpace: false }
}

/** @throws TokenizerError `FILE` for what is no regular expression of JavaScript */
export function trustedPattern(source: string): RegExp {
  try {
    return new RegExp(source, 'u')
  } catch (cause) {
    throw new TokenizerError('FILE', `tokenizer.json: the split ${JSON.stringify(source)} is no regular expression of JavaScript`, {
      cause,
    })
  }
}
