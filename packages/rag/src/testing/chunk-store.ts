import { random } from '@tesserae/core'
import { matches } from '../filter/predicate.js'
import type { Filter } from '../filter/types.js'
import { decodeVector } from '../store/jsonl.js'
import type { ChunkStore, SourceChange, StoreHit } from '../store/types.js'
import { countWords, dimensions, makeChange, makeManifest, vectorOf } from './fixture.js'
import { assertEqual, assertNear, assertRejects, assertTrue } from './assert.js'

/** What a test runner offers; Vitest, Jest and node:test all do, and `collectTests` does in a page. */
export interface TestRunner {
  readonly describe: (name: string, body: () => void) => void
  readonly it: (name: string, body: () => Promise<void>) => void
}

export interface StoreMaker {
  /** A store in an empty place of its own, not open yet. */
  make(): Promise<ChunkStore> | ChunkStore
  /** A further store on the place of one that `make` made; leave it out where nothing outlives a store. */
  reopen?(store: ChunkStore): Promise<ChunkStore> | ChunkStore
  /** Called after each test with every store that was made. */
  cleanUp?(stores: readonly ChunkStore[]): Promise<void> | void
}

const codes = (hits: readonly StoreHit[]) => hits.map(({ chunk }) => chunk.text)

/**
 * Describes what every {@link ChunkStore} does. Runs anywhere: assertions are its own.
 *
 * @example
 * chunkStoreConformance({ describe, it }, { make: () => memoryStore() })
 */
export function chunkStoreConformance({ describe, it }: TestRunner, maker: StoreMaker): void {
  const test = (
    name: string,
    body: (open: (manifest?: ReturnType<typeof makeManifest>) => Promise<ChunkStore>, made: ChunkStore[]) => Promise<void>,
  ) =>
    it(name, async () => {
      const made: ChunkStore[] = []
      const open = async (manifest = makeManifest()) => {
        const store = await maker.make()
        made.push(store)
        await store.open(manifest)
        return store
      }
      try {
        await body(open, made)
      } finally {
        for (const store of made) await store.close()
        await maker.cleanUp?.(made)
      }
    })

  describe('ChunkStore', () => {
    test('gives back what was applied, in order', async (open) => {
      const store = await open()
      const change = makeChange('docs/ä 1.md', ['first text', 'second text', 'first text'], {
        metadata: { year: 1960, tags: ['a', 'b'], draft: false, note: 'it’s "quoted" \\ %_' },
        title: 'Ein Titel',
        scope: 'docs',
      })
      await store.applySource(change)
      assertEqual(await store.source('docs/ä 1.md'), change.source)
      assertEqual(await store.source('none'), undefined)
      assertEqual(
        await store.chunksOf('docs/ä 1.md'),
        change.upsert.map(({ id }) => ({ id, embedded: true })),
      )
      assertEqual(await store.chunksOf('none'), [])
      const [, second] = change.upsert
      const { terms: _, vector: __, ...chunk } = second!
      assertEqual(await store.get([second!.id, 'none']), [chunk, undefined])
      assertEqual(await store.stats(), { sources: 1, chunks: 3, vectors: 3, terms: 3 })
      const [vector, none] = await store.vectors([second!.id, 'none'])
      assertNear(Array.from(vector!), unit(Array.from(second!.vector!)), 1e-6)
      assertEqual(none, undefined)
    })

    test('replaces what changed, keeps what did not, and keeps vectors that are not given again', async (open) => {
      const store = await open()
      const before = makeChange('a', ['alpha', 'beta', 'gamma'])
      await store.applySource(before)
      const after = makeChange('a', ['zero', 'beta', 'gamma'], {
        previous: before,
        vectors: [vectorOf('zero'), null, null],
        metadata: { v: 2 },
      })
      assertEqual(after.remove.length, 1)
      await store.applySource(after)
      assertEqual(
        await store.chunksOf('a'),
        after.upsert.map(({ id }) => ({ id, embedded: true })),
      )
      assertEqual((await store.lexical(['alpha'], { k: 5 })).hits.length, 0)
      assertEqual(codes((await store.lexical(['zero'], { k: 5 })).hits), ['zero'])
      assertEqual(codes((await store.vector(Float32Array.from(vectorOf('beta')), { k: 1 })).hits), ['beta'])
      const [hit] = (await store.lexical(['beta'], { k: 5, where: { eq: ['v', 2] } })).hits
      assertEqual([hit?.chunk.start, hit?.chunk.index], [4, 1])
      assertEqual(await store.stats(), { sources: 1, chunks: 3, vectors: 3, terms: 3 })
    })

    test('leaves chunks alone that a change does not name', async (open) => {
      const store = await open()
      const before = makeChange('a', ['alpha', 'beta', 'gamma'])
      await store.applySource(before)
      await store.applySource({ source: { ...before.source, hash: 'other' }, upsert: [], remove: [before.upsert[2]!.id] })
      assertEqual(
        (await store.chunksOf('a')).map(({ id }) => id),
        before.upsert.slice(0, 2).map(({ id }) => id),
      )
      assertEqual((await store.source('a'))?.hash, 'other')
    })

    test('applies a change whole or not at all', async (open) => {
      const store = await open()
      const before = makeChange('a', ['alpha', 'beta'])
      await store.applySource(before)
      const after = makeChange('a', ['gamma', 'delta'], { previous: before, vectors: [vectorOf('gamma'), [1, 2, 3]] })
      await assertRejects(store.applySource(after), 'OPTION')
      assertEqual((await store.source('a'))?.hash, before.source.hash)
      assertEqual(
        (await store.chunksOf('a')).map(({ id }) => id),
        before.upsert.map(({ id }) => id),
      )
      assertEqual((await store.lexical(['gamma'], { k: 5 })).hits.length, 0)
    })

    test('deletes sources, by id and by filter, with everything of theirs', async (open) => {
      const store = await open()
      for (const [i, id] of ['a', 'b', 'c', 'd'].entries())
        await store.applySource(makeChange(id, [`word${'xyzw'[i]} common`], { metadata: { i } }))
      assertEqual(await store.deleteSources(['a', 'none', 'a']), 1)
      assertEqual(await store.deleteWhere({ or: [{ gte: ['i', 3] }, { eq: ['$source', 'b'] }] }), 2)
      assertEqual(
        (await store.sources()).map(({ sourceId }) => sourceId),
        ['c'],
      )
      assertEqual(codes((await store.lexical(['common'], { k: 10 })).hits), ['wordz common'])
      assertEqual((await store.vector(Float32Array.from(vectorOf('x')), { k: 10 })).hits.length, 1)
      assertEqual(await store.stats(), { sources: 1, chunks: 1, vectors: 1, terms: 2 })
    })

    test('lists sources by code points, and those of a scope', async (open) => {
      const store = await open()
      for (const id of ['b', 'a', 'B', 'ä', '\u{1f600}', '\uffee'])
        await store.applySource(makeChange(id, ['x'], { scope: id < 'b' ? 'one' : 'two' }))
      assertEqual(
        (await store.sources()).map(({ sourceId }) => sourceId),
        ['B', 'a', 'b', 'ä', '\uffee', '\u{1f600}'],
      )
      assertEqual(
        (await store.sources({ scope: 'one' })).map(({ sourceId }) => sourceId),
        ['B', 'a'],
      )
    })

    test('ranks by BM25 over the whole index', async (open) => {
      const store = await open()
      const texts = ['the wing lifts', 'the wing wing wing of a plane in the wind', 'heat flows in the slab', 'plane', 'the the the']
      for (const [i, text] of texts.entries()) await store.applySource(makeChange(`s${i}`, [text], { metadata: { even: i % 2 === 0 } }))
      for (const [query, options] of [
        [['wing'], {}],
        [['the', 'wing', 'plane'], {}],
        [['wing', 'wing', 'heat'], { k1: 0.9, b: 0.3 }],
        [['slab', 'plane'], { k1: 2, b: 1 }],
        [['the'], { k1: 0, b: 0 }],
      ] as const) {
        const { hits, exact } = await store.lexical(query, { k: 10, ...options })
        const expected = bm25(texts, query, options)
        assertEqual(exact, true)
        assertEqual(new Map(hits.map(({ chunk }) => [chunk.text, 0])).size, hits.length)
        assertEqual(hits.length, expected.size)
        for (const { chunk, score } of hits) assertNear([score], [expected.get(chunk.text)!], 1e-6)
        assertTrue(
          hits.every(({ score }, i) => i === 0 || score <= hits[i - 1]!.score),
          'hits come best first',
        )
      }
      const filtered = await store.lexical(['the'], { k: 2, where: { eq: ['even', true] } })
      for (const { chunk, score } of filtered.hits) assertNear([score], [bm25(texts, ['the'], {}).get(chunk.text)!], 1e-6)
      assertEqual(filtered.hits.length, 2)
      assertEqual((await store.lexical([], { k: 3 })).hits, [])
      assertEqual((await store.lexical(['unknown'], { k: 3 })).hits, [])
    })

    test('counts the chunks that have a term', async (open) => {
      const store = await open()
      const change = makeChange('a', ['wing wing', 'wing lift', 'heat'])
      await store.applySource(change)
      const frequencies = await store.frequencies(['wing', 'heat', 'none', 'wing'])
      assertEqual(frequencies.chunks, 3)
      assertEqual([...frequencies.containing].sort(), [
        ['heat', 1],
        ['none', 0],
        ['wing', 2],
      ])
      await store.applySource({ source: change.source, upsert: [], remove: [change.upsert[0]!.id] })
      assertEqual((await store.frequencies(['wing'])).containing.get('wing'), 1)
    })

    test('finds the nearest by cosine, whatever the lengths of vectors', async (open) => {
      const store = await open()
      const e = (i: number, size: number, j = i) => Array.from({ length: dimensions }, (_, n) => (n === i || n === j ? size : 0))
      await store.applySource(makeChange('a', ['x', 'xy', 'y', 'none'], { vectors: [e(0, 100), e(0, 0.01, 1), e(1, 1), null] }))
      const { hits } = await store.vector(Float32Array.from(e(0, 3)), { k: 10 })
      assertEqual(codes(hits), ['x', 'xy', 'y'])
      assertNear(
        hits.map(({ score }) => score),
        [1, Math.SQRT1_2, 0],
        1e-6,
      )
      assertEqual(
        (await store.chunksOf('a')).map(({ embedded }) => embedded),
        [true, true, true, false],
      )
      await assertRejects(store.vector(new Float32Array(3), { k: 1 }), 'OPTION')
      await assertRejects(store.vector(Float32Array.from(e(0, 1)), { k: 0 }), 'OPTION')
    })

    test('returns k hits under any filter that k chunks satisfy', async (open) => {
      const store = await open()
      const stream = random(5).stream('filters')
      const changes: SourceChange[] = []
      for (let i = 0; i < 60; i++) {
        const metadata = {
          n: i,
          mod: i % 7,
          lang: ['en', 'de', 'fr'][i % 3]!,
          tags: i % 4 === 0 ? ['t', `u${i % 5}`] : [],
          ...(i % 10 === 0 ? { rare: true } : {}),
        }
        const change = makeChange(`s${String(i).padStart(2, '0')}`, [`common text ${'abcdefghij'[i % 10]} one`, `common text two`], {
          metadata,
        })
        changes.push(change)
        await store.applySource(change)
      }
      const filters: Filter[] = [
        { eq: ['rare', true] },
        { ne: ['rare', true] },
        { in: ['lang', ['de', 'fr']] },
        { and: [{ gt: ['n', 20] }, { lte: ['mod', 2] }] },
        { or: [{ contains: ['tags', 'u3'] }, { lt: ['lang', 'dz'] }] },
        { not: { exists: 'rare' } },
        { contains: ['lang', 'e'] },
        { gte: ['$source', 's55'] },
        { eq: ['n', 7] },
        { eq: ['n', '7'] },
      ]
      for (const where of filters) {
        const query = Float32Array.from({ length: dimensions }, () => stream.normal())
        const matching = changes.flatMap(({ upsert }) => upsert).filter((chunk) => matches(where, chunk))
        const expected = matching
          .map(({ id, vector }) => ({ id, score: cosine(query, vector!) }))
          .sort((a, b) => b.score - a.score)
          .slice(0, 10)
        const found = await store.vector(query, { k: 10, where, exact: true })
        assertNear(
          found.hits.map(({ score }) => score),
          expected.map(({ score }) => score),
          1e-5,
        )
        assertTrue(
          found.hits.every(({ chunk }) => matches(where, chunk)),
          `only matching chunks for ${JSON.stringify(where)}`,
        )
        assertEqual((await store.vector(query, { k: 10, where })).hits.length, expected.length)
        const lexical = await store.lexical(['common'], { k: 10, where })
        assertEqual(lexical.hits.length, Math.min(10, matching.length))
        assertTrue(
          lexical.hits.every(({ chunk }) => matches(where, chunk)),
          `only matching chunks for ${JSON.stringify(where)}`,
        )
      }
      await assertRejects(store.lexical(['common'], { k: 1, where: { eq: ['a'] } as unknown as Filter }), 'FILTER')
    })

    test('orders equal scores by id', async (open) => {
      const store = await open()
      for (const id of ['c', 'a', 'b', 'd'])
        await store.applySource(makeChange(id, ['same words'], { vectors: [[1, 0, 0, 0, 0, 0, 0, 0]] }))
      const ids = async (result: Promise<{ hits: readonly StoreHit[] }>) => (await result).hits.map(({ chunk }) => chunk.id)
      const expected = ['c', 'a', 'b', 'd'].map((id) => makeChange(id, ['same words']).upsert[0]!.id).sort()
      assertEqual(await ids(store.lexical(['same'], { k: 3 })), expected.slice(0, 3))
      assertEqual(await ids(store.vector(Float32Array.of(1, 0, 0, 0, 0, 0, 0, 0), { k: 3 })), expected.slice(0, 3))
    })

    test('knows the chunks beside one', async (open) => {
      const store = await open()
      const change = makeChange('a', ['one', 'two', 'three', 'four', 'five'])
      await store.applySource(change)
      await store.applySource(makeChange('b', ['other']))
      const beside = async (i: number, window: number) => (await store.neighbours(change.upsert[i]!.id, { window })).map(({ text }) => text)
      assertEqual(await beside(2, 1), ['two', 'three', 'four'])
      assertEqual(await beside(0, 2), ['one', 'two', 'three'])
      assertEqual(await beside(4, 0), ['five'])
      assertEqual(await store.neighbours('none', { window: 1 }), [])
    })

    test('exports and imports without loss', async (open) => {
      const store = await open()
      await store.applySource(makeChange('a', ['alpha beta', 'gamma'], { metadata: { n: 0.1, tags: ['x', 1] }, title: 'T' }))
      await store.applySource(makeChange('b', ['delta'], { vectors: [null], scope: 'other' }))
      await store.applySource(makeChange('empty', []))
      const lines: string[] = []
      for await (const line of store.export()) lines.push(line)
      const copy = await open()
      await copy.applySource(makeChange('a', ['stale']))
      await copy.import(lines)
      const again: string[] = []
      for await (const line of copy.export()) again.push(line)
      assertEqual(again.map(comparable), lines.map(comparable))
      assertEqual(await copy.stats(), await store.stats())
      assertEqual((await copy.lexical(['stale'], { k: 1 })).hits, [])
      const other = await open(makeManifest('another'))
      await assertRejects(other.import(lines), 'MANIFEST')
      await assertRejects(copy.import([lines[0]!, '{"source":']), 'DATA')
      await assertRejects(copy.import(lines.slice(0, 2)), 'DATA')
    })

    test('stays the same through rebuild', async (open) => {
      const store = await open()
      for (let i = 0; i < 20; i++) await store.applySource(makeChange(`s${i}`, [`text ${'abcdefghijklmnopqrst'[i]}`]))
      await store.deleteSources(['s1', 's2', 's3'])
      const query = Float32Array.from(vectorOf('query'))
      const before = codes((await store.vector(query, { k: 5 })).hits)
      await store.rebuild()
      assertEqual(codes((await store.vector(query, { k: 5 })).hits), before)
    })

    test('stops at an aborted signal', async (open) => {
      const store = await open()
      await store.applySource(makeChange('a', ['alpha']))
      const signal = AbortSignal.abort()
      await assertRejects(store.vector(Float32Array.from(vectorOf('x')), { k: 1, signal }), 'ABORTED')
      await assertRejects(store.lexical(['alpha'], { k: 1, signal }), 'ABORTED')
    })

    test('refuses use before open and after close', async (_, made) => {
      const store = await maker.make()
      made.push(store)
      await assertRejects(store.stats(), 'STORE')
      await store.open(makeManifest())
      await store.close()
      await store.close()
      await assertRejects(store.stats(), 'CLOSED')
      await assertRejects(store.applySource(makeChange('a', ['x'])), 'CLOSED')
    })

    test('works without vectors', async (open) => {
      const store = await open({ ...makeManifest(), embedder: null })
      await store.applySource(makeChange('a', ['alpha beta'], { vectors: [null] }))
      assertEqual(codes((await store.lexical(['beta'], { k: 1 })).hits), ['alpha beta'])
      await assertRejects(store.vector(new Float32Array(dimensions).fill(1), { k: 1 }), 'OPTION')
      await assertRejects(store.applySource(makeChange('b', ['x'])), 'OPTION')
    })

    test('applies concurrent changes one after another', async (open) => {
      const store = await open()
      await Promise.all(
        Array.from({ length: 12 }, (_, i) => store.applySource(makeChange(`s${i}`, [`text ${i}`, 'shared'], { metadata: { i } }))),
      )
      assertEqual(await store.stats(), { sources: 12, chunks: 24, vectors: 24, terms: 2 })
    })

    const { reopen } = maker
    if (reopen === undefined) return

    test('keeps everything for the next opener', async (open, made) => {
      const store = await open()
      await store.applySource(makeChange('a', ['alpha beta', 'gamma'], { metadata: { n: 1 } }))
      await store.applySource(makeChange('b', ['delta']))
      await store.deleteSources(['b'])
      const lines: string[] = []
      for await (const line of store.export()) lines.push(line)
      await store.close()
      const next = await reopen(store)
      made.push(next)
      await next.open(makeManifest())
      const again: string[] = []
      for await (const line of next.export()) again.push(line)
      assertEqual(again.map(comparable), lines.map(comparable))
      assertEqual(codes((await next.lexical(['beta'], { k: 1 })).hits), ['alpha beta'])
    })

    test('refuses a second opener while the first is open', async (open, made) => {
      const store = await open()
      const second = await reopen(store)
      made.push(second)
      await assertRejects(second.open(makeManifest()), 'LOCKED')
      await store.applySource(makeChange('a', ['alpha']))
      await store.close()
      const third = await reopen(store)
      made.push(third)
      await third.open(makeManifest())
      assertEqual((await third.stats()).chunks, 1)
    })

    test('refuses another embedder or analyzer, and stays as it is', async (open, made) => {
      const store = await open()
      await store.applySource(makeChange('a', ['alpha']))
      await store.close()
      const again = async (manifest: ReturnType<typeof makeManifest>) => {
        const next = await reopen(store)
        made.push(next)
        await next.open(manifest)
        return next
      }
      const others = [
        makeManifest('another'),
        makeManifest('fixture', [0, 1, 0, 0, 0, 0, 0, 0]),
        { ...makeManifest(), embedder: null },
        { ...makeManifest(), analyzer: 'other/1' },
        { ...makeManifest(), format: 99 },
      ]
      for (const manifest of others) {
        const error = await assertRejects(again(manifest), 'MANIFEST')
        assertEqual((error as { expected?: unknown }).expected, manifest)
        assertEqual((error as { found?: { analyzer: string } }).found?.analyzer, 'words/1')
      }
      const next = await again(makeManifest('fixture', [0.999, 0.004, 0, 0, 0, 0, 0, 0]))
      assertEqual((await next.stats()).chunks, 1)
    })
  })
}

/** Vectors rounded: a store may scale them to length 1 or not. */
function comparable(line: string): unknown {
  const value = JSON.parse(line) as { chunk?: { vector?: string; terms: [string, number][] } }
  if (value.chunk === undefined) return value
  const { vector, terms, ...rest } = value.chunk
  const floats = vector === undefined ? undefined : unit(Array.from(decodeVector(vector)!)).map((x) => Math.round(x * 1e4))
  return { ...rest, vector: floats, terms: [...terms].sort(([a], [b]) => (a < b ? -1 : 1)) }
}

function unit(vector: readonly number[]): number[] {
  const size = Math.hypot(...vector)
  return vector.map((x) => x / size)
}

function cosine(a: Float32Array, b: Float32Array): number {
  const x = unit(Array.from(a))
  const y = unit(Array.from(b))
  return x.reduce((sum, value, i) => sum + value * y[i]!, 0)
}

/** The formula in {@link ChunkStore}'s comment, word for word; texts with no term are left out. */
function bm25(
  texts: readonly string[],
  query: readonly string[],
  { k1 = 1.2, b = 0.75 }: { readonly k1?: number; readonly b?: number },
): Map<string, number> {
  const counts = texts.map((text) => new Map(countWords(text)))
  const lengths = counts.map((terms) => [...terms.values()].reduce((sum, count) => sum + count, 0))
  const meanLength = lengths.reduce((sum, length) => sum + length, 0) / texts.length
  const scores = new Map<string, number>()
  for (const term of query) {
    const n = counts.filter((terms) => terms.has(term)).length
    const idf = Math.log(1 + (texts.length - n + 0.5) / (n + 0.5))
    for (const [i, terms] of counts.entries()) {
      const tf = terms.get(term)
      if (tf === undefined) continue
      const score = (idf * tf * (k1 + 1)) / (tf + k1 * (1 - b + (b * lengths[i]!) / meanLength))
      scores.set(texts[i]!, (scores.get(texts[i]!) ?? 0) + score)
    }
  }
  return scores
}
