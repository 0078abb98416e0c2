import { random } from '@tesserae/core'
import { describe, expect, it } from 'vitest'
import { VectorIndex } from './vector-index.js'

/** Vectors around random centres: uniform ones are all equally far from each other, which makes recall meaningless. */
function clustered(count: number, dimensions: number, seed: number): Float32Array[] {
  const stream = random(seed).stream('clusters')
  const centres = Array.from({ length: Math.ceil(count / 50) }, () => Float32Array.from({ length: dimensions }, () => stream.normal()))
  return Array.from({ length: count }, () => {
    const centre = stream.choice(centres)
    return centre.map((x) => x + 0.4 * stream.normal())
  })
}

const name = (i: number) => `v${String(i).padStart(5, '0')}`

async function filled(vectors: readonly Float32Array[], flatLimit = 100, seed = 1): Promise<VectorIndex> {
  const index = new VectorIndex({ dimensions: vectors[0]!.length, flatLimit, seed })
  vectors.forEach((vector, i) => index.set(name(i), vector))
  return index
}

async function recall(index: VectorIndex, queries: readonly Float32Array[], options: { accept?: (key: string) => boolean } = {}) {
  let found = 0
  let wanted = 0
  for (const query of queries) {
    const exact = await index.search(query, { k: 10, exact: true, ...options })
    const near = await index.search(query, { k: 10, ...options })
    const keys = new Set(near.hits.map(({ key }) => key))
    wanted += exact.hits.length
    found += exact.hits.filter(({ key }) => keys.has(key)).length
    expect(near.hits.length).toBe(exact.hits.length)
  }
  return found / wanted
}

describe('VectorIndex', () => {
  const vectors = clustered(3000, 32, 1)
  const queries = clustered(40, 32, 1).slice(0, 40)

  it('finds by its graph nearly everything that comparing all finds', async () => {
    const index = await filled(vectors)
    expect((await index.search(queries[0]!, { k: 10 })).exact).toBe(false)
    expect(await recall(index, queries)).toBeGreaterThanOrEqual(0.97)
  })

  it('keeps recall through deletions and replacements', async () => {
    const index = await filled(vectors)
    await index.search(queries[0]!, { k: 1 })
    for (let i = 0; i < 3000; i += 3) index.delete(name(i))
    for (let i = 1; i < 3000; i += 3) index.set(name(i), vectors[(i + 7) % 3000]!)
    expect(index.size).toBe(2000)
    expect(await recall(index, queries)).toBeGreaterThanOrEqual(0.97)
    const { hits } = await index.search(vectors[0]!, { k: 100 })
    expect(hits.every(({ key }) => Number(key.slice(1)) % 3 !== 0)).toBe(true)
  })

  it('returns k under every filter, and the right ones', async () => {
    const index = await filled(vectors)
    for (const share of [2, 10, 100, 1000])
      expect(await recall(index, queries.slice(0, 10), { accept: (key) => Number(key.slice(1)) % share === 0 })).toBeGreaterThanOrEqual(
        0.95,
      )
    expect((await index.search(queries[0]!, { k: 10, accept: () => false })).hits).toEqual([])
  })

  it('makes the same graph from the same seed, and another from another', async () => {
    const search = async (seed: number) => {
      const index = await filled(vectors, 100, seed)
      const hits = []
      for (const query of queries) hits.push((await index.search(query, { k: 10, ef: 10 })).hits)
      return hits
    }
    const first = await search(1)
    expect(await search(1)).toEqual(first)
    expect(await search(2)).not.toEqual(first)
  })

  it('serves searches that come while the graph is built', async () => {
    const index = await filled(vectors)
    const results = await Promise.all(queries.map((query) => index.search(query, { k: 3 })))
    for (const [i, { hits }] of results.entries()) expect(hits).toEqual((await index.search(queries[i]!, { k: 3 })).hits)
  })

  it('gives cosines, equal ones by key', async () => {
    const index = new VectorIndex({ dimensions: 2 })
    index.set('b', Float32Array.of(2, 0))
    index.set('a', Float32Array.of(1e30, 0))
    index.set('c', Float32Array.of(0, 1e-30))
    const { hits, exact } = await index.search([5, 0], { k: 3 })
    expect(exact).toBe(true)
    expect(hits).toEqual([
      { key: 'a', score: 1 },
      { key: 'b', score: 1 },
      { key: 'c', score: 0 },
    ])
    expect(index.get('c')).toEqual(Float32Array.of(0, 1))
  })

  it('refuses what it cannot compare', async () => {
    const index = new VectorIndex({ dimensions: 2 })
    for (const bad of [[1], [0, 0], [Number.NaN, 1], [1, Infinity]]) {
      expect(() => index.set('a', Float32Array.from(bad))).toThrow(expect.objectContaining({ code: 'OPTION' }))
      await expect(index.search(bad, { k: 1 })).rejects.toMatchObject({ code: 'OPTION' })
    }
    await expect(index.search([1, 1], { k: 0 })).rejects.toMatchObject({ code: 'OPTION' })
    expect(index.size).toBe(0)
  })
})
