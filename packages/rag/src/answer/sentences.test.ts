import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sentencesOf } from './sentences.js'

const split = (text: string) => sentencesOf(text).map(({ start, end }) => text.slice(start, end))

describe('sentencesOf', () => {
  it('ends sentences at stops, not at abbreviations, initials and decimals', () => {
    expect(split('Dr. Smith paid $3.50 to J. R. Ewing, e.g. in cash. He left! Did he? "Yes." Then night fell.')).toEqual([
      'Dr. Smith paid $3.50 to J. R. Ewing, e.g. in cash.',
      'He left!',
      'Did he?',
      '"Yes."',
      'Then night fell.',
    ])
    expect(split('He moved to the U.S. in 1990. The year after, he left…')).toEqual([
      'He moved to the U.S. in 1990.',
      'The year after, he left…',
    ])
  })

  it('ends them at headings, items, rows and blank lines, and joins wrapped lines', () => {
    expect(
      split('# Title here\nOne line\nwrapped.\n\n- first item\n- second item\n1. third\n| a | b |\n```\ncode. More code.\n```\nEnd'),
    ).toEqual(['Title here', 'One line\nwrapped.', 'first item', 'second item', 'third', 'a | b |', 'End'])
  })

  it('knows the stops of Chinese and Japanese', () => {
    expect(split('月は地球の衛星です。火星には二つあります。')).toEqual(['月は地球の衛星です。', '火星には二つあります。'])
  })

  it('gives spans in order that do not overlap, without white space at their ends, of any text', () => {
    const text = fc.array(fc.constantFrom('a', 'Word', '.', '. ', '\n', '\n\n', '# ', '- ', '```', '"', '1. ', '…', '。', '\t', '😀'), {
      maxLength: 40,
    })
    fc.assert(
      fc.property(text, (pieces) => {
        const whole = pieces.join('')
        let last = 0
        for (const { start, end } of sentencesOf(whole)) {
          expect(start).toBeGreaterThanOrEqual(last)
          expect(end).toBeGreaterThan(start)
          expect(whole.slice(start, end).trim()).toBe(whole.slice(start, end))
          last = end
        }
      }),
    )
  })
})
