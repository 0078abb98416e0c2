import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkCitation, findVerbatim } from './check.js'
import { passage, terms } from './testing/backend.js'

const whale = passage(
  'whale',
  'The sperm whale dives to 2,250 metres. It does not migrate every year – some males stay near the “ice edge”.',
  { start: 100 },
)
const fish = passage('fish', 'Herring swim in schools of up to four billion fish.', { start: 7 })
const passages = [whale, fish]
const check = (marker: number, text: string, quoted = true) => checkCitation(marker, { text, quoted }, passages, { terms })

describe('checkCitation', () => {
  it('finds a quotation word by word, typography aside, and says where in the source', () => {
    const found = check(1, 'some males stay near the "ice edge"')
    expect(found).toMatchObject({ verdict: 'verbatim', chunkId: 'chunk-whale', sourceId: 'whale', similarity: 1 })
    expect(found.quote).toBe('some males stay near the “ice edge')
    expect(whale.text.slice(found.span!.start - 100, found.span!.end - 100)).toBe(found.quote)
    expect(check(1, 'every year - some males').verdict).toBe('verbatim')
    expect(check(1, 'The sperm whale … some males stay').verdict).toBe('verbatim')
    expect(check(1, 'some males … The sperm whale').verdict).not.toBe('verbatim')
  })

  it('does not take a part of a word for the word', () => {
    expect(findVerbatim('whale dive', whale.text)).toBeUndefined()
    expect(findVerbatim('perm whale', whale.text)).toBeUndefined()
  })

  it('calls a near copy fuzzy, unless it brings in a number or turns the sentence around', () => {
    expect(check(1, 'the sperm whale dives down to 2250 metres')).toMatchObject({ verdict: 'fuzzy', sourceId: 'whale' })
    expect(check(1, 'The sperm whale dives to 2,520 metres').verdict).toBe('missing')
    expect(check(1, 'It does migrate every year').verdict).toBe('missing')
    expect(check(2, 'Herring do not swim in schools of up to four billion fish').verdict).toBe('missing')
  })

  it('tells where the words stand that were attributed to another source', () => {
    expect(check(1, 'Herring swim in schools')).toMatchObject({
      verdict: 'misattributed',
      marker: 1,
      chunkId: 'chunk-fish',
      span: { start: 7, end: 30 },
    })
    expect(check(9, 'Herring swim in schools')).toMatchObject({ verdict: 'misattributed', sourceId: 'fish' })
  })

  it('says that words stand nowhere', () => {
    expect(check(2, 'Cod live for decades')).toEqual({
      marker: 2,
      chunkId: 'chunk-fish',
      sourceId: 'fish',
      span: null,
      quote: 'Cod live for decades',
      claim: 'Cod live for decades',
      quoted: true,
      verdict: 'missing',
      similarity: 0,
    })
    expect(check(9, 'Cod live for decades')).toMatchObject({ verdict: 'missing', chunkId: null, sourceId: null })
  })

  it('checks a paraphrase by its terms and numbers', () => {
    expect(check(1, 'Sperm whales can dive 2250 metres deep', false)).toMatchObject({ verdict: 'fuzzy', sourceId: 'whale' })
    expect(check(1, 'Sperm whales can dive 3000 metres deep', false).verdict).toBe('missing')
    expect(check(1, 'Schools of herring have four billion fish', false).verdict).toBe('misattributed')
    expect(check(1, 'Whales sing songs of love', false).verdict).toBe('missing')
  })

  it('finds every stretch of whole words of a source in it, and nothing outside it', () => {
    const word = fc.stringMatching(/^[a-zäé]{1,7}$/)
    fc.assert(
      fc.property(fc.array(word, { minLength: 6, maxLength: 40 }), fc.nat(), fc.nat(), (words, a, b) => {
        const from = a % words.length
        const to = from + 1 + (b % (words.length - from))
        const text = words.join(' ')
        const quote = words.slice(from, to).join(' ')
        const found = findVerbatim(quote, text)
        expect(found).toBeDefined()
        expect(text.slice(found!.start, found!.end)).toBe(quote)
        expect(findVerbatim(`${quote} 7`, text)).toBeUndefined()
      }),
    )
  })
})
