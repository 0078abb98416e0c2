import { boolean, closed, integer, list, number, text, type SchemaCase } from './case.js'
import type { JsonValue } from '@tesserae/sampling/grammar'

const numbered = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}_${i}`)
const kinds = [text, integer, number, boolean, list(text)]
const valueOf = (i: number): JsonValue => [`value ${i}`, i, i + 0.5, i % 2 === 0, ['a', `b${i}`]][i % 5]!
const hundred = numbered('property', 100)
const twenty = numbered('optional', 20)

export const objectCases: readonly SchemaCase[] = [
  {
    name: 'flat-closed',
    schema: closed({ name: text, age: { type: 'integer', minimum: 0 }, email: text, active: boolean }),
    instances: [
      { name: 'Ada Lovelace', age: 36, email: 'ada@example.com', active: true },
      { name: '', age: 0, email: '“quoted” \\ back\nslash', active: false },
      { name: 'Ada', age: -1, email: '', active: true },
      { name: 'Ada', age: 36, email: '' },
      { name: 'Ada', age: 36, email: '', active: true, more: 1 },
      { name: 7, age: 36, email: '', active: true },
    ],
  },
  {
    name: 'flat-open',
    schema: { type: 'object', properties: { id: integer, title: text }, required: ['id'] },
    instances: [
      { id: 1 },
      { id: 2, title: 'Moby-Dick', year: 1851, tags: ['whale', { deep: [null, true] }] },
      { id: '2' },
      { title: 'Moby-Dick' },
      { id: 3, title: null },
    ],
  },
  {
    name: 'open-object',
    schema: { type: 'object' },
    instances: [{}, { a: { b: { c: [1, 2.5e3, -0.25, 'x', null, false] } } }, { ключ: '値', '': [] }, [], 'text', 3],
  },
  {
    name: 'optional-members',
    schema: closed(Object.fromEntries(twenty.map((name, i) => [name, kinds[i % 5]!])), []),
    instances: [
      {},
      { optional_3: true },
      Object.fromEntries(twenty.map((name, i) => [name, valueOf(i)])),
      Object.fromEntries(twenty.filter((_, i) => i % 3 === 0).map((name, i) => [name, valueOf(3 * i)])),
      { optional_3: 'yes' },
      { optional_20: true },
    ],
  },
  {
    name: 'hundred-properties',
    schema: closed(Object.fromEntries(hundred.map((name, i) => [name, kinds[i % 5]!])), hundred.slice(0, 50)),
    instances: [
      Object.fromEntries(hundred.map((name, i) => [name, valueOf(i)])),
      Object.fromEntries(hundred.slice(0, 50).map((name, i) => [name, valueOf(i)])),
      Object.fromEntries(hundred.slice(1).map((name, i) => [name, valueOf(i + 1)])),
      Object.fromEntries(hundred.map((name, i) => [name, valueOf(i + 1)])),
    ],
  },
  {
    name: 'hundred-optional-properties-of-an-open-object',
    schema: { type: 'object', properties: Object.fromEntries(hundred.map((name, i) => [name, kinds[i % 5]!])) },
    instances: [
      {},
      Object.fromEntries(hundred.filter((_, i) => i % 7 === 0).map((name, i) => [name, valueOf(7 * i)])),
      { property_5: 'five', property_50: 'fifty', unnamed: { anything: [] } },
      { property_99: 'not a list' },
      { property_0: 0 },
    ],
  },
  {
    name: 'nested',
    schema: closed({
      order: closed({
        id: text,
        customer: closed({ name: text, address: closed({ street: text, city: text, zip: { type: 'string', pattern: '^[0-9]{5}$' } }) }),
        lines: list(closed({ sku: text, quantity: { type: 'integer', minimum: 1 }, price: { type: 'number', minimum: 0 } }), {
          minItems: 1,
        }),
      }),
    }),
    instances: [
      {
        order: {
          id: 'A-1',
          customer: { name: 'Zoë', address: { street: '1 Main St.', city: 'Springfield', zip: '12345' } },
          lines: [
            { sku: 'x', quantity: 1, price: 9.99 },
            { sku: 'y', quantity: 20, price: 0 },
          ],
        },
      },
      {
        order: {
          id: 'A-2',
          customer: { name: 'Bo', address: { street: '', city: '', zip: '1234' } },
          lines: [{ sku: 'x', quantity: 1, price: 1 }],
        },
      },
      { order: { id: 'A-3', customer: { name: 'Bo', address: { street: '', city: '', zip: '12345' } }, lines: [] } },
      {
        order: {
          id: 'A-4',
          customer: { name: 'Bo', address: { street: '', city: '', zip: '12345' } },
          lines: [{ sku: 'x', quantity: 0, price: 1 }],
        },
      },
    ],
  },
  {
    name: 'map-of-numbers',
    schema: { type: 'object', additionalProperties: number },
    instances: [{}, { a: 1, b: -2.5, 'c d': 1e21 }, { a: '1' }, { a: [1] }, { a: null }],
  },
  {
    name: 'map-of-objects',
    schema: {
      type: 'object',
      properties: { version: { const: 1 } },
      required: ['version'],
      additionalProperties: closed({ path: text, size: integer }, ['path']),
    },
    instances: [
      { version: 1 },
      { version: 1, main: { path: '/a', size: 3 }, other: { path: '/b' } },
      { version: 2 },
      { version: 1, main: { size: 3 } },
      { version: 1, main: '/a' },
    ],
  },
  {
    name: 'pattern-properties',
    schema: { type: 'object', patternProperties: { '^x-': text, '^n_[0-9]+$': integer }, additionalProperties: false },
    instances: [{}, { 'x-a': 'b', n_12: 3 }, { 'x-': '' }, { n_: 3 }, { 'x-a': 1 }, { n_1: '1' }, { y: 0 }],
  },
  {
    name: 'pattern-properties-beside-others',
    schema: {
      type: 'object',
      properties: { name: text, 'x-level': integer },
      patternProperties: { '^x-': { type: ['integer', 'string'] } },
      additionalProperties: boolean,
      required: ['name'],
    },
    instances: [
      { name: 'n' },
      { name: 'n', 'x-level': 3, 'x-other': 'text', flag: true },
      { name: 'n', 'x-level': 'three' },
      { name: 'n', 'x-other': true },
      { name: 'n', flag: 'yes' },
    ],
  },
  {
    name: 'property-names',
    schema: { type: 'object', propertyNames: { pattern: '^[a-z][a-z0-9_]*$', maxLength: 12 }, additionalProperties: text },
    instances: [{}, { a: 'x', snake_case_2: 'y' }, { Upper: 'x' }, { '1a': 'x' }, { a_name_too_long: 'x' }, { a: 1 }],
  },
  {
    name: 'number-of-properties',
    schema: {
      type: 'object',
      properties: { a: integer, b: integer, c: integer },
      additionalProperties: text,
      minProperties: 2,
      maxProperties: 4,
    },
    instances: [{ a: 1, b: 2 }, { a: 1, x: 'y', z: '' }, { p: '', q: '', r: '', s: '' }, { a: 1 }, {}, { a: 1, b: 2, c: 3, d: '', e: '' }],
  },
  {
    name: 'dependent-required',
    schema: {
      type: 'object',
      properties: { name: text, card: text, billing: text, email: text },
      required: ['name'],
      dependentRequired: { card: ['billing'], email: ['name'] },
      additionalProperties: false,
    },
    instances: [
      { name: 'n' },
      { name: 'n', card: '4242', billing: 'here' },
      { name: 'n', billing: 'here', email: 'e' },
      { name: 'n', card: '4242' },
      { card: '4242', billing: 'here' },
    ],
  },
  {
    name: 'dependent-schemas',
    schema: {
      type: 'object',
      properties: { kind: { enum: ['a', 'b'] }, count: integer, unit: text },
      dependentSchemas: { count: { required: ['unit'], properties: { unit: { enum: ['kg', 'm'] } } } },
      additionalProperties: false,
    },
    instances: [{}, { kind: 'a', unit: 'free' }, { kind: 'b', count: 1, unit: 'kg' }, { count: 1 }, { count: 1, unit: 'free' }],
  },
  {
    name: 'unevaluated-properties',
    schema: {
      properties: { note: text },
      allOf: [
        { type: 'object', properties: { id: integer }, required: ['id'] },
        { type: 'object', properties: { label: text } },
      ],
      unevaluatedProperties: false,
    },
    instances: [{ id: 1 }, { note: 'n', id: 1, label: 'l' }, { id: 1, other: 2 }, { label: 'l' }, { id: 1, label: 2 }],
  },
  {
    name: 'names-that-need-escapes',
    schema: closed({ 'say "hi"': integer, 'back\\slash': integer, 'line\nbreak': integer, 'naïve/path~0': integer, 日本語: text }, [
      'say "hi"',
      '日本語',
    ]),
    instances: [
      { 'say "hi"': 1, 日本語: 'はい' },
      { 'say "hi"': 1, 'back\\slash': 2, 'line\nbreak': 3, 'naïve/path~0': 4, 日本語: '' },
      { 'say "hi"': 1 },
      { 'say hi': 1, 日本語: '' },
      { 'say "hi"': 1, 日本語: 3 },
    ],
  },
]
