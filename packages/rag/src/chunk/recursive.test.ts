import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Document } from '../document.js'
import { passageText } from './passage.js'
import { recursive, type RecursiveOptions } from './recursive.js'
import { estimateTokenCount } from './tokens.js'

/** Tokenizers with every habit: of words with the space before them, of bytes, of characters in pairs, and one that merges runs. */
const tokenizers: Record<string, (text: string) => number> = {
  estimate: estimateTokenCount,
  words: (text) => (text.match(/\s?[\p{L}\p{N}]+|\s|[^\s\p{L}\p{N}]/gu) ?? []).length,
  bytes: (text) => new TextEncoder().encode(text).length,
  pairs: (text) => Math.ceil(text.length / 2),
  runs: (text) => (text.match(/(.)\1*/gsu) ?? []).length,
}

const sentence = fc
  .array(
    fc.constantFrom(
      'wing',
      'lift',
      'a',
      'Mr.',
      'e.g.',
      'flow,',
      'boundary-layer',
      '你好世界',
      '🙂👍🏽',
      'é́',
      '1,234.5',
      'supercalifragilistic',
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((words) => `${words.join(' ')}. `)
const part = fc.oneof(
  { weight: 6, arbitrary: sentence },
  { weight: 2, arbitrary: fc.constantFrom('\n\n', '\n', ' \n \n', '\t', '    ', '# Heading\n', '## Lower\n\n') },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 300 }) },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(400), ' '.repeat(500), '漢字'.repeat(150), '🙂'.repeat(90)) },
)

/** Headings where lines begin with #, as a loader would find them. */
function documentOf(text: string, title: string | undefined): Document {
  const headings = [...text.matchAll(/^(#+) (.*)$/gm)].map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
    depth: match[1]!.length,
    text: match[2]!,
  }))
  return { id: 'doc', text, structure: { headings, blocks: [] }, ...(title === undefined ? {} : { title }) }
}

describe('recursive', () => {
  const cases = fc.record({
    text: fc.array(part, { maxLength: 40 }).map((parts) => parts.join('')),
    title: fc.constantFrom(undefined, 'Title', 'A very long title that will not fit into a small budget whatever one does about it'),
    name: fc.constantFrom(...Object.keys(tokenizers)),
    maxTokens: fc.integer({ min: 16, max: 80 }),
    share: fc.double({ min: 0, max: 0.49, noNaN: true }),
    structured: fc.boolean(),
  })

  it('keeps the limit, exact spans, every character, order and overlap, for any text and tokenizer', () => {
    fc.assert(
      fc.property(cases, ({ text, title, name, maxTokens, share, structured }) => {
        const count = tokenizers[name]!
        const overlap = Math.floor(maxTokens * share)
        const document = structured ? documentOf(text, title) : { id: 'doc', text }
        const pieces = recursive({ tokenizer: { count }, maxTokens, overlap }).chunk(document)
        const covered = new Uint8Array(text.length)
        let last: (typeof pieces)[number] | undefined
        for (const piece of pieces) {
          expect(piece.text).toBe(text.slice(piece.start, piece.end))
          expect(piece.tokens).toBe(count(passageText(piece)))
          expect(piece.tokens).toBeLessThanOrEqual(maxTokens)
          expect(piece.text.trim()).not.toBe('')
          covered.fill(1, piece.start, piece.end)
          if (last !== undefined) {
            expect(piece.start).toBeGreaterThan(last.start)
            expect(piece.end).toBeGreaterThan(last.end)
            if (piece.start < last.end) expect(count(text.slice(piece.start, last.end))).toBeLessThanOrEqual(overlap)
            else if (name === 'pairs' && overlap >= 8 && !structured && piece.start === last.end)
              expect(text.slice(last.end - 16, last.end).trim()).toBe('') // nothing there to repeat
          }
          last = piece
        }
        for (let i = 0; i < text.length; i++) if (covered[i] === 0) expect(text[i]!.trim()).toBe('')
      }),
      { numRuns: 300 },
    )
  })

  const chunk = (text: string, options: RecursiveOptions) =>
    recursive({ tokenizer: { count: tokenizers.words! }, ...options }).chunk({ id: 'd', text })

  it('repeats the end of each chunk, whole sentences first', () => {
    const text = Array.from({ length: 30 }, (_, i) => `Sentence number ${i} ends here. `).join('')
    const pieces = chunk(text, { maxTokens: 40, overlap: 12 })
    expect(pieces.length).toBeGreaterThan(4)
    for (const [i, piece] of pieces.entries()) {
      if (i === 0) continue
      const repeated = text.slice(piece.start, pieces[i - 1]!.end)
      expect(repeated).toMatch(/^Sentence number \d+ ends here\. (Sentence number \d+ ends here\. )?$/)
    }
  })

  it('repeats words where a sentence is too long to repeat, and characters where there are no words', () => {
    const words = chunk('word '.repeat(200), { maxTokens: 40, overlap: 8 })
    for (const [i, piece] of words.entries()) if (i > 0) expect(words[i - 1]!.end - piece.start).toBeGreaterThanOrEqual(15)
    const characters = recursive({ tokenizer: { count: tokenizers.bytes! }, maxTokens: 30, overlap: 10 }).chunk({
      id: 'd',
      text: '漢'.repeat(60),
    })
    for (const [i, piece] of characters.entries()) if (i > 0) expect(characters[i - 1]!.end - piece.start).toBe(3)
  })

  it('prefers paragraphs to sentences and sentences to words', () => {
    const paragraph = 'One two three four. Five six seven eight. '
    expect(chunk(`${paragraph.trim()}\n\n`.repeat(4), { maxTokens: 20, overlap: 0 }).map(({ text }) => text)).toEqual(
      Array.from({ length: 4 }, () => `${paragraph.trim()}\n\n`),
    )
    expect(chunk(paragraph.repeat(4), { maxTokens: 16, overlap: 0 }).every(({ text }) => /^(One|Five) /.test(text))).toBe(true)
  })

  it('puts title and headings above each chunk, inside the budget, the innermost where not all fit', () => {
    const text = 'Intro here.\n# One\nBody of one.\n## Empty\n## Two\nBody of two.\n# Three\nBody of three.'
    const paths = (options: RecursiveOptions) =>
      recursive({ maxTokens: 40, ...options })
        .chunk(documentOf(text, 'Title'))
        .map(({ headings }) => headings.join('/'))
    expect(paths({})).toEqual(['Title', 'Title/One', 'Title/One/Two', 'Title/Three'])
    expect(paths({ header: 'headings' })).toEqual(['', 'One', 'One/Two', 'Three'])
    expect(paths({ header: 'none' })).toEqual(['', '', '', ''])
    const deep = { ...documentOf(text, 'A title of many many words that has no room at all'), id: 'x' }
    expect(recursive({ maxTokens: 16 }).chunk(deep)[1]!.headings).toEqual(['One'])
  })

  it('gives nothing for nothing, and one chunk for what fits', () => {
    expect(chunk('', {})).toEqual([])
    expect(chunk(' \n\t ', {})).toEqual([])
    expect(chunk('  Short. ', {}).map(({ text }) => text)).toEqual(['  Short. '])
  })

  it('counts tokens in proportion to the text, without a single line break', () => {
    const counted = (length: number): number => {
      let units = 0
      const count = (part: string): number => {
        units += part.length
        return tokenizers.bytes!(part)
      }
      const text = 'The flow over a slender wing, e.g. at Mach 2.5, separates early. '.repeat(length)
      const pieces = recursive({ tokenizer: { count } }).chunk({ id: 'd', text })
      expect(pieces.at(-1)!.end).toBe(text.length)
      return units
    }
    expect(counted(4000)).toBeLessThan(4.4 * counted(1000))
  })

  it('has an id for everything that chunks depend on', () => {
    const ids = [{}, { maxTokens: 128 }, { overlap: 1 }, { header: 'none' as const }, { tokenizer: { count: tokenizers.bytes! } }].map(
      (options) => recursive(options).id,
    )
    expect(new Set(ids).size).toBe(5)
  })

  it('refuses options out of range, and characters that no chunk can hold', () => {
    for (const options of [
      { maxTokens: 8 },
      { overlap: 128 },
      { overlap: -1 },
      { header: 'x' as 'none' },
      { tokenizer: {} as { count(text: string): number } },
    ])
      expect(() => recursive(options)).toThrow(expect.objectContaining({ code: 'OPTION' }))
    expect(() => recursive({ tokenizer: { count: (text) => text.length * 20 }, maxTokens: 16 }).chunk({ id: 'd', text: 'x' })).toThrow(
      /alone has 20 tokens/,
    )
  })
})
