import { closed, integer, list, number, text, type SchemaCase } from './case.js'
import type { JsonSchema, JsonValue } from '@tesserae/sampling/grammar'

const nest = (depth: number, inner: JsonValue, wrap: (value: JsonValue) => JsonValue): JsonValue => {
  let value = inner
  for (let i = 0; i < depth; i++) value = wrap(value)
  return value
}
const ref = (name: string): JsonSchema => ({ $ref: `#/$defs/${name}` })

const expression: JsonSchema = {
  $ref: '#/$defs/expression',
  $defs: {
    expression: { anyOf: [ref('number'), ref('name'), ref('binary'), ref('call'), ref('lambda')] },
    number: closed({ type: { const: 'number' }, value: number }),
    name: closed({ type: { const: 'name' }, name: { type: 'string', pattern: '^[A-Za-z_][A-Za-z0-9_]*$' } }),
    binary: closed({
      type: { const: 'binary' },
      operator: { enum: ['+', '-', '*', '/', '==', '<'] },
      left: ref('expression'),
      right: ref('expression'),
    }),
    call: closed({ type: { const: 'call' }, callee: ref('expression'), arguments: list(ref('expression'), { maxItems: 8 }) }),
    lambda: closed({ type: { const: 'lambda' }, parameters: list(ref('name')), body: ref('statements') }),
    statements: list({ anyOf: [ref('expression'), ref('assignment'), ref('if')] }),
    assignment: closed({ type: { const: 'assign' }, to: ref('name'), value: ref('expression') }),
    if: closed({ type: { const: 'if' }, test: ref('expression'), body: ref('statements'), otherwise: ref('statements') }, [
      'type',
      'test',
      'then',
    ]),
  },
}

const name = (value: string): JsonValue => ({ type: 'name', name: value })

export const recursiveCases: readonly SchemaCase[] = [
  {
    name: 'tree',
    schema: { $ref: '#/$defs/node', $defs: { node: closed({ value: integer, children: list(ref('node')) }) } },
    instances: [
      { value: 1, children: [] },
      {
        value: 1,
        children: [
          { value: 2, children: [{ value: 3, children: [] }] },
          { value: 4, children: [] },
        ],
      },
      { value: 1, children: [{ value: 2 }] },
      { value: 1, children: [1] },
      { value: 'a', children: [] },
    ],
  },
  {
    name: 'linked-list',
    schema: { $ref: '#/$defs/link', $defs: { link: closed({ item: text, next: { anyOf: [ref('link'), { type: 'null' }] } }) } },
    instances: [
      { item: 'a', next: null },
      nest(20, { item: 'end', next: null }, (next) => ({ item: 'x', next })),
      { item: 'a', next: {} },
      { item: 'a' },
      nest(20, { item: 'end', next: 0 }, (next) => ({ item: 'x', next })),
    ],
  },
  {
    name: 'depth-500',
    schema: {
      $ref: '#/$defs/box',
      $defs: { box: closed({ inside: { anyOf: [ref('box'), { type: 'array', items: ref('box') }, { type: 'null' }] } }) },
    },
    instances: [
      nest(500, null, (inside) => ({ inside })),
      nest(250, { inside: null }, (inside) => ({ inside: [inside] })),
      { inside: [] },
      nest(500, { inside: 1 }, (inside) => ({ inside })),
      nest(100, {}, (inside) => ({ inside })),
    ],
  },
  {
    name: 'depth-500-of-anything',
    schema: { type: 'array' },
    instances: [nest(499, [], (inner) => [inner]), [nest(400, 1, (a) => ({ a }))], [], {}, 0],
  },
  {
    name: 'json-itself',
    schema: {
      $ref: '#/$defs/value',
      $defs: {
        value: {
          anyOf: [
            { type: 'null' },
            { type: 'boolean' },
            number,
            text,
            { type: 'array', items: ref('value') },
            { type: 'object', additionalProperties: ref('value') },
          ],
        },
      },
    },
    instances: [
      null,
      -12.5e-3,
      'tab\tquote" \u2028',
      [[], {}, [true, [false]]],
      { name: 'Zoë 😀', list: [1, 2, { deep: [[], [[3.25]], 'x'.repeat(50)] }], more: { a: { b: { c: null } } }, t: true },
    ],
  },
  {
    name: 'syntax-tree',
    schema: expression,
    instances: [
      { type: 'number', value: 1 },
      {
        type: 'binary',
        operator: '+',
        left: { type: 'number', value: 1.5 },
        right: { type: 'call', callee: name('f'), arguments: [name('x'), { type: 'number', value: -2 }] },
      },
      {
        type: 'lambda',
        parameters: [name('x')],
        body: [
          { type: 'assign', to: name('y'), value: { type: 'binary', operator: '*', left: name('x'), right: name('x') } },
          {
            type: 'if',
            test: { type: 'binary', operator: '<', left: name('y'), right: { type: 'number', value: 3 } },
            body: [name('y')],
            otherwise: [],
          },
        ],
      },
      { type: 'binary', operator: '%', left: name('x'), right: name('x') },
      { type: 'name', name: '1x' },
      { type: 'call', callee: name('f'), arguments: Array.from({ length: 9 }, () => name('x')) },
      { type: 'lambda', parameters: [{ type: 'number', value: 1 }], body: [] },
      { type: 'if', test: name('x'), body: [] },
    ],
  },
  {
    name: 'interface-of-components',
    schema: {
      $ref: '#/$defs/component',
      $defs: {
        component: closed({
          type: { enum: ['div', 'button', 'header', 'section', 'field', 'form'] },
          label: text,
          children: list(ref('component')),
          attributes: list(closed({ name: text, value: text })),
        }),
      },
    },
    instances: [
      { type: 'div', label: '', children: [], attributes: [] },
      {
        type: 'form',
        label: 'Sign up',
        children: [
          { type: 'field', label: 'Name', children: [], attributes: [{ name: 'required', value: 'true' }] },
          { type: 'button', label: 'Go', children: [], attributes: [] },
        ],
        attributes: [{ name: 'class', value: 'wide' }],
      },
      { type: 'span', label: '', children: [], attributes: [] },
      { type: 'div', label: '', children: [{}], attributes: [] },
      { type: 'div', label: '', children: [], attributes: [{ name: 'a' }] },
    ],
  },
  {
    name: 'two-that-name-each-other',
    schema: {
      $ref: '#/$defs/folder',
      $defs: {
        folder: closed({ name: text, entries: list({ oneOf: [ref('file'), ref('folder')] }) }),
        file: closed({ name: text, size: { ...integer, minimum: 0 }, link: { anyOf: [ref('file'), { type: 'null' }] } }),
      },
    },
    instances: [
      { name: '/', entries: [] },
      {
        name: '/',
        entries: [
          { name: 'a.txt', size: 10, link: null },
          { name: 'src', entries: [{ name: 'b', size: 0, link: { name: 'c', size: 1, link: null } }] },
        ],
      },
      { name: '/', entries: [{ name: 'a.txt', size: -1, link: null }] },
      { name: '/', entries: [{ name: 'a.txt' }] },
      { name: '/', entries: [{ name: 'a.txt', size: 1, link: { name: 'f', entries: [] } }] },
    ],
  },
]
