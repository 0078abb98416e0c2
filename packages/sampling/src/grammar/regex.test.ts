import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../__fixtures__/helpers.js'
import { bytesOf } from './bytes.js'
import { DEAD, Machine } from './machine.js'
import { Nodes } from './nodes.js'
import { regexNode } from './regex.js'

function machineOf(source: string): Machine {
  const nodes = new Nodes()
  return new Machine(nodes, regexNode(nodes, source))
}

function matches(machine: Machine, text: string): boolean {
  let config = machine.start
  for (const byte of bytesOf(text)) {
    config = machine.step(config, byte)
    if (config === DEAD) return false
  }
  return machine.accepts(config)
}

const texts = [
  '',
  'a',
  'b',
  'ab',
  'ba',
  'aab',
  'abab',
  'a1',
  '1a',
  ' a',
  'é',
  'aé',
  '😀',
  'a😀b',
  '\n',
  'a\nb',
  'A_9',
  '-',
  '2024-01-31',
  'aaaaab',
]

describe('regular expressions', () => {
  it.each([
    'a',
    '^a$',
    '^a',
    'a$',
    'a|b',
    '^(a|b)+$',
    '^a*b?$',
    'a{2}',
    '^a{2,}$',
    '^(?:a{1,3}b)*$',
    '.',
    '^.$',
    '^..$',
    '[ab]',
    '^[^ab]$',
    '[^\\w]',
    '\\d',
    '^\\d{4}-\\d\\d-\\d{2}$',
    '\\s',
    '\\S\\s',
    '^\\u0061',
    '\\x61',
    '\\u{1F600}',
    '^\\p{L}+$',
    '\\P{L}',
    '^[\\p{Lu}_]',
    '^(?=.*b)a',
    '^(?!.*b)',
    '(?=ab)a',
    '^(?=a)(?=.*\\d$)',
    '^(^a|b)$',
    '(a|^b)',
    'a(b$|1)',
    '^$',
    '',
    '()',
    '(a|)',
    '^(|a)$',
    '^[a-cx-z1]+$',
    '^[-a]+$',
    '^[a\\-]+$',
    '\\.',
    '\\/',
    '^(a+|b+){2}$',
    '(?<name>a)b',
    'a+?b',
    '^(a?){3}$',
    '^(a*)*$',
    '^((a|b)*1?)*$',
    '\\cJ',
    '[\\b]',
    '^a(?!b)',
    'a(?=b)b',
  ])('%s is what JavaScript makes of it', (source) => {
    const [machine, regex] = [machineOf(source), new RegExp(source, 'u')]
    for (const text of texts)
      expect(`${JSON.stringify(text)} ${matches(machine, text)}`).toBe(`${JSON.stringify(text)} ${regex.test(text)}`)
  })

  it('any expressions are', () => {
    const atom = fc.constantFrom('a', 'b', 'c', '.', '[ab]', '[^a]', '\\w', 'é')
    const { tree } = fc.letrec<{ tree: string }>((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        atom,
        fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => a + b),
        fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => `(?:${a}|${b})`),
        fc.tuple(tie('tree'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,2}', '{2,}')).map(([a, q]) => `(?:${a})${q}`),
      ),
    }))
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'é', '\n'), maxLength: 9 })
    const anchored = fc
      .tuple(fc.constantFrom('', '^', '^(?=.*b)', '^(?!.*c)'), tree, fc.constantFrom('', '$'))
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(anchored, fc.array(text, { minLength: 5, maxLength: 20 }), (source, list) => {
        const regex = new RegExp(source, 'u')
        // Where what is ahead forbids what comes there is no text, which is refused.
        const isNone = codeOf(() => machineOf(source)) === 'GRAMMAR'
        const machine = isNone ? undefined : machineOf(source)
        for (const one of list)
          expect(machine !== undefined && matches(machine, one), `${source} on ${JSON.stringify(one)}`).toBe(regex.test(one))
      }),
      { numRuns: 400 },
    )
  })

  it('characters are whole: no byte leads into what is no UTF-8', () => {
    const machine = machineOf('^.{3}$')
    for (const bytes of [[0x80], [0xc0], [0xc1], [0xf5], [0xed, 0xa0], [0xe0, 0x80], [0xf4, 0x90], [0xf0, 0x80], [0xc3, 0x28]]) {
      let config = machine.start
      for (const byte of bytes) config = machine.step(config, byte)
      expect(config).toBe(DEAD)
    }
  })

  it('counts are counted, however large', () => {
    const machine = machineOf('^(?:ab){2,100000}$')
    expect(matches(machine, 'ab'.repeat(100_000))).toBe(true)
    expect(matches(machine, 'ab'.repeat(100_001))).toBe(false)
    expect(matches(machine, 'ab')).toBe(false)
    // What takes exponential time by going back does not here.
    expect(matches(machineOf('^(a+)+$'), `${'a'.repeat(5000)}b`)).toBe(false)
    expect(matches(machineOf('^(a|a|aa)*$'), 'a'.repeat(5000))).toBe(true)
  })

  it('ways that lead nowhere are not gone', () => {
    // An a, and then something that must be both b and c.
    const machine = machineOf('^(?:a(?=b)c|d)$')
    expect(machine.step(machine.start, 0x61)).toBe(DEAD)
    expect(machine.forced(machine.start)).toBe(0x64)
    expect(codeOf(() => machineOf('^a(?=b)c$'))).toBe('GRAMMAR')
  })

  it.each([
    '(',
    ')',
    'a**',
    '*',
    '[a',
    '[b-a]',
    '\\',
    'a{2,1}',
    '(?<a',
    '(?a)',
    '\\u{110000}',
    '\\u12',
    '\\xq',
    '\\p{Nothing}',
    '\\p',
    'a(?<=b)',
    '(?<!a)',
    '\\bword',
    '(a)\\1',
    '\\k<a>',
    '(?:^a)*',
    '(a?)^b',
    'a{1073741825}',
    '[\\d-z]|[a-\\d]',
  ])('%s is refused', (source) => {
    expect(codeOf(() => machineOf(source))).toBe('GRAMMAR')
  })
})
