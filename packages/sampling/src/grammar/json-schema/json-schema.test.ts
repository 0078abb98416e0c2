import { expect, test, describe } from 'vitest'
import * as grammar from '../grammar.js'
import { Vocabulary } from '../vocabulary.js'
import { bytesOf } from '../bytes.js'
import type { JsonSchema } from './document.js'
import type { JsonSchemaOptions } from './json-schema.js'

type Case = [name: string, schema: JsonSchema, valid: readonly unknown[], invalid: readonly unknown[], options?: JsonSchemaOptions]

const tree = {
  type: 'object',
  properties: { name: { type: 'string' }, children: { type: 'array', items: { $ref: '#' } } },
  required: ['name'],
  additionalProperties: false,
}

const cases: Case[] = [
  ['types', { type: ['string', 'null'] }, ['', 'a', null], [1, true, [], {}]],
  ['whole numbers', { type: 'integer' }, [0, -5, 123456], [0.5, '1']],
  ['bounds', { type: 'number', minimum: -2.5, exclusiveMaximum: 10 }, [-2.5, -2.4, 0, 9.999, 9], [-2.51, 10, 11, -3, 10.5]],
  ['bounds far apart', { type: 'integer', minimum: 98, maximum: 1_203 }, [98, 99, 100, 999, 1000, 1203], [97, 9, 1204, 1300, 20_000, -98]],
  ['bounds below zero', { exclusiveMinimum: -0.05, maximum: -0.002 }, [-0.049, -0.002, -0.01], [-0.05, -0.0019, 0, 1, -1]],
  [
    'whole numbers between bounds that are not',
    { type: 'integer', exclusiveMinimum: 1e12, maximum: 9_007_199_254_740_991 },
    [1e12 + 1, 9_007_199_254_740_991],
    [1e12, 5, 1e16],
  ],
  ['multiples', { type: 'number', multipleOf: 0.25 }, [0, 0.25, 1.75, -2, 300], [0.2, 0.26, 1.3]],
  ['multiples within bounds', { type: 'integer', multipleOf: 7, minimum: 10, maximum: 30 }, [14, 21, 28], [7, 35, 15, 0]],
  ['lengths count characters', { type: 'string', minLength: 2, maxLength: 3 }, ['ab', '日本', '😀😀😀', '"\n'], ['a', '', 'abcd', '😀']],
  ['patterns', { type: 'string', pattern: '^[a-z]+"\\d{2}$' }, ['ab"12'], ['ab12', 'AB"12', 'ab"123']],
  ['patterns anywhere', { type: 'string', pattern: 'b{2}' }, ['abbc', 'bb'], ['ab', 'b b']],
  ['patterns with lengths', { type: 'string', pattern: '^a*$', minLength: 2, maxLength: 4 }, ['aa', 'aaaa'], ['a', 'aaaaa', 'ab']],
  ['formats', { type: 'string', format: 'date' }, ['2024-02-29', '1999-12-31'], ['2023-02-29', '2024-13-01', '2024-1-1', 'x']],
  [
    'names of hosts',
    { format: 'hostname' },
    ['a', 'www.example.com', `${'a'.repeat(63)}.com`, 'a.b.c.d.e.f', 'a-b', 'a--b', 'abc--d', 'ab-c', 'abc-d'],
    ['', '-a', 'a..b', 'a.', `${'a'.repeat(64)}.com`, 'xn--a', 'ab--c', 'a.ab--cd'],
  ],
  ['addresses', { format: 'email' }, ['a.b@example.com', 'x+y@z.org'], ['a', 'a@b', '@b', 'a@', 'a@b@c', 'a..b@c']],
  ['formats as notes', { type: 'string', format: 'date' }, ['x'], [1], { formats: 'annotate' }],
  ['formats nobody knows', { type: 'string', format: 'colour' }, ['x'], [1]],
  ['values', { enum: ['red', 1, null, { a: [1] }] }, ['red', 1, null, { a: [1] }], ['blue', 2, { a: [2] }, { a: [1], b: 1 }]],
  ['a value and what is said of it', { enum: ['a', 'bcd', 5], minLength: 2, maximum: 4 }, ['bcd'], ['a', 5]],
  [
    'members',
    { properties: { a: { type: 'string' }, b: { type: 'integer' } }, required: ['b'], additionalProperties: false },
    [{ a: 'x', b: 1 }, { b: 2 }, 'no object'],
    [{ a: 'x' }, { b: 1, c: 2 }, { b: 'x' }],
  ],
  [
    'members by their names',
    { patternProperties: { '^x-': { type: 'integer' } }, properties: { y: true }, additionalProperties: false },
    [{ 'x-a': 1, y: 2 }, {}],
    [{ 'x-a': 'b' }, { z: 1 }],
  ],
  [
    'other members',
    { type: 'object', properties: { a: { const: 1 } }, additionalProperties: { type: 'string' } },
    [{ a: 1, b: 'x', aa: 'y' }],
    [{ a: 2 }, { b: 1 }],
  ],
  ['names of members', { type: 'object', propertyNames: { pattern: '^[a-c]+$', maxLength: 2 } }, [{ a: 1, bc: 2 }], [{ d: 1 }, { abc: 1 }]],
  [
    'numbers of members',
    { type: 'object', minProperties: 1, maxProperties: 2, properties: { a: true, b: true, c: true } },
    [{ a: 1 }, { a: 1, c: 2 }],
    [{}, { a: 1, b: 2, c: 3 }],
  ],
  [
    'members that ask for others',
    { type: 'object', dependentRequired: { a: ['b'] }, properties: { a: true, b: true } },
    [{}, { b: 1 }, { a: 1, b: 2 }],
    [{ a: 1 }],
  ],
  [
    'members that ask for more',
    { type: 'object', dependentSchemas: { a: { properties: { b: { type: 'string' } }, required: ['b'] } } },
    [{ b: 1 }, { a: 1, b: 'x' }],
    [{ a: 1 }, { a: 1, b: 2 }],
  ],
  ['items', { type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 3 }, [[1], [1, 2, 3]], [[], [1, 2, 3, 4], ['x']]],
  [
    'items at their places',
    { prefixItems: [{ type: 'string' }, { type: 'integer' }], items: false },
    [[], ['a'], ['a', 1]],
    [[1], ['a', 'b'], ['a', 1, 2]],
  ],
  [
    'items of a kind',
    { type: 'array', contains: { const: 1 }, minContains: 2, maxContains: 3 },
    [
      [1, 1],
      [0, 1, 2, 1, 1],
    ],
    [[1], [], [1, 1, 1, 1], [0]],
  ],
  [
    'different items of a few values',
    { type: 'array', items: { enum: ['a', 'b', 'c'] }, uniqueItems: true },
    [[], ['b', 'a'], ['a', 'c', 'b']],
    [
      ['a', 'a'],
      ['a', 'b', 'a'],
    ],
  ],
  ['all of several', { allOf: [{ minimum: 2 }, { maximum: 5 }, { type: 'integer' }] }, [2, 5], [1, 6, 3.5, 'x']],
  [
    'any of several',
    {
      anyOf: [
        { type: 'string', maxLength: 1 },
        { type: 'integer', minimum: 10 },
      ],
    },
    ['a', 10],
    ['ab', 9],
  ],
  ['one of several that meet', { oneOf: [{ type: 'integer' }, { minimum: 2 }] }, [1, 2.5, 'x'], [3, 1.5]],
  ['not', { not: { type: ['string', 'array'] } }, [1, {}, null], ['a', []]],
  [
    'not some members',
    { type: 'object', not: { required: ['a'], properties: { a: { type: 'integer' } } } },
    [{}, { a: 'x' }, { b: 1 }],
    [{ a: 1 }],
  ],
  [
    'if, then and else',
    {
      type: 'object',
      properties: { kind: { enum: ['a', 'b'] } },
      required: ['kind'],
      if: { properties: { kind: { const: 'a' } } },
      // oxlint-disable-next-line unicorn/no-thenable -- the keyword's name
      then: { required: ['x'] },
      else: { required: ['y'] },
    },
    [
      { kind: 'a', x: 1 },
      { kind: 'b', y: 1 },
    ],
    [
      { kind: 'a', y: 1 },
      { kind: 'b', x: 1 },
      { kind: 'c', x: 1, y: 1 },
    ],
  ],
  [
    'references to itself',
    tree,
    [{ name: 'a' }, { name: 'a', children: [{ name: 'b', children: [] }] }],
    [{ children: [] }, { name: 'a', children: [{}] }],
  ],
  [
    'what others did not look at',
    { allOf: [{ properties: { a: { type: 'string' } } }], properties: { b: true }, unevaluatedProperties: false },
    [{ a: 'x', b: 1 }],
    [{ a: 'x', c: 1 }, { a: 1 }],
  ],
  ['draft-04', { $schema: 'http://json-schema.org/draft-04/schema#', minimum: 1, exclusiveMinimum: true }, [1.5, 2], [1]],
  [
    'draft-07',
    { $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'string' }], additionalItems: { type: 'integer' } },
    [['a', 1, 2]],
    [[1], ['a', 'b']],
  ],
  [
    'other documents',
    { $ref: 'https://example.com/id#/$defs/id' },
    ['ab'],
    ['a', 1],
    { schemas: { 'https://example.com/id': { $defs: { id: { type: 'string', minLength: 2 } } } } },
  ],
]

describe('texts of a JSON Schema are those of values that it validates:', () => {
  test.each(cases)('%s', (_, schema, valid, invalid, options) => {
    const compiled = grammar.fromJsonSchema(schema, { ...options, keyOrder: 'any' })
    for (const value of valid) expect.soft(compiled.matches(JSON.stringify(value)), JSON.stringify(value)).toBe(true)
    for (const value of invalid) expect.soft(compiled.matches(JSON.stringify(value)), JSON.stringify(value)).toBe(false)
  })
})

test('members come in the order of the schema, those that it does not name at the end', () => {
  const compiled = grammar.fromJsonSchema({ type: 'object', properties: { a: { type: 'null' }, b: { type: 'null' } } })
  expect(compiled.matches('{"a":null,"b":null,"c":null}')).toBe(true)
  expect(compiled.matches('{"b":null,"a":null}')).toBe(false)
  expect(compiled.matches('{"c":null,"a":null}')).toBe(false)
  // A name twice would be the later member alone, whatever the first one was.
  expect(grammar.fromJsonSchema({ properties: { a: { const: 1 } }, required: ['a'] }, { keyOrder: 'any' }).matches('{"a":1,"a":2}')).toBe(
    false,
  )
})

test('white space comes where it was asked for', () => {
  const schema = { type: 'array', items: { type: 'integer' } }
  expect(grammar.fromJsonSchema(schema).matches('[1, 2]')).toBe(false)
  expect(grammar.fromJsonSchema(schema, { whitespace: 'flexible' }).matches(' [\n  1,\t2 ]\n')).toBe(true)
})

test.each<readonly [JsonSchema, string]>([
  [{ properties: { a: { type: 'array', items: { type: 'string' }, uniqueItems: true } } }, '/properties/a/uniqueItems: '],
  [{ items: { pattern: '(a)\\1' } }, '/items/pattern: '],
  [{ $defs: { x: { minLength: -1 } }, properties: { 'a/b': { $ref: '#/$defs/x' } } }, '/$defs/x/minLength: '],
  [{ properties: { a: { $ref: '#/$defs/none' } } }, '/properties/a/$ref: '],
  [{ allOf: [{ $ref: '#' }] }, 'without a value in between'],
  [{ type: 'text' }, '/type: '],
  [
    { allOf: Array.from({ length: 14 }, (_, i) => ({ anyOf: [{ required: [`a${i}`] }, { required: [`b${i}`] }] })) },
    '/allOf: says more than',
  ],
  ['{}' as unknown as JsonSchema, 'JSON.parse'],
  [{ format: 'regex' }, '/format: '],
  [{ patternProperties: { '(?<=a)b': true } }, '/patternProperties/(?<=a)b: '],
])('%j is refused where it cannot be held to', (schema, message) => {
  expect(() => grammar.fromJsonSchema(schema)).toThrow(
    expect.objectContaining({ code: 'GRAMMAR', message: expect.stringContaining(message) as string }),
  )
})

test.each<JsonSchema>([
  false,
  { type: 'integer', minimum: 3, maximum: 2 },
  { required: ['a'], type: 'object', properties: { a: false } },
  { $defs: { a: { type: 'object', required: ['b'], properties: { b: { $ref: '#/$defs/a' } } } }, $ref: '#/$defs/a' },
])('%j is refused for having no values', (schema) => {
  expect(() => grammar.fromJsonSchema(schema)).toThrow('No value is valid')
})

test('what cannot be held to is left out where that was asked for', () => {
  const left: string[] = []
  const unique = { type: 'array', items: { type: 'integer' }, uniqueItems: true }
  const lenient = grammar.fromJsonSchema(unique, { lenient: true, onLeftOut: ({ pointer, reason }) => left.push(`${pointer}: ${reason}`) })
  expect(left).toEqual([expect.stringMatching(/^\/uniqueItems: .*all different/)])
  expect(lenient.matches('[1,1]')).toBe(true)
  expect(lenient.matches('["a"]')).toBe(false)
  const forms = Object.fromEntries([...'abcdefgh'].map((letter) => [letter, { type: 'integer' }]))
  for (const [schema, valid, invalid] of [
    [{ type: 'array', items: { type: 'integer' }, contains: { const: 1 }, minContains: 1e9 }, '[1]', '["a"]'],
    [{ type: 'array', items: { type: 'object', patternProperties: forms, required: ['a'] } }, '[{"a":1}]', '[{"b":1}]'],
    [{ not: { uniqueItems: true }, type: 'array' }, '[1,1]', '1'],
    [{ allOf: [{ $ref: '#' }], type: 'integer' }, '1', '"a"'],
  ] as const) {
    const loose = grammar.fromJsonSchema(schema, { lenient: true })
    expect.soft(loose.matches(valid), valid).toBe(true)
    expect.soft(loose.matches(invalid), invalid).toBe(false)
  }
})

test('masks hold exactly the tokens that lead on, at any place of a text', () => {
  const pieces = [
    '{',
    '}',
    '"',
    '":',
    '","',
    '":"',
    '"}',
    'a',
    'b',
    'name',
    'children',
    '[',
    ']',
    '[{"',
    '}]',
    '},{"',
    '\\',
    '\\"',
    'é',
    '1',
    '11',
    '1,1',
    '1]',
    '-',
    '.5',
    ',',
    ':',
    '{"name":"',
    '😀',
    '\u0001',
  ]
  const vocabulary = new Vocabulary(
    [...pieces.map(bytesOf), Uint8Array.of(0xf0), Uint8Array.of(0x9f, 0x98), Uint8Array.of(0x80), undefined],
    { end: [pieces.length + 3] },
  )
  for (const keyOrder of ['schema', 'any'] as const)
    for (const schema of [
      tree,
      true,
      { type: 'object', additionalProperties: { maxLength: 2, type: 'string' }, properties: { name: { const: 'a' } } },
      {
        type: 'array',
        items: { anyOf: [{ type: 'number', minimum: -1, maximum: 11.5 }, { pattern: '^a*b' }, { enum: ['a', 1, 11] }] },
        contains: { const: 11 },
      },
      { pattern: '^(?:[a-n1]{1,3}|\\p{L}{2,5}|[^{}]*b[^a]*)$' },
      { anyOf: [{ format: 'hostname' }, { maxLength: 3, pattern: 'a' }, { enum: ['aaab', 'name', 'children'] }] },
    ] as const) {
      const compiled = grammar.fromJsonSchema(schema as JsonSchema, { keyOrder })
      const matcher = compiled.matcher(vocabulary)
      // Far into a text, and from its beginning again and again: what was worked out for one place must not turn up at another.
      let seed = 7
      for (let turn = 0; turn < 300; turn++) {
        const mask = matcher.mask()
        const allowed: number[] = []
        for (let id = 0; id < vocabulary.size; id++) {
          const isIn = ((mask[id >> 5]! >>> (id & 31)) & 1) === 1
          expect(isIn, `${String(vocabulary.tokens[id])} after ${matcher.length}`).toBe(matcher.allows(id))
          if (isIn && !vocabulary.end.includes(id)) allowed.push(id)
        }
        expect(allowed.length > 0 || matcher.isAccepting).toBe(true)
        seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
        if (allowed.length === 0 || turn % 40 === 39) matcher.reset()
        else matcher.accept(allowed[Math.floor((seed / 2 ** 31) * allowed.length)]!)
      }
    }
})

test('conditions say nothing before draft-07, as constants do not before draft-06', () => {
  const kind = (value: string, required: string) => ({
    if: { properties: { kind: { const: value } } },
    // oxlint-disable-next-line unicorn/no-thenable -- the keyword's name
    then: { required: [required] },
  })
  const schema = { type: 'object', allOf: [kind('a', 'x'), kind('b', 'y')] }
  const given = '{"kind":"a","x":1}'
  for (const dialect of ['draft-04', 'draft-06', 'draft-07'] as const)
    expect(grammar.fromJsonSchema({ ...schema, $schema: `http://json-schema.org/${dialect}/schema#` }).matches(given)).toBe(true)
  expect(grammar.fromJsonSchema(schema).matches('{"kind":"a","y":1}')).toBe(false)
  expect(grammar.fromJsonSchema({ ...schema, $schema: 'http://json-schema.org/draft-04/schema#' }).matches('{"kind":"a","y":1}')).toBe(true)
})

test.each<readonly [JsonSchema, readonly string[], readonly string[]]>([
  [{ type: 'number', minimum: 0 }, ['0', '0.0', '10.0', '1.5'], ['-0.5', '-1.0', '10.00']],
  [{ type: 'number', exclusiveMinimum: 0 }, ['0.5', '10.0'], ['0', '0.0', '-1.0', '-0.0']],
  [{ type: 'number', exclusiveMaximum: 0 }, ['-0.5', '-10.0'], ['0', '0.0', '-0.0', '1.0']],
  [{ type: 'number', maximum: 0 }, ['-0.5', '-10.0', '0', '0.0'], ['0.1', '1.0']],
  [{ type: 'number', exclusiveMaximum: 10 }, ['9.0'], ['10.0', '10', '11.0']],
  [{ type: 'number', multipleOf: 5 }, ['10', '10.0', '0.0', '-5.0'], ['11.0', '5.5', '10.00']],
  [{ type: 'number', multipleOf: 0.01 }, ['10', '10.0', '0.0', '99.99'], ['10.005']],
  [{ type: 'number', not: { const: 3 } }, ['4.0', '3.5'], ['3', '3.0']],
  [{ type: 'number', not: { multipleOf: 2 } }, ['3.0', '3', '3.5'], ['4', '4.0']],
  [{ type: 'number', not: { type: 'integer' } }, ['3.5'], ['3', '3.0', '0.0']],
  [{ type: 'number', not: { minimum: 5 } }, ['4.0', '-1.0'], ['5.0', '5']],
])('whole numbers of %j may be written with .0', (schema, good, bad) => {
  const made = grammar.fromJsonSchema(schema)
  expect(good.filter((text) => !made.matches(text))).toEqual([])
  expect(bad.filter((text) => made.matches(text))).toEqual([])
})

test('objects within objects that are several at once do not become more with each level', () => {
  const members = ['a', 'b', 'c', 'd', 'e', 'f']
  const schema = {
    $ref: '#/$defs/rule',
    $defs: {
      rule: {
        type: 'object',
        properties: {
          ...Object.fromEntries(members.map((name) => [name, { type: 'string' }])),
          rules: { type: 'array', items: { $ref: '#/$defs/rule' } },
        },
        dependentRequired: { a: ['b'], b: ['a'], c: ['d', 'a'], d: ['c'], e: ['f'] },
      },
    },
  }
  const made = grammar.fromJsonSchema(schema, { keyOrder: 'any' })
  const nested = (depth: number, inside: string): string =>
    depth === 0 ? inside : `{"rules":[${nested(depth - 1, inside)}],"e":"","f":""}`
  // With six ways for each object this would be 6 to the power of 30.
  expect(made.matches(nested(30, '{"b":"","f":"","a":""}'))).toBe(true)
  expect(made.matches(nested(30, '{"b":"","f":""}'))).toBe(false)
  expect(made.matches(nested(30, '{}').replace(',"f":""', ''))).toBe(false)
})
