import { boolean, closed, integer, list, number, text, type SchemaCase } from './case.js'

export const arrayCases: readonly SchemaCase[] = [
  {
    name: 'list-with-bounds',
    schema: closed({ tags: list(text, { minItems: 1, maxItems: 5 }), scores: list(number, { minItems: 3, maxItems: 3 }) }),
    instances: [
      { tags: ['a'], scores: [1, 2, 3] },
      { tags: ['a', 'b', 'c', 'd', 'e'], scores: [0.5, -1, 1e3] },
      { tags: [], scores: [1, 2, 3] },
      { tags: ['a', 'b', 'c', 'd', 'e', 'f'], scores: [1, 2, 3] },
      { tags: ['a'], scores: [1, 2] },
      { tags: ['a', 1], scores: [1, 2, 3] },
    ],
  },
  {
    name: 'tuple-closed',
    schema: { type: 'array', prefixItems: [text, integer, boolean], items: false, minItems: 2 },
    instances: [['a', 1], ['a', 1, true], ['a'], ['a', 1, true, null], [1, 'a'], ['a', 1, 'b']],
  },
  {
    name: 'tuple-open',
    schema: { type: 'array', prefixItems: [{ enum: ['add', 'multiply'] }, number], items: number, minItems: 3 },
    instances: [
      ['add', 1, 2],
      ['multiply', 1, 2, 3, 4.5],
      ['add', 1],
      ['divide', 1, 2],
      ['add', 1, 2, '3'],
      ['add', '1', 2],
    ],
  },
  {
    name: 'contains',
    schema: {
      type: 'array',
      items: { type: ['integer', 'string'] },
      contains: { const: 'stop' },
      minContains: 1,
      maxContains: 2,
      maxItems: 20,
    },
    instances: [['stop'], [1, 'stop', 2, 'go'], ['stop', 'stop'], [], [1, 'go'], ['stop', 'stop', 'stop'], ['stop', true]],
  },
  {
    name: 'contains-of-objects',
    schema: {
      type: 'array',
      items: closed({ role: { enum: ['user', 'assistant'] }, content: text }),
      contains: { properties: { role: { const: 'user' } }, required: ['role'] },
      minContains: 2,
    },
    instances: [
      [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
        { role: 'user', content: 'c' },
      ],
      [{ role: 'user', content: 'a' }],
      [
        { role: 'assistant', content: 'a' },
        { role: 'user', content: 'b' },
      ],
      [],
    ],
  },
  {
    name: 'unique-choices',
    schema: closed({ days: list({ enum: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] }, { uniqueItems: true, minItems: 1 }) }),
    instances: [{ days: ['mon'] }, { days: ['sun', 'mon', 'fri'] }, { days: ['mon', 'mon'] }, { days: [] }, { days: ['monday'] }],
  },
  {
    name: 'matrix',
    schema: list(list(list(integer, { minItems: 2, maxItems: 3 }), { minItems: 1 }), { minItems: 1 }),
    instances: [
      [[[1, 2]]],
      [
        [
          [1, 2, 3],
          [4, 5],
        ],
        [[6, 7]],
      ],
      [[[1]]],
      [[[1, 2, 3, 4]]],
      [[]],
      [],
      [[[1, 2.5]]],
    ],
  },
  {
    name: 'list-of-objects',
    schema: list(
      closed({ id: integer, name: text, price: number, tags: list(text), dimensions: closed({ width: number, height: number }) }, [
        'id',
        'name',
        'price',
      ]),
    ),
    instances: [
      [],
      Array.from({ length: 12 }, (_, i) => ({
        id: i,
        name: `Item ${i}`,
        price: i * 1.25,
        tags: ['x', 'y'],
        dimensions: { width: i, height: 2 * i },
      })),
      [{ id: 1, name: 'a', price: 1 }],
      [{ id: 1, name: 'a' }],
      [{ id: 1, name: 'a', price: 1, dimensions: { width: 1 } }],
      [{ id: 1.5, name: 'a', price: 1 }],
    ],
  },
  {
    name: 'unevaluated-items',
    schema: { type: 'array', allOf: [{ prefixItems: [text] }, { prefixItems: [true, integer] }], unevaluatedItems: false },
    instances: [[], ['a'], ['a', 1], ['a', 1, 2], [1], ['a', 'b']],
  },
  {
    name: 'five-hundred-items',
    schema: list(integer, { minItems: 500, maxItems: 1000 }),
    instances: [Array.from({ length: 500 }, (_, i) => i), Array.from({ length: 499 }, (_, i) => i), Array.from({ length: 1001 }, () => 0)],
  },
]
