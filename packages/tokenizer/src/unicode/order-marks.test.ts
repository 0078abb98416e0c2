import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { changesPlaces, orderMarks } from './order-marks.js'

describe('marks in canonical order', () => {
  it('leave every form of a text as it is', () => {
    const char = fc.constantFrom(
      'e',
      'é',
      '\u0301',
      '\u0323',
      '\u0344',
      '\u0345',
      '\u0334',
      '\u302e',
      '\u{1d165}',
      '\u0e38',
      '\u05b0',
      '한',
      '\u0f73',
    )
    fc.assert(
      fc.property(fc.array(char, { maxLength: 12 }), fc.nat(60), (some, times) => {
        const text = `a${some.join('').repeat(times)}b${some.join('')}`
        const ordered = orderMarks(text)
        for (const form of ['NFC', 'NFD', 'NFKC', 'NFKD']) expect(ordered.normalize(form)).toBe(text.normalize(form))
      }),
      { numRuns: 300 },
    )
  })

  it('are the same where few stand in a row', () => {
    expect(orderMarks('a\u0301\u0323b')).toBe('a\u0301\u0323b')
    const run = '\u0301\u0323'.repeat(30)
    expect(orderMarks(`a${run}b`)).toBe(`a${'\u0323'.repeat(30)}${'\u0301'.repeat(30)}b`)
  })

  it('are ordered in a run of any length', () => {
    const half = 150_000
    expect(orderMarks(`e${'\u0301\u0323'.repeat(half)}`) === `e${'\u0323'.repeat(half)}${'\u0301'.repeat(half)}`).toBe(true)
  })

  it('are told from characters that stand', () => {
    expect(['\u0301', '\u0334', '\u0345', '\u0344', '\u302e'].map(changesPlaces)).toEqual([true, true, true, true, true])
    expect(['a', 'é', '한', '\u200d', '\u0903', 'ﬁ'].map(changesPlaces)).toEqual([false, false, false, false, false, false])
  })
})
