import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { samplerChain } from './chain.js'
import { SamplingError } from './errors.js'
import { bytesOf } from './grammar/bytes.js'
import { grammarStep } from './grammar/matcher.js'
import { Vocabulary } from './grammar/vocabulary.js'
import { fromLark, type LarkOptions } from './lark.js'

const sums = String.raw`
// the usual order, from left to right
?start: sum
?sum: product
    | sum "+" product   -> add
    | sum "-" product   -> subtract
?product: atom
    | product "*" atom  -> multiply
    | product "/" atom  -> divide
?atom: NUMBER           -> number
     | "-" atom         -> negative
     | NAME             -> variable
     | "(" sum ")"

%import common.CNAME -> NAME
%import common.NUMBER
%import common.WS_INLINE
%ignore WS_INLINE
`
const json = String.raw`
?start: value
?value: object | array | string
      | SIGNED_NUMBER -> number
      | "true" -> true
      | "false" -> false
      | "null" -> null
array  : "[" [value ("," value)*] "]"
object : "{" [pair ("," pair)*] "}"
pair   : string ":" value
string : ESCAPED_STRING
%import common (ESCAPED_STRING, SIGNED_NUMBER, WS)
%ignore WS
`
const program = String.raw`
start: statement*
!statement.2: "let"i NAME ["=" expression] ";" | "{" statement* "}" | /print [ ]/x? expression ";"
expression: expression /[-+]/ expression | NAME | /[0-9]+(?!x)[a-z]/
NAME: /[^\W\d]\w*/
%ignore /\s+/
`
const settings = String.raw`
start: _NEWLINE* section+
section: "[" NAME "]" _NEWLINE _list{setting, _NEWLINE}
setting: NAME "=" _separated{value, ","}
value: NAME | HEX | "on"i
_separated{item, sign}: item (sign item)*
_list{item, end}: (item end)+
NAME.3: /[a-z_][a-z0-9_]*/i
HEX: "0x" HEXDIGIT~1..4
_NEWLINE: NEWLINE
COMMENT: /#[^\n]*/
%import common (NEWLINE, HEXDIGIT)
%ignore COMMENT
%ignore " "
`

const agrees = (source: string, good: readonly string[], bad: readonly string[], options: LarkOptions = {}): void => {
  const made = fromLark(source, options)
  expect(good.filter((text) => !made.matches(text))).toEqual([])
  expect(bad.filter((text) => made.matches(text))).toEqual([])
}
const failure = (source: string): string => {
  try {
    fromLark(source)
  } catch (error) {
    expect(error).toBeInstanceOf(SamplingError)
    expect((error as SamplingError).code).toBe('GRAMMAR')
    return (error as Error).message
  }
  throw new Error(`accepted: ${source}`)
}

describe('Lark', () => {
  it('describes sums', () => {
    agrees(sums, ['1', ' 1 + 2.5e3*x_1 - (-3 / .5)', `${'1 - '.repeat(5000)}1`], ['', '1 +', '(1', '1\n', '1 2', '*1'])
  })

  it('describes JSON', () => {
    agrees(json, ['{}', ' { "a" : [ 1 , -2.5e+3, "\\"é\\\\" , null ] } ', '[[[]]]', '""'], ['{', '{"a"}', '[1,]', '"', '"\n"', 'nul'])
  })

  it('describes programs', () => {
    agrees(program, ['', 'let x;LET y = a+1c-12b ;', '{ print x+1c;\n{} }'], ['let x', 'print 1x;', 'let 1;'])
  })

  it('describes lists of templates', () => {
    agrees(
      settings,
      ['[a]\nx=0x1F\n', '\n[A]  # first\nx = on, OFF\ny=0x12\n[b]\nz=q\r\n\n'],
      ['', '[a]\n', '[a]\nx=0x12345\n', '[a]\nx=on', '[a]\nx=,\n'],
    )
  })

  it.each<[string, string, readonly string[], readonly string[]]>([
    [
      'operators',
      'start: "a"? "b"* "c"+ "d"~2 "e"~1..2 "f"{2} "g"{,1} "h"{1,}',
      ['cddeffh', 'abccddeeffghh'],
      ['cdeffh', 'cddeffgg', 'cddeeeffh'],
    ],
    ['what may be missing', 'start: ["a"] [ "b" | "c" ]', ['', 'a', 'ac', 'b'], ['bc', 'aa']],
    ['lines', 'start: a\n    | (\n  "b"\n | "c"\n)\n\n  | "d"\na: "a" \\\n  "z"\n', ['az', 'b', 'c', 'd'], ['a']],
    ['ranges', 'start: X+\nX: "a".."c" | "é" .. "ë"', ['abcê'], ['d', 'ì']],
    ['upper and lower case', 'start: "select"i X\nX: "ÄÖ"i | /[k-m]n/i', ['SeLeCtäÖ', 'selectLn', 'selectKN'], ['selectjn', 'selec']],
    ['escapes', String.raw`start: "\n\t\\\"\x41\u00e9\U0001F600\/"`, ['\n\t\\"Aé😀/'], ['n']],
    [
      'intersections and complements',
      'start: X\nX: /[a-z]+/ & ~/(?s:.*)aa(?s:.*)/ & ~("b"{1,2})',
      ['a', 'aba', 'bbb'],
      ['aa', 'b', 'bb', 'A', ''],
    ],
    ['imports under other names', 'start: N\n%import common.INT -> N', ['12'], ['', 'a']],
    ['names with dashes', 'start: a-b1 -> x\na-b1: "x"', ['x'], ['']],
    [
      'rules that begin with themselves behind what may be empty',
      'start: a\na: b a "x" | "y"\nb: "z"?',
      ['y', 'yx', 'zyx', 'zzyxx'],
      ['zy', 'x'],
    ],
    ['priorities and modifiers', '!start.-1: X y\nX.10: "a"\n?y: "b"\n%llguidance {"no_forcing": true}', ['ab'], ['a']],
    ['the beginning of a line in between', 'start: "a" # one\n // two\n  | "b"', ['a', 'b'], []],
    ['a terminal to begin with', 'start: START\nSTART: "a" INT\nINT: /\\d/', ['a1'], ['a 1']],
    [
      'templates of terminals, and of each other',
      'start: _sep{LIST{"x"}, ";"}\nLIST{X}: "<" X+ ">"\n_sep{a, b}: a (b a)* | _sep{"-", a}',
      ['<xx>;<x>', '-<x>-'],
      ['<>', 'xx'],
    ],
  ])('has %s', (_, source, good, bad) => {
    agrees(source, good, bad)
  })

  it('ignores what is to be ignored between terminals, and not within', () => {
    const source = 'start: "a" B*\nB: "b" "c"\n%ignore " "\n%ignore /#.*\\n/'
    agrees(source, ['a', '  a ', 'a bc  bc', ' # a b \na#\nbc'], ['a b c', 'a # bc'])
  })

  it.each<[string, readonly string[], readonly string[]]>([
    [String.raw`/(?P<year>\d{4})-(?:\d\d|xx)/`, ['2024-01', '٢٠٢٤-xx'], ['2024-1']],
    [String.raw`/\w+\s\S/`, ['éa_1 ñ', 'x\x1cy'], ['é- x', 'x\u200by']],
    [String.raw`/[\W\d]+[^\S\n]/`, ['-1é \t'.replace('é', '!')], ['a ', '1\n']],
    ['/(?i)abc(?-i:d)[e-g]/', ['ABCdG'], ['ABCDG']],
    ['/(?i:s)t/', ['ſt', 'St'], ['sT']],
    ['/a.b/s', ['a\nb'], ['ab']],
    ['/a.b/', ['a\rb'], ['a\nb']],
    ['/ a b \\  c # comment\n [ ] /x', ['ab c '], ['abc ']],
    [String.raw`/[]\-\]a-c]+|[^]x]/`, ['b]-', 'y'], ['x']],
    [String.raw`/\x41\u00e9\101\0\a[\b]/`, ['AéA\0\x07\b'], []],
    ['/a{,2}b{2,}{x}/', ['aabb{x}'], ['ab{x}']],
    ['/a{,2}{b}/', ['aa{b}', '{b}'], ['aaa{b}']],
    ['/a*?b+?c??/', ['aabb', 'bc'], ['a']],
    [String.raw`/\/\*(?!\/)[^*]+\*\//`, ['/* a*/'], ['/*/*/', '/**/']],
    ['/(?#nothing)a|b/', ['a', 'b'], ['ab']],
    [String.raw`/\p{Lu}\pL/`, ['Éa'], ['aa']],
  ])('reads the regular expression %j of Python', (regex, good, bad) => {
    agrees(`start: ${regex}`, good, bad)
  })

  it('has the common terminals', () => {
    const common: Record<string, readonly [readonly string[], readonly string[]]> = {
      INT: [
        ['0', '12'],
        ['-1', ''],
      ],
      SIGNED_INT: [['-1', '+2', '3'], ['--1']],
      DECIMAL: [
        ['1.', '.5', '1.5'],
        ['1', '.'],
      ],
      FLOAT: [['1e5', '1.5E-3', '.5'], ['1']],
      NUMBER: [
        ['1', '1.5', '1e5'],
        ['-1', 'e5'],
      ],
      SIGNED_FLOAT: [['-1.', '+1e5'], ['1']],
      SIGNED_NUMBER: [['-1', '+.5'], ['- 1']],
      ESCAPED_STRING: [
        ['""', '"a\\"b"', '"\\\\"'],
        ['"\\"', '"a"b"', '"\n"', 'a'],
      ],
      CNAME: [
        ['_a1', 'A'],
        ['1a', ''],
      ],
      WORD: [['aB'], ['a1']],
      LETTER: [['a', 'Z'], ['1']],
      LCASE_LETTER: [['a'], ['A']],
      UCASE_LETTER: [['A'], ['a']],
      DIGIT: [['0'], ['a']],
      HEXDIGIT: [['f', 'F', '0'], ['g']],
      WS: [[' \t\r\n\f'], ['']],
      WS_INLINE: [[' \t'], ['\n']],
      NEWLINE: [
        ['\n', '\r\n\n'],
        ['\r', ''],
      ],
      CR: [['\r'], ['\n']],
      LF: [['\n'], ['\r']],
      SH_COMMENT: [['# a'], ['a', '#\n']],
      CPP_COMMENT: [['// a'], ['/ a']],
      SQL_COMMENT: [['-- a'], ['- a']],
      C_COMMENT: [
        ['/**/', '/* a\n**/', '/*/*/'],
        ['/*/', '/* */ */'],
      ],
    }
    for (const [name, [good, bad]] of Object.entries(common)) agrees(`start: ${name}\n%import common.${name}`, good, bad)
  })

  it('takes schemas from whoever knows them', () => {
    const seen: unknown[] = []
    agrees('start: "x" %json {"type": "object", "a": ["}"]} "y"\n%ignore " "', ['x<> y', 'x<>y'], ['x y', 'x< >y'], {
      jsonSchema: (nodes, schema) => {
        seen.push(schema)
        return nodes.literal('<>')
      },
    })
    expect(seen[0]).toEqual({ type: 'object', a: ['}'] })
    expect(failure('start: %json {"type": "object"}')).toContain('Lark, line 1, column 8: %json needs the option jsonSchema')
    expect(failure('start: %json {"a')).toContain('an object in JSON without an end')
    expect(failure('start: %json {a}')).toContain('no JSON')
  })

  it('begins with another rule when told so', () => {
    agrees('a: "x"\nb: a a', ['xx'], ['x'], { start: 'b' })
  })

  it.each([
    ['start: "a', 'Lark, line 1, column 8: a string without an end'],
    ['start: /a', 'Lark, line 1, column 8: a regular expression without an end'],
    ['start: /a\nb/', 'a regular expression of several lines needs the flag x'],
    ['start: ("a"\n| "b"', 'Lark, line 2, column 6: expected ")" to close the group, found the end of the text'],
    ['start: a', 'Lark, line 1, column 8: a is used and not defined'],
    ['start: "a"\nunused: B', 'Lark, line 2, column 9: B is used and not defined'],
    ['start: "a"\nstart: "b"', 'Lark, line 2, column 1: start is defined a second time'],
    ['start: A\nA: "a" B\nB: A', 'the terminal A is made of itself; what refers to itself is a rule, in lower case'],
    ['start: A\nA: b\nb: "x"', 'Lark, line 2, column 4: a terminal is made of other terminals, found the rule b'],
    ['start: "a" & b\nb: "x"', 'a terminal is made of other terminals, found the rule b'],
    ['start: x{"a"}\nx{a, b}: a b', 'Lark, line 1, column 8: x has 2 parameters, found 1'],
    ['start: x\nx{a}: a', 'x has 1 parameters, found 0'],
    ['start: x{"a"}\nx{a}: x{_y{a}}\n_y{b}: b b', 'more than 10000 rules come of templates'],
    ['start: "a"~3..2', 'a repetition from 3 to 2 times'],
    ['start: "ab".."c"', 'a range goes from one character to another'],
    ['start: "c".."a"', 'a range whose end comes before its beginning'],
    ['start: "\\q"', 'expected one of n r t f \\ " / x u U behind a backslash, found "q"'],
    ['start: *', 'Lark, line 1, column 8: expected something to repeat, found "*"'],
    ['start "a"', 'Lark, line 1, column 7: expected ":" behind the name, found "\\""'],
    ['start: "a" ]', 'Lark, line 1, column 12: expected something to match, "|", a repetition or the end of the line, found "]"'],
    ['"a"', 'expected the name of a rule or a terminal, or a statement such as %ignore, found "\\""'],
    ['start: "a" -> B c', 'Lark, line 1, column 17: expected something to match'],
    ['start: <think>', 'tokens of a vocabulary, such as <think> or <[1000]>, are not supported'],
    ['start: @other', 'references to other grammars are not supported'],
    ['start: %regex {}', '%regex is not supported within a rule'],
    ['start[capture]: "a"', 'attributes of rules, such as capture, lazy, stop or max_tokens, are not supported'],
    ['%declare A\nstart: A', 'Lark, line 1, column 1: %declare is not supported'],
    ['%extend start: "a"', '%extend is not supported'],
    ['%import .other.A', 'only terminals of common can be imported, found .other.A'],
    ['%import common.NOTHING', 'common has no terminal NOTHING; it has DIGIT'],
    ['%llguidance {"skip_repetition": "once"}', '%llguidance takes no options here that change which texts match'],
    ['other: "a"', 'there is no rule start to begin with'],
    ['start: start', 'No text matches the grammar'],
    ['start: /a\\b/', 'Lark, line 1, column 8: the regular expression /a\\b/: \\b is not supported within a terminal'],
    ['start: /^a/', '^ is not supported within a terminal'],
    ['start: /(a)\\1/', 'back references are not supported'],
    ['start: /(?P<x>a)(?P=x)/', 'back references are not supported'],
    ['start: /(?<=a)b/', 'looking behind is not supported'],
    ['start: /[?](?![a-z])/', 'looking ahead beyond the end of a terminal is not supported'],
    ['start: /a++/', 'repetitions that give nothing back (*+, ++, ?+) are not supported'],
    ['start: /(?>a)/', 'groups that begin with (?> are not supported'],
    ['start: /a(?i)b/', 'flags for all of the expression stand at its beginning'],
    ['start: /a/q', 'the flags of a regular expression are i, m, s, u and x, found q'],
    ['start: /a{2}{3}/', 'a repetition of a repetition'],
    ['start: /\\y/', 'there is no escape \\y'],
    ['start: /[b-a]/', 'a range of characters out of order'],
    ['start: /(a/', 'a group without an end'],
    ['start: /a)/', 'a group that ends and does not begin'],
    ['start: /\\p{Nonsense}/', 'there is no property \\p{Nonsense}'],
  ])('says what is wrong with %j', (source, message) => {
    expect(failure(source)).toContain(message)
  })

  it('refuses what is too deep, too long, or no text', () => {
    expect(failure(`start: ${'('.repeat(100_000)}`)).toContain('groups are nested more than 200 deep')
    expect(failure(`start: ${'~'.repeat(100_000)}"a"`)).toContain('groups are nested more than 200 deep')
    expect(failure(`start: /${'('.repeat(100_000)}a${')'.repeat(100_000)}/`)).toContain('groups are nested more than 200 deep')
    expect(failure(`start: "${'a'.repeat(1_000_001)}"`)).toContain('at most 1000000 characters')
    expect(failure(7 as unknown as string)).toContain('a text, got number')
    const chain = Array.from({ length: 1000 }, (_, i) => `T${i}: T${i + 1}`).join('\n')
    expect(failure(`start: T0\n${chain}\nT1000: "a"`)).toContain('terminals are made of others more than 200 deep')
  })

  it('never fails in another way, whatever is changed in a grammar', () => {
    const pieces = [
      '(',
      ')',
      '[',
      ']',
      '"',
      '/',
      '|',
      '*',
      '?',
      '~',
      '{',
      '}',
      ':',
      '\n',
      '\\',
      '%',
      '%json ',
      '->',
      '..',
      'start',
      'WS',
      '#',
      '<',
      '&',
      '2',
      ',',
      '😀',
      '.',
      ' ',
      '\ud800',
      '(?',
      '^',
    ]
    const change = fc.record({ at: fc.nat(2000), take: fc.nat(6), put: fc.array(fc.constantFrom(...pieces), { maxLength: 3 }) })
    fc.assert(
      fc.property(fc.constantFrom(sums, json, program, settings), fc.array(change, { minLength: 1, maxLength: 4 }), (source, changes) => {
        let text = source
        for (const { at, take, put } of changes) {
          const from = at % text.length
          text = text.slice(0, from) + put.join('') + text.slice(from + take)
        }
        try {
          fromLark(text).matches('{"a": 1 + 2}')
        } catch (error) {
          expect(error).toBeInstanceOf(SamplingError)
          expect((error as SamplingError).code).toBe('GRAMMAR')
        }
      }),
      { numRuns: Number(process.env['RUNS'] ?? 250), seed: 8 },
    )
  })
})

describe('tokens by a grammar in Lark', () => {
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
    'ab',
    ' +(',
    ')*',
    '1+',
    '}}',
    ' [',
    '  ',
    '=on\n',
    ']\n',
    '0x',
  ]
  const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))
  const vocabulary = new Vocabulary([...bytes, undefined, ...pieces.map(bytesOf)], { end: [end] })

  it('are those that lead to a text of the language', () => {
    for (const source of [sums, json, settings]) {
      const made = fromLark(source)
      for (let seed = 0; seed < 6; seed++) {
        const matcher = made.matcher(vocabulary)
        const sampler = samplerChain([grammarStep(matcher)], { seed })
        const written: number[] = []
        const logits = new Float32Array(vocabulary.size)
        for (let i = 0; i < 60; i++) {
          const mask = matcher.mask()
          const ids = Array.from({ length: vocabulary.size }, (_, id) => id)
          expect(ids.filter((id) => ((mask[id >> 5]! >>> (id & 31)) & 1) === 1)).toEqual(ids.filter((id) => matcher.allows(id)))
          expect(matcher.isAccepting).toBe(made.matches(Uint8Array.from(written)))
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
