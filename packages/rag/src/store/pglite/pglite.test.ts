import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { random } from '@tesserae/core'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { matches } from '../../filter/predicate.js'
import { filterToSql } from '../../filter/sql.js'
import type { Filter, FilterValue } from '../../filter/types.js'
import { chunkStoreConformance } from '../../testing/chunk-store.js'
import { makeChange, makeManifest } from '../../testing/fixture.js'
import type { ChunkStore } from '../types.js'
import { pglite, type PgliteOptions } from './open.js'
import { byIndex, searchVectors } from './schema.js'

// Starting PostgreSQL takes seconds, so the tests of what is inside share one, each with a schema of its own.
let client: PGlite
let schemas = 0
beforeAll(async () => {
  client = await PGlite.create({ extensions: { vector } })
}, 120_000)
afterAll(async () => client.close())

const places = new WeakMap<ChunkStore, PgliteOptions>()
function make(options: PgliteOptions = { client, schema: `test_${schemas++}` }): ChunkStore {
  const store = pglite(options)
  places.set(store, options)
  return store
}
const kit = (more: PgliteOptions) => ({
  make: () => make({ client, schema: `test_${schemas++}`, ...more }),
  reopen: (store: ChunkStore) => make(places.get(store)!),
})

describe('exact', () => {
  chunkStoreConformance({ describe, it }, kit({}))
})

// A limit of 2 makes nearly every search go through HNSW, filters and deletions included.
describe('HNSW', () => {
  chunkStoreConformance({ describe, it }, kit({ flatLimit: 2 }))
})

describe('HNSW in PostgreSQL', () => {
  it('is used above the limit, finds what exact search finds, and k hits under a filter', async () => {
    const schema = `test_${schemas++}`
    const store = make({ client, schema, flatLimit: 100 })
    await store.open(makeManifest())
    const stream = random(7).stream('clusters')
    const centres = Array.from({ length: 12 }, () => Array.from({ length: 8 }, () => stream.normal()))
    const near = (i: number) => centres[i % 12]!.map((x) => x + 0.3 * stream.normal())
    for (let s = 0; s < 20; s++) {
      const texts = Array.from({ length: 60 }, (_, i) => `chunk ${s} ${i}`)
      await store.applySource(makeChange(`s${s}`, texts, { vectors: texts.map((_, i) => near(i)), metadata: { s, some: s % 7 === 0 } }))
    }
    let common = 0
    for (let q = 0; q < 20; q++) {
      const query = Float32Array.from(near(q))
      const approximate = await store.vector(query, { k: 10 })
      const exact = await store.vector(query, { k: 10, exact: true })
      expect([approximate.exact, exact.exact]).toEqual([false, true])
      const ids = new Set(exact.hits.map(({ chunk }) => chunk.id))
      common += approximate.hits.filter(({ chunk }) => ids.has(chunk.id)).length
      const filtered = await store.vector(query, { k: 40, where: { eq: ['some', true] } })
      expect(filtered.hits).toHaveLength(40)
      expect(filtered.hits.every(({ chunk }) => chunk.metadata['some'] === true)).toBe(true)
    }
    expect(common / 200).toBeGreaterThan(0.95)
    const { sql, parameters } = filterToSql({ eq: ['some', true] }, { metadata: 's.metadata', source: 's.source_id', firstParameter: 3 })
    for (const [where, values] of [['', []] as const, [sql, parameters] as const]) {
      const plan = await client.transaction(async (transaction) => {
        await transaction.exec(byIndex(40))
        const statement = `EXPLAIN ${searchVectors(`"${schema}"`, where, false)}`
        return await transaction.query<{ 'QUERY PLAN': string }>(statement, ['[1,0,0,0,0,0,0,0]', 10, ...values])
      })
      const lines = plan.rows.map((row) => row['QUERY PLAN']).join('\n')
      expect(lines).toContain('Index Scan using chunks_by_meaning')
    }
    await store.close()
  })
})

describe('filters', () => {
  const field = fc.constantFrom('a', 'b', 'ü "key"', '$source')
  const value = fc.oneof(
    fc.constantFrom<FilterValue>('x', 'xy', 'Y', 'ä', '', '1', "it's", '%', '😀', '\uffee'),
    fc.constantFrom<FilterValue>(0, 1, -1, 1.5, 1e300, 5e-324, 0.1, 9007199254740991, true, false),
  )
  const ordered = fc.constantFrom<string | number>('x', 'Y', 'ä', '😀', '\uffee', '', 0, 1, 1.5, -1, 1e300, 0.1)
  const leaf: fc.Arbitrary<Filter> = fc.oneof(
    fc.tuple(field, value).map(([name, v]) => ({ eq: [name, v] as const })),
    fc.tuple(field, value).map(([name, v]) => ({ ne: [name, v] as const })),
    fc.tuple(field, fc.array(value, { maxLength: 3 })).map(([name, v]) => ({ in: [name, v] as const })),
    fc.tuple(field, ordered).map(([name, v]) => ({ gt: [name, v] as const })),
    fc.tuple(field, ordered).map(([name, v]) => ({ gte: [name, v] as const })),
    fc.tuple(field, ordered).map(([name, v]) => ({ lt: [name, v] as const })),
    fc.tuple(field, ordered).map(([name, v]) => ({ lte: [name, v] as const })),
    fc.tuple(field, value).map(([name, v]) => ({ contains: [name, v] as const })),
    field.map((name) => ({ exists: name })),
  )
  const filter = fc.letrec<{ filter: Filter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      leaf,
      fc.array(tie('filter'), { maxLength: 3 }).map((filters) => ({ and: filters })),
      fc.array(tie('filter'), { maxLength: 3 }).map((filters) => ({ or: filters })),
      tie('filter').map((inner) => ({ not: inner })),
    ),
  })).filter
  const item = fc.record({
    sourceId: fc.constantFrom('x', 'Y', 'ä', '😀', '\uffee', '1'),
    metadata: fc.dictionary(fc.constantFrom('a', 'b', 'ü "key"'), fc.oneof(value, fc.constant(null), fc.array(value, { maxLength: 3 })), {
      maxKeys: 3,
    }),
  })

  it('select the same rows in SQL as in JavaScript', async () => {
    await client.exec('CREATE TABLE items (number integer, source_id text COLLATE "C", metadata jsonb)')
    await fc.assert(
      fc.asyncProperty(
        fc.array(item, { minLength: 1, maxLength: 8 }),
        fc.array(filter, { minLength: 1, maxLength: 5 }),
        async (items, filters) => {
          await client.exec('TRUNCATE items')
          await client.query(
            'INSERT INTO items SELECT * FROM jsonb_to_recordset($1::text::jsonb) AS t (number integer, source_id text, metadata jsonb)',
            [JSON.stringify(items.map(({ sourceId, metadata }, number) => ({ number, source_id: sourceId, metadata })))],
          )
          for (const where of filters) {
            const { sql, parameters } = filterToSql(where, { metadata: 'metadata', source: 'source_id' })
            const { rows } = await client.query<{ number: number }>(`SELECT number FROM items WHERE ${sql} ORDER BY number`, [
              ...parameters,
            ])
            const expected = items.flatMap((one, i) => (matches(where, one) ? [i] : []))
            expect(rows.map(({ number }) => number)).toEqual(expected)
          }
        },
      ),
      { numRuns: 150 },
    )
  })
})

describe('pglite', () => {
  it('refuses what does not go together or is no name', () => {
    expect(() => pglite({ dir: 'a', idb: 'b' })).toThrow(/exclude one another/)
    expect(() => pglite({ schema: 'x"; DROP TABLE y; --' })).toThrow(/schema must be/)
    expect(() => pglite({ hnsw: { m: 16, efConstruction: 20 } })).toThrow(/from 32 \(twice m\) to 1000, got 20/)
  })

  it('keeps several indexes of one database apart', async () => {
    const [a, b] = [make(), make()]
    await a.open(makeManifest())
    await b.open({ ...makeManifest(), analyzer: 'other/1' })
    await a.applySource(makeChange('s', ['alpha']))
    expect((await b.stats()).chunks).toBe(0)
    await a.close()
    await b.close()
    await expect(a.stats()).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('says in its own words that a database failed', async () => {
    const schema = `test_${schemas++}`
    const store = make({ client, schema })
    await store.open(makeManifest())
    await client.exec(`DROP SCHEMA "${schema}" CASCADE`)
    await expect(store.stats()).rejects.toMatchObject({ code: 'STORE', message: /could not count: .*does not exist/ })
    await store.close()
  })
})
