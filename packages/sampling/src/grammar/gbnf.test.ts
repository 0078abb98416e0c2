import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SamplingError } from '../errors.js'
import { samplerChain } from '../chain.js'
import { bytesOf } from './bytes.js'
import * as grammar from './grammar.js'
import { grammarStep } from './matcher.js'
import { Vocabulary } from './vocabulary.js'

const arithmetic = String.raw`
# left to right, with the usual order
root  ::= sum "\n"
sum   ::= sum ("+" | "-") ws product | product
product ::= product [*/] ws power | power
power ::= atom ("^" ws power)?
atom  ::= [0-9]+ ws | "(" ws sum ")" ws
ws    ::= [ \t]*
`
const json = String.raw`root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws

object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws

array  ::=
  "[" ws (
            value
    ("," ws value)*
  )? "]" ws

string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) # escapes
  )* "\"" ws

number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws

ws ::= | " " | "\n" [ \t]{0,20}
`
const chess = String.raw`
root     ::= "1. " move " " move "\n" ([1-9] [0-9]? ". " move " " move "\n")+
move     ::= (pawn | nonpawn | castle) [+#]?
nonpawn  ::= [NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8]
pawn     ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBKQR])?
castle   ::= "O-O" "-O"?
`
const c = String.raw`
root ::= declaration*
declaration ::= type ws name "(" parameter? ")" "{" statement* "}"
type ::= "int" | "float" | "char"
parameter ::= type ws name
name ::= [a-zA-Z_] [a-zA-Z_0-9]*
statement ::= (type ws name ws "=" ws expression ";") | (name ws "=" ws expression ";") |
  "while" "(" condition ")" "{" statement* "}" | "return" ws expression ";" | block-comment
condition ::= expression ("==" | "<=" | "<") expression
expression ::= expression ws ("+" | "-" | "*") ws expression | "(" expression ")" | name | [0-9]+
block-comment ::= "/*" ([^*] | "*" [^/])* "*/"
ws ::= " "{0,1}
`

const agrees = (source: string, good: readonly string[], bad: readonly string[]): void => {
  const made = grammar.fromGBNF(source)
  expect(good.filter((text) => !made.matches(text))).toEqual([])
  expect(bad.filter((text) => made.matches(text))).toEqual([])
}
const failure = (source: string, root?: string): string => {
  try {
    grammar.fromGBNF(source, root === undefined ? {} : { root })
  } catch (error) {
    expect(error).toBeInstanceOf(SamplingError)
    expect((error as SamplingError).code).toBe('GRAMMAR')
    return (error as Error).message
  }
  throw new Error(`accepted: ${source}`)
}

describe('GBNF', () => {
  it('describes arithmetic, with rules that begin with themselves', () => {
    agrees(
      arithmetic,
      ['1\n', '1+2*3-4\n', '(1 + 2)^3^4 / 5\n', '((1))\n', `${'1+'.repeat(10_000)}1\n`],
      ['1', '1+\n', '+1\n', '(1\n', '1 2\n'],
    )
  })

  it('describes JSON', () => {
    const good = ['{}', '{"a": [1, -2.5e3, true, null, "é\\n\\u00e9😀"]}', '{"a":{"b":{}}}', '{\n  "a":[]}']
    agrees(json, good, ['{', '[]', '{"a"}', '{"a":01}', '{"a":"\n"}', '{"a":1,}', '{}}'])
  })

  it('describes moves of chess, and programs', () => {
    agrees(chess, ['1. e4 e5\n2. Nf3 Nc6\n3. O-O-O+ exd8=Q#\n'], ['1. e4 e5\n', '1. e9 e5\n2. a1 a1\n'])
    agrees(c, ['', 'int f(){return a + (b*2);}', 'int f(int a){while(a<=3){a=a+1;}/* ** */}'], ['int f()', 'int f(){return a+;}'])
  })

  it.each<[string, string, readonly string[], readonly string[]]>([
    ['escapes', String.raw`root ::= "\x41\u00e9\U0001F600\n\r\t\\\"\[\]"`, ['Aé😀\n\r\t\\"[]'], ['A']],
    ['code points, not bytes', String.raw`root ::= "\xe9" [\xe0-\xef]`, ['éî'], ['é']],
    ['sets', String.raw`root ::= [a-cx\]\-] [^a-c\n] [a-] [-a]`, ['a]-a', '-😀a-', ']da-'], ['daa-', 'aaa-', 'a\na-']],
    ['any character', 'root ::= . .', ['a\n', '😀é'], ['a', 'abc']],
    [
      'repetitions',
      'root ::= "a"? "b"* "c"+ "d"{2} "e"{1,} "f"{0,2} "g"{,1}',
      ['cdde', 'abbccddeeffg'],
      ['cde', 'cddefff', 'cddegg', 'dde'],
    ],
    ['counts with spaces, and repetitions of repetitions', 'root ::= "a"{ 1 , 2 } "b"{2}*', ['a', 'aabb', 'abbbb'], ['ab', 'aaa', 'abbb']],
    ['empty ways', 'root ::= "a" ( | "b" |) |', ['', 'a', 'ab'], ['b']],
    [
      'lines within groups and behind |',
      'root ::= (\n "a" # one\n | "b"\n ) |\n\n "c"\n  | "d" # | "e"\n',
      ['a', 'b', 'c', 'd'],
      ['e', 'ac'],
    ],
    ['lines of other systems', 'root ::= x\r\n# nothing\r\nx ::= "a"\r\n', ['a'], ['']],
    ['names with dashes and digits', 'root ::= a-1 a-1\na-1 ::= "x" | a-1 "y"', ['xx', 'xyyxy'], ['x', 'yx']],
    ['what may be empty, repeated', 'root ::= ("a"? "b"?)* "c"', ['c', 'abbac'], ['', 'ca']],
    ['large counts', 'root ::= [ab]{3,1000000000}', ['aba'], ['ab']],
  ])('has %s', (_, source, good, bad) => {
    agrees(source, good, bad)
  })

  it('begins with another rule when told so', () => {
    const made = grammar.fromGBNF('a ::= "x"\nb ::= a a', { root: 'b' })
    expect([made.matches('xx'), made.matches('x')]).toEqual([true, false])
  })

  it.each([
    ['root ::= "a', 'GBNF, line 1, column 10: a text without an end'],
    ['root ::= "a"\n\n  b "c"', 'GBNF, line 3, column 5: expected "::=", found "\\""'],
    ['root ::= ("a"\n| "b"', 'GBNF, line 2, column 6: expected ")" to close the group, found the end of the text'],
    ['root ::= a\nb ::= "x"', 'GBNF, line 1, column 10: the rule a is used and not defined'],
    ['root ::= "a"\nroot ::= "b"', 'GBNF, line 2, column 1: the rule root is defined a second time'],
    ['root ::= "é😀" *+ )', 'GBNF, line 1, column 18: expected something to match, "|", a repetition or the end of the line, found ")"'],
    ['root ::= * "a"', 'GBNF, line 1, column 10: expected something to repeat, found "*"'],
    ['root ::= "a"{3,2}', 'GBNF, line 1, column 10: a repetition from 3 to 2 times'],
    ['root ::= "a"{x}', 'GBNF, line 1, column 14: expected a number, found "x"'],
    ['root ::= "a"{2', 'GBNF, line 1, column 15: expected "," or "}", found the end of the text'],
    ['root ::= "a"{99999999999}', 'GBNF, line 1, column 14: a count of at most 1073741824 is possible, found 99999999999'],
    ['root ::= [z-a]', 'GBNF, line 1, column 11: a range whose end comes before its beginning'],
    ['root ::= [ab', 'GBNF, line 1, column 10: a set of characters without an end'],
    ['root ::= []', 'GBNF, line 1, column 10: a set of no characters; any character is "."'],
    ['root ::= "\\q"', 'GBNF, line 1, column 12: expected one of n r t \\ " [ ] - x u U behind a backslash, found "q"'],
    ['root ::= "\\u12"', 'GBNF, line 1, column 13: expected 4 hexadecimal digits, found "1"'],
    ['root ::= "\\ud800"', 'GBNF, line 1, column 13: U+D800 is no character of Unicode'],
    [
      'root ::= "a" <think>',
      'GBNF, line 1, column 14: tokens of a vocabulary, such as <think> or <[1000]>, are not supported; write their text as a literal',
    ],
    ['root ::= "a" !<[1]>', 'GBNF, line 1, column 14: tokens of a vocabulary'],
    ['start ::= "a"', 'GBNF, line 1, column 1: there is no rule root to begin with'],
    ['root ::= root "a"', 'No text matches the grammar'],
    ['root ::= \nx ::= "a"', 'GBNF, line 2, column 1: the rule x begins within another'],
  ])('says where %j is wrong', (source, message) => {
    expect(failure(source)).toContain(message)
  })

  it('refuses what is too deep, too long, or no text', () => {
    expect(failure(`root ::= ${'('.repeat(100_000)}`)).toContain('groups are nested more than 200 deep')
    expect(failure(`root ::= "${'a'.repeat(1_000_001)}"`)).toContain('at most 1000000 characters, got 1000012')
    expect(failure(undefined as unknown as string)).toContain('a text, got undefined')
  })

  it('reads what is large in no time that is', () => {
    const texts = Array.from({ length: 5000 }, (_, i) => `"value ${i}"`).join(' | ')
    expect(grammar.fromGBNF(`root ::= ${texts}`).matches('value 4711')).toBe(true)
    const rules = Array.from({ length: 5000 }, (_, i) => `r${i} ::= "a"? r${i + 1}`).join('\n')
    expect(grammar.fromGBNF(`root ::= r0\n${rules}\nr5000 ::= "x"`).matches('aaax')).toBe(true)
  })

  it('never fails in another way, whatever is changed in a grammar', () => {
    const pieces = [
      '(',
      ')',
      '[',
      ']',
      '"',
      '|',
      '*',
      '+',
      '?',
      '{',
      '}',
      '::=',
      '\n',
      '\\',
      '^',
      '-',
      'root',
      'ws',
      '#',
      '<',
      '0',
      ',',
      '😀',
      '.',
      ' ',
      '\ud800',
    ]
    const change = fc.record({ at: fc.nat(2000), take: fc.nat(6), put: fc.array(fc.constantFrom(...pieces), { maxLength: 3 }) })
    fc.assert(
      fc.property(fc.constantFrom(arithmetic, json, chess, c), fc.array(change, { minLength: 1, maxLength: 4 }), (source, changes) => {
        let text = source
        for (const { at, take, put } of changes) {
          const from = at % text.length
          text = text.slice(0, from) + put.join('') + text.slice(from + take)
        }
        try {
          grammar.fromGBNF(text).matches('{"a": 1 + 2}')
        } catch (error) {
          expect(error).toBeInstanceOf(SamplingError)
          expect((error as SamplingError).code).toBe('GRAMMAR')
        }
      }),
      { numRuns: 300, seed: 8 },
    )
  })
})

describe('tokens by a grammar in GBNF', () => {
  const end = 256
  const pieces = [
    '{"',
    '":',
    '": ',
    ', "',
    '"}',
    '[1',
    '],',
    ']}',
    '12',
    'true',
    'null',
    ' "é',
    '\n\t',
    '\\u00',
    'ab',
    '+(',
    ')*',
    '1+',
    'e4 ',
    '2. ',
    '"}}',
    ' N',
  ]
  const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))
  const vocabulary = new Vocabulary([...bytes, undefined, ...pieces.map(bytesOf)], { end: [end] })

  it('are those that lead to a text of the language', () => {
    for (const [source, most] of [
      [arithmetic, 60],
      [json, 60],
      [chess, 90],
    ] as const) {
      const made = grammar.fromGBNF(source)
      for (let seed = 0; seed < 6; seed++) {
        const matcher = made.matcher(vocabulary)
        const sampler = samplerChain([grammarStep(matcher)], { seed })
        const written: number[] = []
        const logits = new Float32Array(vocabulary.size)
        for (let i = 0; i < most; i++) {
          const mask = matcher.mask()
          const ids = Array.from({ length: vocabulary.size }, (_, id) => id)
          expect(ids.filter((id) => ((mask[id >> 5]! >>> (id & 31)) & 1) === 1)).toEqual(ids.filter((id) => matcher.allows(id)))
          // The text may end exactly where it is complete.
          const text = new TextDecoder().decode(Uint8Array.from(written))
          expect(matcher.isAccepting).toBe(made.matches(Uint8Array.from(written)))
          if (source === json && matcher.isAccepting) JSON.parse(text)
          logits[end] = i > 30 ? 50 : 0
          const id = sampler.choose(logits)
          sampler.accept(id)
          if (id === end) break
          written.push(...vocabulary.tokens[id]!)
        }
      }
    }
  })
})
