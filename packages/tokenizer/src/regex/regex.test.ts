import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TokenizerError } from '../errors.js'
import { matchCases, regexFixtures } from '../__fixtures__/regex.js'
import { compileSyntax } from './compile.js'
import type { Dialect } from './dialect.js'
import { forEachMatch } from './matcher.js'
import { allProperties } from './more-properties.js'
import { parseRegex } from './parser.js'
import { Regex } from './regex.js'

const compile = (source: string, dialect: Dialect) =>
  compileSyntax(parseRegex(source, { dialect, properties: allProperties, where: 'The pattern' }), 'The pattern')

/** The texts of all matches. */
const found = (source: string, text: string, dialect: Dialect = 'oniguruma', flags = '') => {
  const result: string[] = []
  new Regex(source, { dialect, flags, properties: allProperties }).forEachMatch(text, (start, end) => result.push(text.slice(start, end)))
  return result
}

describe('Regex', () => {
  const fixtures = regexFixtures()
  for (const engine of ['oniguruma', 'fancy'] as const) {
    // Remembering from the beginning must not change a match; ordinary texts never get that far.
    for (const remembering of [false, true]) {
      it(`matches what the engine of ${engine} does${remembering ? ', with every outcome remembered' : ''}`, () => {
        let cases = 0
        for (const { source, text, expected } of matchCases(fixtures, engine)) {
          const matches: number[] = []
          forEachMatch(compile(source, engine), text, (start, end) => end > start && matches.push(start, end), remembering)
          expect(matches, `${source} on ${JSON.stringify(text)}`).toEqual(expected)
          cases++
        }
        expect(cases).toBeGreaterThanOrEqual(200)
      })
    }
  }

  it('matches what JavaScript does where both read the pattern alike', () => {
    const atom = fc.constantFrom(
      'a',
      'b',
      '.',
      '[ab]',
      '[^a]',
      '\\d',
      '\\s',
      '\\S',
      '\\w',
      '\\W',
      '\\n',
      'é',
      '\\u{1f600}',
      '\\p{L}',
      '[\\da]',
      '^',
      '$',
      '\\b',
      '\\B',
    )
    const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
      pattern: fc.oneof(
        { depthSize: 'small' },
        atom,
        fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => a + b),
        fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `(?:${a}|${b})`),
        // A body that may be empty repeats differently in JavaScript, so each round takes something.
        fc
          .tuple(
            tie('pattern'),
            fc.constantFrom('a', '[^\\n]', '\\s'),
            fc.constantFrom('*', '+', '?', '*?', '+?', '{2}', '{1,3}', '{0,2}?'),
          )
          .map(([a, b, count]) => `(?:${a}${b})${count}`),
        fc.tuple(fc.constantFrom('(?=', '(?!', '(?<=', '(?<!'), tie('pattern')).map(([open, a]) => `${open}${a})`),
      ),
    }))
    const text = fc
      .array(fc.constantFrom('a', 'a', 'b', 'A', '1', ' ', '\n', '\r', '_', 'é', 'ſ', '\ufeff', '\u2028', '😀'), { maxLength: 12 })
      .map((chars) => chars.join(''))
    fc.assert(
      fc.property(pattern, text, fc.constantFrom('', 'i', 'm', 's', 'im'), fc.boolean(), (source, input, flags, remembering) => {
        const expected = [...input.matchAll(new RegExp(source, `gu${flags}`))].map((match) => [match.index, match.index + match[0].length])
        const ours: number[][] = []
        const program = compileSyntax(parseRegex(source, { dialect: 'javascript', flags, properties: allProperties, where: '' }), '')
        forEachMatch(program, input, (start, end) => ours.push([start, end]), remembering)
        // JavaScript's iterator reports an empty match where the last one ended, and V8 finds empty ones inside a surrogate pair.
        const ends = new Set<number>()
        const comparable = expected.filter(([start, end]) => {
          const spurious = start === end && (ends.has(start!) || input.codePointAt(start! - 1)! > 0xffff)
          ends.add(end!)
          return !spurious
        })
        expect(ours).toEqual(comparable)
      }),
      { numRuns: 1500 },
    )
  })

  it('is written for Oniguruma with the same matches, from any dialect', () => {
    for (const engine of ['oniguruma', 'fancy'] as const) {
      for (const { source, text, expected } of matchCases(fixtures, engine)) {
        const written = new Regex(source, { dialect: engine, properties: allProperties }).toOniguruma()
        const again = new Regex(written, { dialect: 'oniguruma' }).matches(text)
        const matches: number[] = []
        for (let i = 0; i < again.length; i += 2) if (again[i + 1]! > again[i]!) matches.push(again[i]!, again[i + 1]!)
        expect(matches, `${source} as ${written} on ${JSON.stringify(text)}`).toEqual(expected)
      }
    }
    const written = new Regex('(?i:s)\\w{1,3}+$', { dialect: 'fancy' }).toOniguruma()
    expect(written.replace(/\[[^\]]{30,}\]/, '[…]')).toBe(String.raw`[Ss\x{17f}](?>[…]{1,3})\z`)
  })

  it('counts lone surrogates as U+FFFD and never divides a pair', () => {
    expect(found('\\x{FFFD}', 'a\ud800b\udc00')).toEqual(['\ud800', '\udc00'])
    expect(found('.', '😀\ude00')).toEqual(['😀', '\ude00'])
    expect(found('', '😀a')).toEqual(['', '', ''])
    expect(found('(?<=.)a', '😀a')).toEqual(['a'])
  })

  it('keeps the dialects apart', () => {
    const cases: [string, string, Record<Dialect, string[]>][] = [
      ['a{1,2}+b', 'aaab', { oniguruma: ['aaab'], fancy: ['aab'], javascript: [] }],
      ['a$', 'a\na', { oniguruma: ['a', 'a'], fancy: ['a'], javascript: ['a'] }],
      ['\\s', '\u0085\ufeff', { oniguruma: ['\u0085'], fancy: ['\u0085'], javascript: ['\ufeff'] }],
      ['\\d+', '1٣', { oniguruma: ['1٣'], fancy: ['1٣'], javascript: ['1'] }],
      ['\\w', '\u200d²', { oniguruma: ['²'], fancy: ['\u200d'], javascript: [] }],
      ['.', '\r', { oniguruma: ['\r'], fancy: ['\r'], javascript: [] }],
    ]
    for (const [source, text, expected] of cases) {
      for (const dialect of ['oniguruma', 'fancy', 'javascript'] as const) {
        if (dialect === 'javascript' && source.includes('}+')) continue
        expect(found(source, text, dialect), `${dialect} ${source}`).toEqual(expected[dialect])
      }
    }
    expect(found('[a--b]', 'ab-', 'fancy')).toEqual(['a'])
    expect(found('[a~~[ab]]', 'ab', 'fancy')).toEqual(['b'])
    expect(found('(?s).', '\n', 'fancy')).toEqual(['\n'])
  })

  it('refuses by name and place what has no guarantee, and what is malformed', () => {
    const refused: [string, RegExp, number | undefined, TokenizerError['code']][] = [
      ['(a)\\1', /backreferences/, 3, 'UNSUPPORTED'],
      ['(?<n>a)\\k<n>', /backreferences/, 7, 'UNSUPPORTED'],
      ['a\\g<0>', /recursion/, 1, 'UNSUPPORTED'],
      ['(?(1)a)', /conditions/, 0, 'UNSUPPORTED'],
      ['(?~ab)', /absence/, 0, 'UNSUPPORTED'],
      ['\\X', /\\X/, 0, 'UNSUPPORTED'],
      ['\\p{Nonsense}', /Nonsense/, 2, 'UNSUPPORTED'],
      ['(?s).', /flag s/, 0, 'UNSUPPORTED'],
      ['\\xe9', /byte/, 0, 'UNSUPPORTED'],
      ['(?<=(?>ab))c', /look-behind/, undefined, 'UNSUPPORTED'],
      ['((((a{100}){100}){100}){100})', /2000 states/, undefined, 'UNSUPPORTED'],
      ['\\p{L}{1,30000}', /2000 states/, undefined, 'UNSUPPORTED'],
      ['(a{1,3}){1,100}b', /499 states from counts.*more than 256/, undefined, 'UNSUPPORTED'],
      [`(?:${'[a-y]?'.repeat(200)})*z`, /128 repetitions/, undefined, 'UNSUPPORTED'],
      [`${'(?:'.repeat(7)}a?${')*'.repeat(7)}`, /may match nothing/, undefined, 'UNSUPPORTED'],
      ['('.repeat(300) + ')'.repeat(300), /nested/, 201, 'UNSUPPORTED'],
      ['(a', /"\)"/, 2, 'VALUE'],
      ['a)', /"\("/, 1, 'VALUE'],
      ['[a', /"]"/, 2, 'VALUE'],
      ['[z-a]', /range/, 2, 'VALUE'],
      ['*a', /repeat/, 0, 'VALUE'],
      ['^*', /repeat/, 1, 'VALUE'],
      ['\\x{110000}', /10FFFF/, 0, 'VALUE'],
      ['a\\', /more/, 2, 'VALUE'],
    ]
    for (const [source, message, position, code] of refused) {
      let error: unknown
      try {
        new Regex(source, { dialect: 'oniguruma', properties: allProperties, where: 'tokenizer.json: pattern' })
      } catch (caught) {
        error = caught
      }
      expect(error, source).toBeInstanceOf(TokenizerError)
      expect(error, source).toMatchObject({ code, message: expect.stringMatching(message) as string })
      expect((error as TokenizerError).position, source).toBe(position)
      expect((error as TokenizerError).message).toMatch(/^tokenizer.json: pattern/)
    }
  })
})
