import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CitationReader, type ReadPart } from './citations.js'
import { passage, terms } from './testing/backend.js'

const passages = [
  passage('moon', 'The Moon orbits Earth every 27.3 days. Its far side was first seen in 1959.'),
  passage('mars', 'Mars has two moons, Phobos and Deimos. A day on Mars lasts 24.6 hours.'),
]

function read(pieces: readonly string[]): ReadPart[] {
  const reader = new CitationReader(() => passages, { terms })
  return [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()]
}
const citationsOf = (parts: readonly ReadPart[]) => parts.flatMap((part) => (part.type === 'citation' ? [part.citation] : []))
const textOf = (parts: readonly ReadPart[]) => parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
const brief = (text: string) => citationsOf(read([text])).map(({ marker, claim, verdict, quoted }) => ({ marker, claim, verdict, quoted }))

describe('CitationReader', () => {
  it('checks each citation at its closing bracket and passes the text on', () => {
    const reader = new CitationReader(() => passages, { terms })
    expect(reader.push('Mars has two moons [')).toEqual([{ type: 'text', text: 'Mars has two moons [' }])
    const parts = reader.push('2]. The Moon')
    expect(parts.map(({ type }) => type)).toEqual(['text', 'citation', 'text'])
    expect(parts[0]).toEqual({ type: 'text', text: '2]' })
    expect(citationsOf(parts)[0]).toMatchObject({ marker: 2, verdict: 'verbatim', claim: 'Mars has two moons', sourceId: 'mars' })
    expect(reader.text).toBe('Mars has two moons [2]. The Moon')
  })

  it('takes the quotation in front of a bracket, or inside it', () => {
    expect(brief('It says "two moons, Phobos and Deimos" [2].')).toEqual([
      { marker: 2, claim: 'two moons, Phobos and Deimos', verdict: 'verbatim', quoted: true },
    ])
    expect(brief('See [1: "first seen in 1959"].')).toEqual([{ marker: 1, claim: 'first seen in 1959', verdict: 'verbatim', quoted: true }])
    expect(brief('“A day. On Mars lasts.” [2]')[0]).toMatchObject({ claim: 'A day. On Mars lasts.', quoted: true })
  })

  it('keeps the claims of several brackets apart, and together where nothing stands between them', () => {
    expect(brief('A day on Mars lasts 24.6 hours [2] while the Moon orbits in 27.3 days [1].')).toMatchObject([
      { marker: 2, claim: 'A day on Mars lasts 24.6 hours', verdict: 'verbatim' },
      { marker: 1, claim: 'while the Moon orbits in 27.3 days', verdict: 'fuzzy' },
    ])
    expect(brief('Mars has two moons. [2][1]')).toMatchObject([
      { marker: 2, claim: 'Mars has two moons.', verdict: 'verbatim' },
      { marker: 1, claim: 'Mars has two moons.', verdict: 'misattributed' },
    ])
    expect(brief('Mars has two moons [1, 2].').map(({ marker }) => marker)).toEqual([1, 2])
    expect(brief('Mars has two moons [1-2].').map(({ marker }) => marker)).toEqual([1, 2])
    expect(brief('Mars has two moons [7].')).toMatchObject([{ marker: 7, verdict: 'misattributed' }])
  })

  it('waits for the sentence when a bracket comes before what it stands behind', () => {
    const reader = new CitationReader(() => passages, { terms })
    expect(citationsOf(reader.push('According to [2], Mars has two'))).toEqual([])
    const late = citationsOf(reader.push(' moons. The Moon'))
    expect(late).toMatchObject([{ marker: 2, verdict: 'fuzzy' }])
    expect(citationsOf(read(['As [1] says, the far side was first seen in 1959']))).toMatchObject([{ marker: 1, sourceId: 'moon' }])
  })

  it('leaves other brackets alone', () => {
    expect(brief('An array[i] and [a link](x) and [2024a] cite nothing.')).toEqual([])
  })

  it('reads the same from any pieces, and its text parts joined are the text', () => {
    const piece = fc.constantFrom(
      'Mars has two moons',
      ' [2]',
      '[1]',
      '. ',
      '"first seen in 1959"',
      ' According to [2], ',
      'the Moon orbits',
      '\n\n',
      ' [1, 2]',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (pieces, sizes) => {
        const text = pieces.join('')
        const cut: string[] = []
        for (let at = 0, i = 0; at < text.length; i++) {
          const size = sizes[i % sizes.length]!
          cut.push(text.slice(at, at + size))
          at += size
        }
        const whole = read([text])
        const parts = read(cut)
        expect(textOf(parts)).toBe(text)
        expect(textOf(whole)).toBe(text)
        expect(citationsOf(parts).map(({ marker }) => marker)).toEqual(citationsOf(whole).map(({ marker }) => marker))
      }),
      { numRuns: 300 },
    )
  })
})
