import type { PieceSplitter } from '../../pipeline/components.js'
import { patternNameOf, preTokenizer } from '../../pretokenizers/create.js'
import { splitBehaviors } from '../../pretokenizers/hf/behavior.js'
import { BertPreTokenizer } from '../../pretokenizers/hf/bert.js'
import { ByteLevelPreTokenizer } from '../../pretokenizers/hf/byte-level.js'
import { Metaspace, type PrependScheme } from '../../pretokenizers/hf/metaspace.js'
import { SplitterSequence } from '../../pretokenizers/hf/sequence.js'
import { KnownSplit, Split } from '../../pretokenizers/hf/split.js'
import { CharDelimiterSplit, Digits, FixedLength, Punctuation } from '../../pretokenizers/hf/simple.js'
import { UnicodeScripts } from '../../pretokenizers/hf/unicode-scripts.js'
import { WhitespacePreTokenizer, WhitespaceSplit } from '../../pretokenizers/hf/whitespace.js'
import { ComponentFields } from './fields.js'
import { fail, unsupported } from './json.js'
import { readMatches } from './read-matches.js'
import { trustedPattern } from './read-pattern.js'

/**
 * The `pre_tokenizer` of a file.
 *
 * @param trusted whether a split that cannot be bounded may run on JavaScript's engine
 */
export function readPreTokenizer(value: unknown, trusted: boolean): PieceSplitter | undefined {
  return value === undefined || value === null ? undefined : splitterOf(new ComponentFields(value, 'pre_tokenizer'), trusted)
}

function splitterOf(fields: ComponentFields, trusted: boolean): PieceSplitter {
  switch (fields.type) {
    case 'BertPreTokenizer':
      return new BertPreTokenizer()
    case 'ByteLevel':
      return new ByteLevelPreTokenizer(
        fields.boolean('add_prefix_space'),
        // The field is younger than GPT-2's files, where its absence means true.
        fields.boolean('use_regex', true),
        fields.boolean('trim_offsets', true),
      )
    case 'CharDelimiterSplit':
      return new CharDelimiterSplit(fields.character('delimiter'))
    case 'Digits':
      return new Digits(fields.boolean('individual_digits'))
    case 'FixedLength': {
      const length = fields.natural('length', 5)
      if (length === 0) throw fail(`${fields.where}.length`, 'an integer from 1', length)
      return new FixedLength(length)
    }
    case 'Metaspace':
      return new Metaspace(fields.character('replacement'), readScheme(fields), fields.has('split') ? fields.boolean('split') : true)
    case 'Punctuation':
      return new Punctuation(fields.oneOf('behavior', splitBehaviors, 'Isolated'))
    case 'Sequence':
      return new SplitterSequence(fields.components('pretokenizers').map((step) => splitterOf(step, trusted)))
    case 'Split':
      return readSplit(fields, trusted)
    case 'UnicodeScripts':
      return new UnicodeScripts()
    case 'Whitespace':
      return new WhitespacePreTokenizer()
    case 'WhitespaceSplit':
      return new WhitespaceSplit()
    default:
      throw unsupported(`${fields.where} ${fields.type}`)
  }
}

function readSplit(fields: ComponentFields, trusted: boolean): PieceSplitter {
  const behavior = fields.oneOf('behavior', splitBehaviors)
  const invert = fields.boolean('invert', false)
  const { kind, source } = fields.pattern('pattern')
  if (kind === 'Regex' && behavior === 'Isolated' && !invert) {
    const known = patternNameOf(source, 'oniguruma')
    const rule = { pattern: { Regex: source }, behavior, invert }
    if (known !== undefined) return new KnownSplit(rule, preTokenizer(known))
    if (trusted) return new KnownSplit(rule, preTokenizer(trustedPattern(source)))
  }
  const { written, matches } = readMatches(fields)
  return new Split({ pattern: written, behavior, invert }, matches)
}

/** Where Metaspace puts its sign; files before 2024 say `add_prefix_space` instead. */
export function readScheme(fields: ComponentFields): PrependScheme {
  const scheme = fields.oneOf('prepend_scheme', ['always', 'first', 'never'], 'always')
  if (!fields.has('add_prefix_space') || fields.boolean('add_prefix_space')) return scheme
  if (fields.has('prepend_scheme') && scheme !== 'never') {
    throw fail(`${fields.where}.prepend_scheme`, 'never, because add_prefix_space is false', scheme)
  }
  return 'never'
}
