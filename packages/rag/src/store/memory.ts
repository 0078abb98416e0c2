import { throwIfAborted } from '@tesserae/core'
import { RagError } from '../errors.js'
import { compileFilter } from '../filter/predicate.js'
import type { Filter } from '../filter/types.js'
import { Bm25Index } from '../lexical/bm25.js'
import { compareCodePoints } from '../order.js'
import type { HnswOptions } from '../vector/hnsw.js'
import { VectorIndex } from '../vector/vector-index.js'
import { checkChange } from './check-change.js'
import { manifestLine, readExport, sourceLines, type ExportedSource } from './jsonl.js'
import type {
  Chunk,
  ChunkKey,
  ChunkRecord,
  ChunkStore,
  IndexManifest,
  LexicalQuery,
  SourceChange,
  SourceRecord,
  StoreResult,
  StoreStats,
  TermFrequencies,
  VectorQuery,
} from './types.js'

/** Something that happened to an index, as a persistence keeps it. */
export type StoreEvent = { readonly change: SourceChange } | { readonly deleted: readonly string[] }

/** Where a memory store keeps what it holds; `filePersistence` of `@tesserae/rag/node` is one. */
export interface StorePersistence {
  /** Locks the place and returns what it keeps, or undefined where it is empty. Errors: LOCKED, STORE for what is damaged. */
  load(): Promise<{ readonly snapshot: AsyncIterable<string>; readonly events: readonly StoreEvent[] } | undefined>
  /** Keeps one more event; kept once the promise is. */
  append(event: StoreEvent): Promise<void>
  /** Replaces everything by a snapshot, atomically. */
  save(lines: AsyncIterable<string>): Promise<void>
  /** Whether so much has been appended that a snapshot would be shorter. */
  readonly overgrown: boolean
  /** Gives the lock back. */
  release(): Promise<void>
}

export interface MemoryStoreOptions {
  /** Up to so many vectors search compares every one; above, by HNSW. Default 5,000. */
  readonly flatLimit?: number
  readonly hnsw?: HnswOptions
  /** Default: nothing outlives the process. */
  readonly persistence?: StorePersistence
}

/**
 * A store in memory, in plain TypeScript: vectors flat or in an HNSW graph, an inverted index for BM25. The default in browsers and the
 * reference for every other store.
 */
export function memoryStore(options: MemoryStoreOptions = {}): ChunkStore {
  return new MemoryStore(options)
}

class MemoryStore implements ChunkStore {
  readonly kind = 'memory'
  private state: 'new' | 'open' | 'closed' = 'new'
  private manifest: IndexManifest | undefined
  private readonly records = new Map<string, { readonly source: SourceRecord; chunks: readonly Chunk[] }>()
  private readonly chunks = new Map<string, Chunk>()
  private lexicalIndex = new Bm25Index()
  private vectorIndex: VectorIndex | undefined
  /** Changes are written one after another. */
  private last: Promise<unknown> = Promise.resolve()

  constructor(private readonly options: MemoryStoreOptions) {}

  async open(manifest: IndexManifest): Promise<void> {
    if (this.state === 'open') throw new RagError('LOCKED', 'This memory store is open already; make another one, or share this one')
    if (this.state === 'closed') throw closed()
    const { persistence, flatLimit, hnsw } = this.options
    const kept = await persistence?.load()
    try {
      this.vectorIndex =
        manifest.embedder === null
          ? undefined
          : new VectorIndex({ ...hnsw, dimensions: manifest.embedder.dimensions, ...(flatLimit === undefined ? {} : { flatLimit }) })
      this.manifest = manifest
      if (kept !== undefined) {
        for await (const exported of readExport(kept.snapshot, manifest)) this.replace(exported)
        for (const event of kept.events) this.play(event)
      } else await persistence?.save(this.lines())
      this.state = 'open'
    } catch (error) {
      this.clear()
      await persistence?.release()
      throw error
    }
  }

  async applySource(change: SourceChange): Promise<void> {
    this.check(change)
    await this.write({ change })
  }

  async deleteSources(sourceIds: readonly string[]): Promise<number> {
    this.opened()
    return this.inTurn(async () => {
      const deleted = [...new Set(sourceIds)].filter((id) => this.records.has(id))
      if (deleted.length > 0) await this.commit({ deleted })
      return deleted.length
    })
  }

  async deleteWhere(where: Filter): Promise<number> {
    this.opened()
    const matches = compileFilter(where)
    return this.inTurn(async () => {
      const deleted = [...this.records.values()].filter(({ source }) => matches(source)).map(({ source }) => source.sourceId)
      if (deleted.length > 0) await this.commit({ deleted })
      return deleted.length
    })
  }

  async sources({ scope }: { readonly scope?: string } = {}): Promise<readonly SourceRecord[]> {
    this.opened()
    const all = Array.from(this.records.values(), ({ source }) => source)
    return all.filter((source) => scope === undefined || source.scope === scope).sort((a, b) => compareCodePoints(a.sourceId, b.sourceId))
  }

  async source(sourceId: string): Promise<SourceRecord | undefined> {
    this.opened()
    return this.records.get(sourceId)?.source
  }

  async chunksOf(sourceId: string): Promise<readonly ChunkKey[]> {
    this.opened()
    return (this.records.get(sourceId)?.chunks ?? []).map(({ id }) => ({ id, embedded: this.vectorIndex?.has(id) ?? false }))
  }

  async get(ids: readonly string[]): Promise<readonly (Chunk | undefined)[]> {
    this.opened()
    return ids.map((id) => this.chunks.get(id))
  }

  async vectors(ids: readonly string[]): Promise<readonly (Float32Array | undefined)[]> {
    this.opened()
    return ids.map((id) => this.vectorIndex?.get(id))
  }

  async vector(query: Float32Array, { where, ...options }: VectorQuery): Promise<StoreResult> {
    this.opened()
    if (this.vectorIndex === undefined)
      throw new RagError('OPTION', 'This index was opened without an embedder, so it has no vectors to search; search it lexically')
    const { hits, exact } = await this.vectorIndex.search(query, { ...options, ...this.acceptance(where) })
    // While a graph was built, chunks may have gone.
    return { hits: this.found(hits), exact }
  }

  async lexical(terms: readonly string[], { where, signal, ...options }: LexicalQuery): Promise<StoreResult> {
    this.opened()
    throwIfAborted(signal, 'Searching terms')
    return { hits: this.found(this.lexicalIndex.search(terms, { ...options, ...this.acceptance(where) })), exact: true }
  }

  async frequencies(terms: readonly string[]): Promise<TermFrequencies> {
    this.opened()
    return { chunks: this.chunks.size, containing: new Map(terms.map((term) => [term, this.lexicalIndex.frequency(term)])) }
  }

  async neighbours(id: string, { window }: { readonly window: number }): Promise<readonly Chunk[]> {
    this.opened()
    if (!Number.isInteger(window) || window < 0) throw new RagError('OPTION', `window must be a non-negative integer, got ${window}`)
    const chunk = this.chunks.get(id)
    if (chunk === undefined) return []
    return this.records.get(chunk.sourceId)!.chunks.slice(Math.max(0, chunk.index - window), chunk.index + window + 1)
  }

  async stats(): Promise<StoreStats> {
    this.opened()
    return {
      sources: this.records.size,
      chunks: this.chunks.size,
      vectors: this.vectorIndex?.size ?? 0,
      terms: this.lexicalIndex.vocabularySize,
    }
  }

  async rebuild(): Promise<void> {
    this.opened()
    this.vectorIndex?.rebuild()
  }

  async *export(): AsyncGenerator<string> {
    this.opened()
    yield* this.lines()
  }

  async import(lines: Iterable<string> | AsyncIterable<string>): Promise<void> {
    const manifest = this.opened()
    for await (const { source, chunks } of readExport(lines, manifest)) {
      const change: SourceChange = { source, upsert: chunks, remove: (await this.chunksOf(source.sourceId)).map(({ id }) => id) }
      this.check(change)
      await this.write({ change })
    }
  }

  async close(): Promise<void> {
    if (this.state !== 'open') {
      this.state = 'closed'
      return
    }
    this.state = 'closed'
    await this.last
    const { persistence } = this.options
    if (persistence !== undefined) {
      try {
        await persistence.save(this.lines())
      } finally {
        await persistence.release()
      }
    }
    this.clear()
  }

  private opened(): IndexManifest {
    if (this.state === 'closed') throw closed()
    if (this.state === 'new' || this.manifest === undefined)
      throw new RagError('STORE', 'The store is not open: call open(manifest), or createRag, first')
    return this.manifest
  }

  /** Refuses a change before any of it is applied. */
  private check(change: SourceChange): void {
    checkChange(change, this.opened())
    const { source, upsert, remove } = change
    for (const id of [...upsert.map(({ id }) => id), ...remove]) {
      const other = this.chunks.get(id)
      if (other !== undefined && other.sourceId !== source.sourceId)
        throw new RagError('STORE', `Chunk ${JSON.stringify(id)} belongs to source '${other.sourceId}', not to '${source.sourceId}'`)
    }
  }

  private write(event: StoreEvent): Promise<void> {
    return this.inTurn(() => this.commit(event))
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(() => work())
    this.last = result.catch(() => undefined)
    return result
  }

  /** Kept first, then visible: what a search has found is not lost again. */
  private async commit(event: StoreEvent): Promise<void> {
    const { persistence } = this.options
    await persistence?.append(event)
    this.play(event)
    if (persistence?.overgrown) await persistence.save(this.lines())
  }

  private play(event: StoreEvent): void {
    if ('change' in event) this.apply(event.change)
    else for (const id of event.deleted) this.drop(id)
  }

  private apply({ source, upsert, remove }: SourceChange): void {
    const renewed = new Set(upsert.map(({ id }) => id))
    const gone = new Set(remove.filter((id) => !renewed.has(id)))
    const before = this.records.get(source.sourceId)?.chunks ?? []
    for (const { id } of before) {
      if (!gone.has(id)) continue
      this.chunks.delete(id)
      this.lexicalIndex.delete(id)
      this.vectorIndex?.delete(id)
    }
    for (const { terms, vector, ...chunk } of upsert) {
      this.chunks.set(chunk.id, chunk)
      this.lexicalIndex.set(chunk.id, terms)
      if (vector !== undefined) this.vectorIndex!.set(chunk.id, vector)
    }
    const stayed = before.filter(({ id }) => !gone.has(id) && !renewed.has(id))
    const chunks = [...stayed, ...[...renewed].map((id) => this.chunks.get(id)!)].sort((a, b) => a.index - b.index)
    this.records.set(source.sourceId, { source, chunks })
  }

  private drop(sourceId: string): void {
    for (const { id } of this.records.get(sourceId)?.chunks ?? []) {
      this.chunks.delete(id)
      this.lexicalIndex.delete(id)
      this.vectorIndex?.delete(id)
    }
    this.records.delete(sourceId)
  }

  private replace({ source, chunks }: ExportedSource): void {
    this.drop(source.sourceId)
    this.apply({ source, upsert: chunks, remove: [] })
  }

  private acceptance(where: Filter | undefined): { readonly accept?: (key: string) => boolean } {
    if (where === undefined) return {}
    const matches = compileFilter(where)
    // Chunks of a source have its metadata, so each source is judged once.
    const verdicts = new Map<string, boolean>()
    return {
      accept: (key) => {
        const chunk = this.chunks.get(key)
        if (chunk === undefined) return false
        let verdict = verdicts.get(chunk.sourceId)
        if (verdict === undefined) verdicts.set(chunk.sourceId, (verdict = matches(chunk)))
        return verdict
      },
    }
  }

  private found(hits: readonly { readonly key: string; readonly score: number }[]): StoreResult['hits'] {
    return hits.flatMap(({ key, score }) => {
      const chunk = this.chunks.get(key)
      return chunk === undefined ? [] : [{ chunk, score }]
    })
  }

  private async *lines(): AsyncGenerator<string> {
    yield manifestLine(this.manifest!)
    const ids = [...this.records.keys()].sort(compareCodePoints)
    for (const id of ids) {
      const record = this.records.get(id)
      if (record === undefined) continue // deleted meanwhile
      yield* sourceLines({ source: record.source, chunks: record.chunks.map((chunk) => this.recordOf(chunk)) })
    }
  }

  private recordOf(chunk: Chunk): ChunkRecord {
    const vector = this.vectorIndex?.get(chunk.id)
    return { ...chunk, terms: this.lexicalIndex.termsOf(chunk.id)!, ...(vector === undefined ? {} : { vector }) }
  }

  private clear(): void {
    this.records.clear()
    this.chunks.clear()
    this.lexicalIndex = new Bm25Index()
    this.vectorIndex = undefined
  }
}

function closed(): RagError {
  return new RagError('CLOSED', 'The store is closed; make a new one')
}
