import { BpeDecoder } from '../../decoders/bpe.js'
import { ByteFallback } from '../../decoders/byte-fallback.js'
import { ByteLevelDecoder } from '../../decoders/byte-level.js'
import { CtcDecoder } from '../../decoders/ctc.js'
import { Fuse } from '../../decoders/fuse.js'
import { MetaspaceDecoder } from '../../decoders/metaspace.js'
import { ReplaceRegex, ReplaceString } from '../../decoders/replace.js'
import { DecoderSequence } from '../../decoders/sequence.js'
import { StripDecoder } from '../../decoders/strip.js'
import { WordPieceDecoder } from '../../decoders/wordpiece.js'
import type { Decoder } from '../../pipeline/components.js'
import { ComponentFields } from './fields.js'
import { unsupported } from './json.js'
import { readMatches } from './read-matches.js'
import { readScheme } from './read-pre-tokenizer.js'

/** The `decoder` of a file. */
export function readDecoder(value: unknown): Decoder | undefined {
  return value === undefined || value === null ? undefined : decoderOf(new ComponentFields(value, 'decoder'))
}

function decoderOf(fields: ComponentFields): Decoder {
  switch (fields.type) {
    case 'BPEDecoder':
      return new BpeDecoder(notEmpty(fields, 'suffix'))
    case 'ByteFallback':
      return new ByteFallback()
    case 'ByteLevel':
      return new ByteLevelDecoder(
        fields.boolean('add_prefix_space', true),
        fields.boolean('trim_offsets', true),
        fields.boolean('use_regex', true),
      )
    case 'CTC':
      return new CtcDecoder(notEmpty(fields, 'pad_token'), notEmpty(fields, 'word_delimiter_token'), fields.boolean('cleanup'))
    case 'Fuse':
      return new Fuse()
    case 'Metaspace':
      return new MetaspaceDecoder(fields.character('replacement'), readScheme(fields), fields.has('split') ? fields.boolean('split') : true)
    case 'Replace': {
      const { written, matches } = readMatches(fields)
      const content = fields.short('content')
      return 'String' in written ? new ReplaceString(written.String, content) : new ReplaceRegex(written.Regex, content, matches)
    }
    case 'Sequence':
      return new DecoderSequence(fields.components('decoders').map(decoderOf))
    case 'Strip':
      return new StripDecoder(fields.character('content'), fields.natural('start'), fields.natural('stop'))
    case 'WordPiece':
      return new WordPieceDecoder(fields.text('prefix'), fields.boolean('cleanup'))
    default:
      throw unsupported(`${fields.where} ${fields.type}`)
  }
}

/** Hugging Face's would put something between all characters for an empty one, which no file means. */
function notEmpty(fields: ComponentFields, name: string): string {
  const text = fields.text(name)
  if (text === '') throw unsupported(`${fields.where}.${name} that is empty`)
  return text
}
