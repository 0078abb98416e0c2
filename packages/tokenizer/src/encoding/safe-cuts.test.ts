import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { trickyText, wellFormed } from '../__fixtures__/text.js'
import { IdList } from '../id-list.js'
import { knownSplit, patternSources } from '../pretokenizers/create.js'
import type { PatternName } from '../pretokenizers/pretokenizer.js'
import { isSafeCut } from './safe-cuts.js'

function piecesOf(name: PatternName, text: string): string[] {
  const bytes = new TextEncoder().encode(text)
  const ends = new IdList()
  // Scanners may read a few bytes behind the last.
  const padded = new Uint8Array(bytes.length + 8)
  padded.set(bytes)
  knownSplit(name).split(text, padded, bytes.length, ends)
  return Array.from(ends.toArray(), (end, i) => new TextDecoder().decode(bytes.subarray(i === 0 ? 0 : ends.ids[i - 1], end)))
}

const text = fc
  .array(
    fc.oneof(
      trickyText(3),
      fc.constantFrom(
        'a',
        'B',
        '日本',
        'é',
        ' ',
        '\n',
        '!',
        '/',
        "'",
        "'s",
        '1',
        '{',
        '}',
        '。',
        '\t',
        '\r',
        'a\u0301',
        '\u0301',
        '\u00a0',
        'ʰ',
        'ǅ',
      ),
    ),
    { maxLength: 12 },
  )
  .map((parts) => wellFormed(parts.join('')))

describe.each(Object.keys(patternSources) as PatternName[])('safe cuts of %s', (name) => {
  it('leave the pieces as they are', () => {
    let cuts = 0
    fc.assert(
      fc.property(text, (whole) => {
        const pieces = piecesOf(name, whole)
        for (let at = 1; at < whole.length; at++) {
          if (!isSafeCut(whole, at)) continue
          cuts++
          expect([...piecesOf(name, whole.slice(0, at)), ...piecesOf(name, whole.slice(at))], JSON.stringify(whole)).toEqual(pieces)
        }
      }),
      { numRuns: 1500 },
    )
    expect(cuts).toBeGreaterThan(1000)
  })
})
