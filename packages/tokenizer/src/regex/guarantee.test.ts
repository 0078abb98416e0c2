import { describe, expect, it } from 'vitest'
import { compileSyntax } from './compile.js'
import type { Dialect } from './dialect.js'
import { Matcher } from './matcher.js'
import { allProperties } from './more-properties.js'
import { parseRegex } from './parser.js'

/** Steps of a whole scan, the matches, and how many instructions the program has. */
function work(source: string, text: string, dialect: Dialect = 'oniguruma') {
  const program = compileSyntax(parseRegex(source, { dialect, properties: allProperties, where: '' }), '')
  const matcher = new Matcher(program, text)
  let matches = 0
  for (let from = 0; matcher.find(from); matches++) from = Math.max(matcher.end, matcher.start + 1)
  return { steps: matcher.steps, matches, states: program.ops.length }
}

/** Patterns that take exponential or quadratic time on backtracking engines, with a text of each length. */
const bombs: [string, (n: number) => string][] = [
  ['(a+)+$', (n) => `${'a'.repeat(n)}b`],
  ['(a|a)*b', (n) => 'a'.repeat(n)],
  ['(a|aa)+b', (n) => 'a'.repeat(n)],
  ['(.*)*x', (n) => 'a'.repeat(n)],
  ['(a*)*b', (n) => 'a'.repeat(n)],
  ['(?:(?:a?)*)*b', (n) => 'a'.repeat(n)],
  ['\\s+$', (n) => `${' '.repeat(n)}x`],
  ['\\s*[\\r\\n]+', (n) => ' '.repeat(n)],
  ['(?=.*x)a', (n) => 'a'.repeat(n)],
  ['(?=.*x)a', (n) => `${'a'.repeat(n)}x`],
  ['(?!.*x)a', (n) => `${'a'.repeat(n)}x`],
  ['(?=(?:a|b)*x)a', (n) => `${'ab'.repeat(n / 2)}x`],
  ['(?<=(?:a|aa)+)c', (n) => 'a'.repeat(n)],
  ['(?<=b.*)a', (n) => `b${'a'.repeat(n)}`],
  ['(?<!b.*)a', (n) => `b${'a'.repeat(n)}`],
  ['(?>a+)b', (n) => 'a'.repeat(n)],
  ['(?>(?:a|b)+)c', (n) => 'ab'.repeat(n / 2)],
  ['(?>(?:a|b)+?c?)d', (n) => 'ab'.repeat(n / 2)],
  ['a++b', (n) => 'a'.repeat(n)],
  ['(?:a++|b)*+c', (n) => 'aab'.repeat(n / 3)],
  ['(?:ab)*c', (n) => 'ab'.repeat(n / 2)],
  ['(?:ab?)*?c', (n) => 'ab'.repeat(n / 2)],
  ['(x+x+)+y', (n) => 'x'.repeat(n)],
  ['(.*?,){3}P', (n) => '1,'.repeat(n / 2)],
  ['((a{1,3}){1,3}){1,3}b', (n) => 'a'.repeat(n)],
  ['(?:a+b)*c', (n) => `${'a'.repeat(n / 2)}b${'a'.repeat(n / 2)}`],
  ['[ab]+[bc]+d', (n) => 'b'.repeat(n)],
  ['(?:[ab]+[bc]+)+d', (n) => 'b'.repeat(n)],
  ['(?=(?>a+)b)a', (n) => 'a'.repeat(n)],
  ['(?:(?=a*b)a)*c', (n) => `${'a'.repeat(n)}b`],
  ['😀*x', (n) => '😀'.repeat(n / 2)],
]

describe('time and memory of a scan', () => {
  it.each(bombs)('grows with the length of the text: %s', (source, textOf) => {
    const few = work(source, textOf(3_000))
    const many = work(source, textOf(12_000))
    // Four times the text is four times the work, but for what may be done before outcomes are remembered.
    expect(many.steps).toBeLessThan(4.4 * few.steps + 100_000)
    expect(many.steps).toBeLessThan((70 + 12 * many.states) * 12_000)
  })

  it('holds for random patterns on text that repeats', () => {
    // Mulberry32.
    let state = 7
    const random = (below: number) => {
      state = (state + 0x6d2b79f5) | 0
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
      return ((mixed ^ (mixed >>> 14)) >>> 0) % below
    }
    const pick = (from: readonly string[]) => from[random(from.length)]!
    const draw = (depth: number): string => {
      const kind = depth === 0 ? 0 : random(8)
      if (kind < 2) return pick(['a', 'b', '.', '[ab]', '[^b]', 'aa'])
      if (kind === 2) return draw(depth - 1) + draw(depth - 1)
      if (kind === 3) return `(?:${draw(depth - 1)}|${draw(depth - 1)})`
      if (kind < 6) return `(?:${draw(depth - 1)})${pick(['*', '+', '?', '*?', '+?', '{2,3}', '*+', '++'])}`
      if (kind === 6) return `${pick(['(?=', '(?!', '(?>'])}${draw(depth - 1)})`
      return `${pick(['(?<=', '(?<!'])}${pick(['a', 'b', '[ab]+', '(?:a|ab)', 'b.*'])})`
    }
    for (let i = 0; i < 250; i++) {
      const source = draw(4) + pick(['c', '$', '', '\\z'])
      const text = pick(['a', 'ab', 'aab', 'b']).repeat(3_000).slice(0, 3_000)
      const { steps, states } = work(source, text)
      expect(steps, source).toBeLessThan((70 + 12 * states) * 3_000)
    }
  })

  it('ends on a million characters', () => {
    expect(work('(a+)+$', `${'a'.repeat(1_000_000)}b`).matches).toBe(0)
    expect(work('\\s+(?!\\S)|\\s+', ' '.repeat(1_000_000)).matches).toBe(1)
  })
})
