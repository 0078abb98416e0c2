import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Decoder } from '../pipeline/components.js'
import { BpeDecoder } from './bpe.js'
import { ByteFallback } from './byte-fallback.js'
import { ByteLevelDecoder } from './byte-level.js'
import { CtcDecoder } from './ctc.js'
import { Fuse } from './fuse.js'
import { MetaspaceDecoder } from './metaspace.js'
import { ReplaceRegex, ReplaceString } from './replace.js'
import { DecoderSequence } from './sequence.js'
import { stringReplacer } from './string-replacer.js'
import { StripDecoder } from './strip.js'
import { WordPieceDecoder } from './wordpiece.js'

function decode(decoder: Decoder, forms: readonly string[], fused = false): string {
  const run = decoder.start(fused)
  return [...forms.flatMap((form) => run.push(form)), ...run.end()].join('')
}

const runsOfA = (text: string): number[] => [...text.matchAll(/a+/g)].flatMap((match) => [match.index, match.index + match[0].length])

const decoders: readonly (readonly [string, Decoder])[] = [
  ['BPEDecoder', new BpeDecoder('aa')],
  ['ByteFallback', new ByteFallback()],
  ['ByteLevel', new ByteLevelDecoder(true, true, true)],
  ['CTC', new CtcDecoder('ab', 'b', true)],
  ['Fuse', new Fuse()],
  ['Metaspace', new MetaspaceDecoder('▁', 'always', true)],
  ['Replace', new ReplaceString('aab', 'ba')],
  ['Replace by an expression', new ReplaceRegex('a+', '-', runsOfA)],
  ['Strip', new StripDecoder('a', 2, 1)],
  ['WordPiece', new WordPieceDecoder('##', true)],
]

describe.each(decoders)('%s behind Fuse', (_, decoder) => {
  it('gives of fragments what it gives of the one form', () => {
    const form = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '.', '▁', 'é', "'s", ' n', "'t", '<0x41>', '##'), maxLength: 8 })
    fc.assert(
      fc.property(fc.array(form, { minLength: 1, maxLength: 6 }), (forms) => {
        expect(decode(new DecoderSequence([new Fuse(), decoder]), forms)).toBe(decode(decoder, [forms.join('')]))
      }),
      { numRuns: 300 },
    )
  })
})

describe('decoders', () => {
  it('tell what is certain at once', () => {
    const run = new DecoderSequence([new ReplaceString('▁', ' '), new ByteFallback(), new Fuse(), new StripDecoder(' ', 1, 0)]).start(false)
    expect(['▁Call', '▁me', '<0xC3>', '<0xA9>', '▁I'].map((form) => run.push(form).join(''))).toEqual(['Call', ' me', '', '', 'é I'])
    expect(run.end()).toEqual([])
  })

  it('make U+FFFD of each byte of a run that is not UTF-8', () => {
    expect(decode(new ByteFallback(), ['<0xC3>', '<0xA9>', '<0xff>', 'x', '<0x+A>'])).toBe('\ufffd\ufffd\ufffdx\n')
  })

  it('replace as the whole text would be, wherever it is cut', () => {
    const units = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 })
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(fc.array(units, { maxLength: 5 }), pattern, (fragments, wanted) => {
        const run = stringReplacer(wanted, '-')
        const streamed = [...fragments.flatMap((fragment) => run.push(fragment)), ...run.end()].join('')
        expect(streamed).toBe(fragments.join('').replaceAll(wanted, '-'))
      }),
      { numRuns: 500 },
    )
  })
})
