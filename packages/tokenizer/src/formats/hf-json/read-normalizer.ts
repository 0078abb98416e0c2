import { BertNormalizer } from '../../normalizers/bert.js'
import { ByteLevelNormalizer } from '../../normalizers/byte-level.js'
import { Lowercase } from '../../normalizers/lowercase.js'
import { Nmt } from '../../normalizers/nmt.js'
import { Precompiled } from '../../normalizers/precompiled.js'
import { Prepend } from '../../normalizers/prepend.js'
import { Replace } from '../../normalizers/replace.js'
import { NormalizerSequence } from '../../normalizers/sequence.js'
import { Strip, StripAccents } from '../../normalizers/strip.js'
import { UnicodeNormalizer } from '../../normalizers/unicode-form.js'
import type { Normalizer } from '../../pipeline/components.js'
import { ComponentFields } from './fields.js'
import { unsupported } from './json.js'
import { readMatches } from './read-matches.js'

/** The `normalizer` of a file. */
export function readNormalizer(value: unknown): Normalizer | undefined {
  return value === undefined || value === null ? undefined : normalizerOf(new ComponentFields(value, 'normalizer'))
}

function normalizerOf(fields: ComponentFields): Normalizer {
  switch (fields.type) {
    case 'Bert':
    case 'BertNormalizer':
      return new BertNormalizer({
        cleanText: fields.boolean('clean_text'),
        handleChineseChars: fields.boolean('handle_chinese_chars'),
        stripAccents: fields.has('strip_accents') ? fields.boolean('strip_accents') : undefined,
        lowercase: fields.boolean('lowercase'),
      })
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return new UnicodeNormalizer(fields.type)
    case 'Nmt':
      return new Nmt()
    case 'Lowercase':
      return new Lowercase()
    case 'Strip':
      return new Strip(fields.boolean('strip_left'), fields.boolean('strip_right'))
    case 'StripAccents':
      return new StripAccents()
    case 'Precompiled':
      return new Precompiled(fields.text('precompiled_charsmap'), `tokenizer.json: ${fields.where}`)
    case 'Prepend':
      return new Prepend(fields.short('prepend'))
    case 'Replace': {
      const { written, matches } = readMatches(fields)
      return new Replace(written, fields.short('content'), matches)
    }
    case 'ByteLevel':
      return new ByteLevelNormalizer()
    case 'Sequence':
      return new NormalizerSequence(fields.components('normalizers').map(normalizerOf))
    default:
      throw unsupported(`${fields.where} ${fields.type}`)
  }
}
