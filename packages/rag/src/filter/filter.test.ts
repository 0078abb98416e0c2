import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareCodePoints } from '../order.js'
import { matches } from './predicate.js'
import { filterToSql } from './sql.js'
import type { Filter } from './types.js'

const item = { sourceId: 'docs/a.md', metadata: { year: 1960, lang: 'en', draft: false, tags: ['x', 'y', 3], empty: null } }
const holds = (filter: Filter) => matches(filter, item)

describe('matches', () => {
  it.each<[Filter, boolean]>([
    [{ eq: ['year', 1960] }, true],
    [{ eq: ['year', '1960'] }, false],
    [{ eq: ['$source', 'docs/a.md'] }, true],
    [{ eq: ['none', 1] }, false],
    [{ ne: ['none', 1] }, true],
    [{ ne: ['year', 1960] }, false],
    [{ in: ['lang', ['de', 'en']] }, true],
    [{ in: ['lang', []] }, false],
    [{ gt: ['year', 1959.5] }, true],
    [{ gt: ['year', '1'] }, false],
    [{ gte: ['year', 1960] }, true],
    [{ lt: ['lang', 'eo'] }, true],
    [{ lte: ['none', 1] }, false],
    [{ lt: ['draft', 1] }, false],
    [{ contains: ['tags', 'x'] }, true],
    [{ contains: ['tags', '3'] }, false],
    [{ contains: ['tags', 3] }, true],
    [{ contains: ['lang', 'n'] }, true],
    [{ contains: ['year', 1960] }, false],
    [{ exists: 'draft' }, true],
    [{ exists: 'empty' }, false],
    [{ exists: 'toString' }, false],
    [{ and: [] }, true],
    [{ or: [] }, false],
    [{ and: [{ eq: ['lang', 'en'] }, { not: { eq: ['draft', true] } }] }, true],
    [{ or: [{ eq: ['lang', 'de'] }, { exists: 'none' }] }, false],
  ])('%j is %s', (filter, expected) => expect(holds(filter)).toBe(expected))

  it.each<[unknown, RegExp]>([
    [{}, /exactly one of eq/],
    [{ eq: ['a', 1], ne: ['b', 2] }, /join several with/],
    [{ eq: ['a'] }, /field and value/],
    [{ eq: ['a', null] }, /not: \{ exists/],
    [{ gt: ['a', true] }, /not booleans/],
    [{ gt: ['a', Number.NaN] }, /finite number/],
    [{ in: ['a', 'b'] }, /array of values/],
    [{ and: { eq: ['a', 1] } }, /array of filters/],
    [{ eq: ['$id', 1] }, /\$source/],
    [{ near: ['a', 1] }, /exactly one of/],
    ['a', /must be an object/],
  ])('refuses %j', (filter, message) => {
    expect(() => holds(filter as Filter)).toThrow(message)
    expect(() => holds(filter as Filter)).toThrow(expect.objectContaining({ code: 'FILTER' }))
  })
})

it('compareCodePoints orders as UTF-8 bytes do', () => {
  const text = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(
      text,
      text,
      (a, b) => Math.sign(compareCodePoints(a, b)) === Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8')),
    ),
  )
  expect(compareCodePoints('\u{10000}', '\uffff')).toBeGreaterThan(0)
})

describe('filterToSql', () => {
  const options = { metadata: 'm', source: 's', firstParameter: 3 }

  it('binds every field and value', () => {
    const evil = "'; DROP TABLE chunks; --"
    const { sql, parameters } = filterToSql({ and: [{ eq: [evil, evil] }, { contains: ['t', evil] }, { gt: ['year', 1] }] }, options)
    expect(sql).not.toContain('DROP')
    expect(parameters).toEqual([evil, JSON.stringify(evil), 't', JSON.stringify(evil), evil, 'year', '1'])
    expect(
      [...sql.matchAll(/\$(\d+)/g)]
        .map(([, n]) => Number(n))
        .sort((a, b) => a - b)
        .at(-1),
    ).toBe(9)
  })

  it('is never NULL, so that negation is as in JavaScript', () => {
    expect(filterToSql({ not: { eq: ['a', 1] } }, options).sql).toBe('(NOT coalesce((m -> $3::text) = $4::text::jsonb, false))')
    expect(filterToSql({ or: [] }, options)).toEqual({ sql: 'false', parameters: [] })
  })
})
