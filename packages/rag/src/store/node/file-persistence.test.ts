import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileEmbeddingCache } from '../../embed/node/file-cache.js'
import { chunkStoreConformance } from '../../testing/chunk-store.js'
import { makeChange, makeManifest } from '../../testing/fixture.js'
import type { ChunkStore } from '../types.js'
import { fileStore } from './file-persistence.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-rag-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('fileStore', () => {
  let next = 0
  const folders = new WeakMap<ChunkStore, string>()
  const at = (path: string) => {
    const store = fileStore(path)
    folders.set(store, path)
    return store
  }
  chunkStoreConformance({ describe, it }, { make: () => at(join(folder, String(next++))), reopen: (store) => at(folders.get(store)!) })

  /** Copies the state of a store that is still open, as a crash would leave it. */
  async function crashed(store: ChunkStore, use: (path: string) => Promise<void>): Promise<ChunkStore> {
    const path = join(folder, 'copy')
    const { cp } = await import('node:fs/promises')
    await cp(join(folder, 'index'), path, { recursive: true })
    await rm(join(path, 'lock'), { force: true })
    await use(path)
    await store.close()
    return fileStore(path)
  }

  async function opened(): Promise<ChunkStore> {
    const store = fileStore(join(folder, 'index'))
    await store.open(makeManifest())
    return store
  }
  const sourceIds = async (store: ChunkStore) => (await store.sources()).map(({ sourceId }) => sourceId)

  it('keeps every acknowledged change without a close', async () => {
    const store = await opened()
    const before = makeChange('a', ['alpha', 'beta'])
    await store.applySource(before)
    await store.applySource(makeChange('b', ['gamma']))
    await store.applySource(makeChange('a', ['beta', 'delta'], { previous: before }))
    await store.deleteSources(['b'])
    const again = await crashed(store, async () => {})
    await again.open(makeManifest())
    expect(await sourceIds(again)).toEqual(['a'])
    expect((await again.lexical(['alpha'], { k: 5 })).hits).toEqual([])
    expect((await again.lexical(['delta'], { k: 5 })).hits.length).toBe(1)
    await again.close()
  })

  it('drops a line that was being written, and goes on behind the last whole one', async () => {
    const store = await opened()
    await store.applySource(makeChange('a', ['alpha']))
    const again = await crashed(store, (path) => appendFile(join(path, 'journal.jsonl'), '{"change":{"source":{"sourceId":"b"'))
    await again.open(makeManifest())
    await again.applySource(makeChange('c', ['gamma']))
    expect(await sourceIds(again)).toEqual(['a', 'c'])
    await again.close()
    const third = fileStore(join(folder, 'copy'))
    await third.open(makeManifest())
    expect(await sourceIds(third)).toEqual(['a', 'c'])
    await third.close()
  })

  it('passes over the journal of an older snapshot', async () => {
    const store = await opened()
    await store.applySource(makeChange('a', ['alpha']))
    const journal = await readFile(join(folder, 'index/journal.jsonl'))
    await store.close()
    const again = await opened()
    await again.deleteSources(['a'])
    await again.close()
    // The process died after the snapshot was replaced and before the journal was.
    await writeFile(join(folder, 'index/journal.jsonl'), journal)
    const third = await opened()
    expect(await sourceIds(third)).toEqual([])
    await third.close()
  })

  it('says what is damaged', async () => {
    const store = await opened()
    await store.applySource(makeChange('a', ['alpha', 'beta']))
    await store.close()
    const path = join(folder, 'index/index.jsonl')
    const snapshot = await readFile(path)
    await truncate(path, snapshot.length - 40)
    await expect(opened()).rejects.toMatchObject({ code: 'DATA', message: expect.stringContaining('Line 4') })
    await writeFile(path, 'something else')
    await expect(opened()).rejects.toMatchObject({ code: 'STORE', message: expect.stringContaining('no snapshot') })
    // A failed opening gives the lock back.
    await writeFile(path, snapshot)
    await (await opened()).close()
  })

  it('writes a new snapshot once the journal is longer than the old one', async () => {
    const store = await opened()
    const text = 'x '.repeat(2 ** 20)
    for (let i = 0; i < 6; i++)
      await store.applySource(makeChange('a', [`${text}${i}`], { previous: makeChange('a', i === 0 ? [] : [`${text}${i - 1}`]) }))
    expect((await readFile(join(folder, 'index/journal.jsonl'))).length).toBeLessThan(4 * 2 ** 20)
    expect(await readFile(join(folder, 'index/index.jsonl'), 'utf8')).toMatch(/^\{"generation":[2-9]\}\n/)
    await store.close()
  })
})

it('fileEmbeddingCache keeps vectors bit for bit and survives a cut line', async () => {
  const path = join(folder, 'deep/cache.jsonl')
  const vector = Float32Array.of(0.1, -1e-30, 3)
  await fileEmbeddingCache(path).set([['ab', vector]])
  await appendFile(path, '["cd","AA')
  const cache = fileEmbeddingCache(path)
  expect(await cache.get(['ab', 'cd'])).toEqual([vector, undefined])
  await cache.set([['ef', vector]])
  expect(await fileEmbeddingCache(path).get(['ef'])).toEqual([vector])
})
