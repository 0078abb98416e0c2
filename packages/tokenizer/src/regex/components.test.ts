import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inUnits, regexFixtures } from '../__fixtures__/regex.js'
import { trickyText, wellFormed } from '../__fixtures__/text.js'
import { ComponentFields } from '../formats/hf-json/fields.js'
import { readMatches } from '../formats/hf-json/read-matches.js'
import { Replace } from '../normalizers/replace.js'
import { patternNameOf, patternSources, preTokenizer } from '../pretokenizers/create.js'
import { guardedSplit } from '../pretokenizers/guarded-regex.js'
import type { SplitBehavior } from '../pretokenizers/hf/behavior.js'
import { Split } from '../pretokenizers/hf/split.js'
import type { PatternName, PreTokenizer } from '../pretokenizers/pretokenizer.js'
import { regexSplit } from '../pretokenizers/regex.js'
import { IdList } from '../id-list.js'
import { AlignedText } from '../text/aligned.js'
import { Regex } from './regex.js'

const { texts, splitTexts, split, replace } = regexFixtures()
const behaviors: Record<string, SplitBehavior> = {
  removed: 'Removed',
  isolated: 'Isolated',
  merged_with_previous: 'MergedWithPrevious',
  merged_with_next: 'MergedWithNext',
  contiguous: 'Contiguous',
}
const patternOf = (kind: 'String' | 'Regex', source: string) =>
  readMatches(new ComponentFields({ type: 'Split', pattern: { [kind]: source } }, 'pre_tokenizer'))

describe('what files do with expressions', () => {
  it('Split gives the pieces and offsets of Hugging Face tokenizers, for every behaviour', () => {
    expect(split.length).toBeGreaterThan(600)
    for (const [kind, source, behavior, invert, number, offsets] of split) {
      const { written, matches } = patternOf(kind, source)
      const text = splitTexts[number]!
      const pieces = new Split({ pattern: written, behavior: behaviors[behavior]!, invert }, matches).split([
        AlignedText.of(text, { track: true }),
      ])
      const ranges = pieces.flatMap((piece) => Object.values(piece.range(0, piece.length)))
      expect(ranges, `${kind} ${source} ${behavior} ${invert} on ${JSON.stringify(text)}`).toEqual(inUnits(text, offsets))
    }
  })

  it('Replace gives the text of Hugging Face tokenizers', () => {
    expect(replace.length).toBeGreaterThan(60)
    for (const [kind, source, content, number, result] of replace) {
      const { written, matches } = patternOf(kind, source)
      const normalized = new Replace(written, content, matches).normalize(AlignedText.of(texts[number]!, { track: false }))
      expect(normalized.text, `${kind} ${source} on ${JSON.stringify(texts[number])}`).toBe(result)
    }
  })
})

describe('splits by an expression', () => {
  const endsOf = (splitter: PreTokenizer, text: string) => {
    const bytes = new TextEncoder().encode(text)
    const ends = new IdList()
    splitter.split(text, bytes, bytes.length, ends)
    return [...ends.toArray()]
  }

  it.each(Object.entries(patternSources) as [PatternName, string][])(
    '%s scanned by hand is what its expression matches, in both dialects',
    (name, source) => {
      const scanner = preTokenizer(name)
      const guarded = guardedSplit(source)
      const regexes = (['oniguruma', 'fancy'] as const).map((dialect) => new Regex(source, { dialect }))
      fc.assert(
        fc.property(trickyText(), (given) => {
          const text = wellFormed(given)
          const expected = endsOf(scanner, text)
          expect(endsOf(guarded, text)).toEqual(expected)
          for (const regex of regexes) {
            const encoder = new TextEncoder()
            const ends: number[] = []
            regex.forEachMatch(text, (start, end) => end > start && ends.push(encoder.encode(text.slice(0, end)).length))
            expect(ends).toEqual(expected)
          }
        }),
        { numRuns: 300 },
      )
    },
  )

  it('knows the splits as tiktoken writes them, whose meaning in a tokenizer.json is another', () => {
    const tail = String.raw`| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s`
    const source = String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+` + tail
    expect(patternNameOf(source, 'fancy')).toBe('cl100k')
    expect(patternNameOf(source, 'oniguruma')).toBeUndefined()
    const numbers = (dialect: 'fancy' | 'oniguruma') => new Regex(source, { dialect }).matches('12345')
    expect(numbers('fancy')).toEqual([0, 3, 3, 5])
    expect(numbers('oniguruma')).toEqual([0, 5])
    const [guarded, scanner] = [guardedSplit(source), preTokenizer('cl100k')]
    fc.assert(
      fc.property(trickyText(), (given) => {
        expect(endsOf(guarded, wellFormed(given))).toEqual(endsOf(scanner, wellFormed(given)))
      }),
    )
  })

  it('knows scripts and intersections, as the expression of Kimi has them', () => {
    const kimi = String.raw`[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    expect(endsOf(guardedSplit(kimi), "It's 中文abc日本 1234")).toEqual([4, 5, 11, 14, 20, 21, 24, 25])
  })

  it('by a RegExp keep JavaScript’s meaning and end in time; what cannot be bounded runs on the engine', () => {
    const pieces = (pattern: RegExp, text: string) => endsOf(regexSplit(pattern), text)
    expect(regexSplit(/\d+|[^x]$/u).pattern).toEqual({ source: String.raw`[0-9]+|[^x]\z` })
    expect(pieces(/\w+/u, 'aé b')).toEqual([1, 4, 5])
    expect(pieces(/B/iu, 'abc')).toEqual([1, 2, 3])
    expect(pieces(/(.)\1/u, 'aabc')).toEqual([2, 4])
    expect(pieces(new RegExp('[\\p{L}--[a-c]]+', 'v'), 'abcde')).toEqual([3, 5])
    expect(pieces(/(a+)+$/u, `${'a'.repeat(20_000)}b`)).toEqual([20_001])
  })
})
