import { expect, it } from 'vitest'
import { closedSchema } from './closed-schema.js'

it('closes objects that name their members, at every depth', () => {
  const point = { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] }
  expect(closedSchema({ type: 'array', items: point })).toEqual({ type: 'array', items: { ...point, additionalProperties: false } })
  expect(closedSchema({ anyOf: [point], $defs: { point } })).toEqual({
    anyOf: [{ ...point, additionalProperties: false }],
    $defs: { point: { ...point, additionalProperties: false } },
  })
})

it('leaves those open that say so, or that closing could leave without a value', () => {
  for (const schema of [
    true,
    { type: 'object' },
    { properties: { a: true }, additionalProperties: true },
    { properties: { a: true }, required: ['b'] },
    { properties: { a: true }, minProperties: 2 },
    { allOf: [{ properties: { a: true } }, { properties: { b: true } }] },
    { properties: { a: true }, anyOf: [{ required: ['b'] }] },
  ])
    expect(closedSchema(schema)).toEqual(schema)
})
