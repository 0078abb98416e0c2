import { TokenizerError } from '../../errors.js'
import { patternNameOf } from '../../pretokenizers/create.js'
import type { PatternName } from '../../pretokenizers/pretokenizer.js'
import { fail, field, isRecord, unsupported } from './json.js'

/**
 * The pattern of a `pre_tokenizer`: `ByteLevel` with its own split, or a `Split` followed by `ByteLevel` without one. A regular expression
 * that is not known is refused unless trusted: it comes from a stranger, and JavaScript's engine may take exponential time.
 */
export function readPattern(value: unknown, trusted: boolean): PatternName | RegExp {
  if (value === undefined || value === null) throw unsupported('a file without pre_tokenizer')
  if (!isRecord(value)) throw fail('pre_tokenizer', 'an object', value)
  if (value['type'] === 'ByteLevel') {
    refusePrefixSpace(value)
    // The field is younger than GPT-2's files, where its absence means true.
    if (value['use_regex'] === false) throw unsupported('pre_tokenizer ByteLevel without a split')
    return 'gpt2'
  }
  if (value['type'] !== 'Sequence') throw unsupported(`pre_tokenizer ${String(value['type'])}`)
  const steps = value['pretokenizers']
  if (!Array.isArray(steps)) throw fail('pre_tokenizer.pretokenizers', 'an array', steps)
  const [split, byteLevel] = steps as unknown[]
  if (
    steps.length !== 2 ||
    field(split, 'type') !== 'Split' ||
    field(byteLevel, 'type') !== 'ByteLevel' ||
    field(byteLevel, 'use_regex') !== false
  ) {
    throw unsupported(
      `pre_tokenizer Sequence of ${steps.map((step) => String(field(step, 'type'))).join(', ')}; known is Split, ByteLevel with use_regex false`,
    )
  }
  refusePrefixSpace(byteLevel)
  if (field(split, 'behavior') !== 'Isolated' || field(split, 'invert') === true)
    throw unsupported('a Split that is not Isolated, or inverted')
  const source = field(field(split, 'pattern'), 'Regex')
  if (typeof source !== 'string') throw fail('pre_tokenizer.pretokenizers[0].pattern.Regex', 'a string', source)
  const name = patternNameOf(source)
  if (name !== undefined) return name
  if (!trusted) {
    throw unsupported(
      `the split ${JSON.stringify(source)}; known are those of gpt2, cl100k, llama3, qwen2 and o200k. Pass trustPattern: true if you trust the file`,
    )
  }
  try {
    return new RegExp(source, 'u')
  } catch (cause) {
    throw new TokenizerError('FILE', `tokenizer.json: the split ${JSON.stringify(source)} is no regular expression of JavaScript`, {
      cause,
    })
  }
}

function refusePrefixSpace(byteLevel: unknown): void {
  if (field(byteLevel, 'add_prefix_space') !== false) throw unsupported('pre_tokenizer ByteLevel with add_prefix_space')
}
