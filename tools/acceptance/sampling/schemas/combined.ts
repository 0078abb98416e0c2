import { boolean, closed, integer, list, nullable, number, text, type SchemaCase } from './case.js'
import type { JsonSchema } from '@tesserae/sampling/grammar'

const verbs = ['get', 'list', 'create', 'update', 'delete']
const things = ['weather', 'flight', 'hotel', 'invoice', 'contact', 'event', 'file', 'song', 'recipe', 'ticket']

const argumentsOf = (i: number): JsonSchema =>
  closed(
    {
      id: i % 2 === 0 ? integer : text,
      [`${things[i % 10]!}_name`]: text,
      limit: { ...integer, minimum: 1, maximum: 100 },
      unit: { enum: ['metric', 'imperial'] },
      filters: list(closed({ field: text, value: { type: ['string', 'number', 'boolean'] } })),
    },
    ['id', `${things[i % 10]!}_name`],
  )
const fifty = Array.from({ length: 50 }, (_, i) => `${verbs[i % 5]!}_${things[Math.floor(i / 5)]!}`)
const tools: JsonSchema = { anyOf: fifty.map((name, i) => closed({ name: { const: name }, arguments: argumentsOf(i) })) }

export const combinedCases: readonly SchemaCase[] = [
  {
    name: 'fifty-tools',
    schema: tools,
    instances: [
      { name: 'get_weather', arguments: { id: 1, weather_name: 'rain' } },
      { name: 'delete_ticket', arguments: { id: 'x', ticket_name: 't', limit: 5, unit: 'metric', filters: [{ field: 'a', value: 1 }] } },
      { name: 'list_hotel', arguments: { id: 'x', flight_name: 'no' } },
      { name: 'get_nothing', arguments: { id: 1 } },
      { name: 'get_weather', arguments: { id: 'text', weather_name: 'rain' } },
      { name: 'get_weather', arguments: {} },
      { name: 'get_weather' },
    ],
  },
  {
    name: 'tool-calls',
    schema: closed({ content: nullable('string'), tool_calls: list(tools, { minItems: 1, maxItems: 4 }) }),
    instances: [
      { content: null, tool_calls: [{ name: 'get_weather', arguments: { id: 1, weather_name: 'rain' } }] },
      {
        content: 'Two at once.',
        tool_calls: [
          { name: 'get_weather', arguments: { id: 1, weather_name: 'rain' } },
          { name: 'list_weather', arguments: { id: 'a', flight_name: 'rain', unit: 'imperial' } },
        ],
      },
      { content: null, tool_calls: [] },
      { content: null, tool_calls: [{ name: 'get_weather' }] },
      { content: 3, tool_calls: [{ name: 'get_weather', arguments: { id: 1, weather_name: 'rain' } }] },
    ],
  },
  {
    name: 'shapes-by-kind',
    schema: {
      type: 'array',
      items: {
        anyOf: [
          closed({ kind: { const: 'circle' }, radius: { ...number, exclusiveMinimum: 0 } }),
          closed({ kind: { const: 'rectangle' }, width: number, height: number }),
          closed({
            kind: { const: 'polygon' },
            points: list({ type: 'array', prefixItems: [number, number], items: false, minItems: 2 }, { minItems: 3 }),
          }),
        ],
      },
    },
    instances: [
      [],
      [
        { kind: 'circle', radius: 1.5 },
        { kind: 'rectangle', width: 2, height: 3 },
        {
          kind: 'polygon',
          points: [
            [0, 0],
            [1, 0],
            [0, 1],
          ],
        },
      ],
      [{ kind: 'circle', radius: 0 }],
      [{ kind: 'rectangle', radius: 1 }],
      [
        {
          kind: 'polygon',
          points: [
            [0, 0],
            [1, 0],
          ],
        },
      ],
      [{ kind: 'line' }],
    ],
  },
  {
    name: 'one-of-disjoint',
    schema: closed({
      payment: {
        oneOf: [
          closed({ method: { const: 'card' }, number: { type: 'string', pattern: '^[0-9]{12,19}$' } }),
          closed({ method: { const: 'transfer' }, iban: { type: 'string', pattern: '^[A-Z]{2}[0-9A-Z]{13,30}$' } }),
          { type: 'null' },
        ],
      },
      amount: {
        oneOf: [
          { ...integer, minimum: 1 },
          { type: 'string', pattern: '^[0-9]+\\.[0-9]{2}$' },
        ],
      },
    }),
    instances: [
      { payment: { method: 'card', number: '4242424242424242' }, amount: 5 },
      { payment: { method: 'transfer', iban: 'DE89370400440532013000' }, amount: '5.00' },
      { payment: null, amount: 1 },
      { payment: { method: 'card', iban: 'DE89370400440532013000' }, amount: 5 },
      { payment: { method: 'card', number: '4242' }, amount: 5 },
      { payment: null, amount: 0 },
      { payment: null, amount: '5' },
    ],
  },
  {
    name: 'one-of-overlapping',
    schema: {
      oneOf: [
        { ...integer, multipleOf: 3, minimum: 0, maximum: 1000 },
        { ...integer, multipleOf: 5, minimum: 0, maximum: 1000 },
      ],
    },
    instances: [3, 5, 999, 1000, 0, 15, 7, 30, '3'],
  },
  {
    name: 'all-of-references',
    schema: {
      $defs: {
        named: { type: 'object', properties: { name: { ...text, minLength: 1 } }, required: ['name'] },
        dated: { type: 'object', properties: { from: { ...integer, minimum: 0 }, to: { ...integer, minimum: 0 } }, required: ['from'] },
      },
      allOf: [{ $ref: '#/$defs/named' }, { $ref: '#/$defs/dated' }, { properties: { name: { maxLength: 10 }, to: { maximum: 3000 } } }],
    },
    instances: [
      { name: 'a', from: 1 },
      { name: 'ten chars.', from: 0, to: 3000, other: [true] },
      { name: '', from: 1 },
      { name: 'eleven char', from: 1 },
      { name: 'a' },
      { name: 'a', from: 1, to: 3001 },
    ],
  },
  {
    name: 'if-then-else',
    schema: {
      type: 'object',
      properties: { country: { enum: ['US', 'NL', 'DE'] }, postal: text },
      required: ['country', 'postal'],
      additionalProperties: false,
      if: { properties: { country: { const: 'US' } } },
      // oxlint-disable-next-line unicorn/no-thenable -- the keyword is called so
      then: { properties: { postal: { pattern: '^[0-9]{5}(-[0-9]{4})?$' } } },
      else: { properties: { postal: { pattern: '^[0-9]{4,5}( [A-Z]{2})?$' } } },
    },
    instances: [
      { country: 'US', postal: '20500' },
      { country: 'US', postal: '20500-0001' },
      { country: 'NL', postal: '1234 AB' },
      { country: 'US', postal: '1234 AB' },
      { country: 'DE', postal: '20500-0001' },
      { country: 'FR', postal: '12345' },
    ],
  },
  {
    name: 'not',
    schema: closed({
      id: { type: 'string', not: { enum: ['admin', 'root'] }, maxLength: 12 },
      port: { ...integer, minimum: 1, maximum: 65535, not: { enum: [22, 80, 443] } },
    }),
    instances: [
      { id: 'user', port: 8080 },
      { id: 'roots', port: 23 },
      { id: '', port: 65535 },
      { id: 'root', port: 8080 },
      { id: 'user', port: 22 },
      { id: 'user', port: 65536 },
    ],
  },
  {
    name: 'nullable',
    schema: closed({
      name: nullable('string'),
      age: { anyOf: [integer, { type: 'null' }] },
      ok: nullable('boolean'),
      nested: { type: ['object', 'null'], properties: { x: number } },
    }),
    instances: [
      { name: null, age: null, ok: null, nested: null },
      { name: 'a', age: 1, ok: true, nested: { x: 1.5 } },
      { name: 1, age: 1, ok: true, nested: null },
      { name: 'a', age: 'old', ok: true, nested: null },
      { name: 'a', age: 1, ok: 'true', nested: null },
      { name: 'a', age: 1, ok: true, nested: { x: 'y' } },
    ],
  },
  {
    name: 'any-of-types',
    schema: { anyOf: [text, { ...integer, minimum: 0 }, list(boolean, { maxItems: 2 }), closed({ ref: text })] },
    instances: ['a', 0, [true, false], { ref: 'r' }, -1, 1.5, [true, false, true], { ref: 1 }, {}, null],
  },
  {
    name: 'any-of-overlapping-objects',
    schema: {
      anyOf: [
        { type: 'object', properties: { a: integer, b: text }, required: ['a'] },
        { type: 'object', properties: { b: integer, c: boolean }, required: ['c'] },
      ],
    },
    instances: [{ a: 1 }, { a: 1, b: 'text' }, { b: 2, c: true }, { a: 1, c: 'x' }, { b: 2 }, { a: 'x' }, { a: 'x', c: 1 }],
  },
  { name: 'anything', schema: true, instances: [null, 1, 'x', { a: [{}] }, [[[]]]] },
]
