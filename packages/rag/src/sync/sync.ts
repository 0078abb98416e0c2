import { throwIfAborted, type OnProgress } from '@tesserae/core'
import { passageText } from '../chunk/passage.js'
import type { Chunker } from '../chunk/recursive.js'
import { checkDocument, type Document, type DocumentSource, type LazyDocument } from '../document.js'
import type { Embedder } from '../embed/embedder.js'
import { RagError } from '../errors.js'
import type { Analyzer } from '../lexical/analyzer.js'
import type { ChunkRecord, ChunkStore, SourceChange, SourceRecord } from '../store/types.js'
import { chunkRecordsOf, sourceRecordOf } from './prepare.js'

export interface SyncOptions {
  /**
   * `incremental` adds and replaces; `full` also deletes the sources of the scope that the documents do not contain, once all of them were
   * read. Default `incremental`.
   */
  readonly mode?: 'full' | 'incremental'
  /** A name for what belongs together, so that a full sync of one folder leaves another's sources alone. Default the empty string. */
  readonly scope?: string
  /**
   * What a document does that cannot be read or indexed: `throw` ends the sync (what was applied stays, nothing is deleted); `skip` goes on,
   * keeps what was indexed under its id and reports it as failed. Default `throw`.
   */
  readonly onError?: 'throw' | 'skip'
  /** Stops between sources; those already applied stay. */
  readonly signal?: AbortSignal
  /** Task `sync`, counted in sources. */
  readonly onProgress?: OnProgress
}

export interface SyncFailure {
  readonly sourceId: string
  readonly error: Error
}

/** What a sync did, in sources unless said otherwise. */
export interface SyncResult {
  readonly added: number
  readonly changed: number
  readonly unchanged: number
  readonly deleted: number
  readonly failed: readonly SyncFailure[]
  /** Chunks written. */
  readonly chunks: number
  /** Texts that the model was asked to embed. */
  readonly embedded: number
  /** Chunks whose vector was in the index or in the cache already. */
  readonly reused: number
  readonly ms: number
}

export interface SyncParts {
  readonly store: ChunkStore
  readonly chunker: Chunker
  readonly analyzer: Analyzer
  readonly embedder?: Embedder
}

/** Texts that wait for their vectors before a round is embedded and written: enough to fill several calls of a model. */
const roundSize = 256

interface Prepared {
  readonly source: SourceRecord
  readonly records: readonly ChunkRecord[]
  readonly remove: readonly string[]
  /** Indexes of records that need a vector. */
  readonly missing: readonly number[]
  readonly isNew: boolean
}

/**
 * Brings the index up to date with documents, source by source: each is replaced whole or stays as it was. Unchanged documents, and unchanged
 * chunks of changed ones, are not embedded again.
 *
 * Errors: DOCUMENT, NOT_TEXT, EMBEDDING, those of the store, and AbortError.
 */
export async function syncDocuments(documents: DocumentSource, parts: SyncParts, options: SyncOptions = {}): Promise<SyncResult> {
  const { mode = 'incremental', onError = 'throw', scope = '' } = options
  if (mode !== 'full' && mode !== 'incremental')
    throw new RagError('OPTION', `mode must be 'full' or 'incremental', got ${JSON.stringify(mode)}`)
  if (onError !== 'throw' && onError !== 'skip')
    throw new RagError('OPTION', `onError must be 'throw' or 'skip', got ${JSON.stringify(onError)}`)
  return new Sync(parts, { ...options, mode, onError, scope }).run(documents)
}

class Sync {
  private readonly seen = new Set<string>()
  private readonly failed: SyncFailure[] = []
  private readonly counts = { added: 0, changed: 0, unchanged: 0, deleted: 0, chunks: 0, embedded: 0, reused: 0 }
  private waiting: Prepared[] = []
  private waitingTexts = 0
  private readonly started = performance.now()

  constructor(
    private readonly parts: SyncParts,
    private readonly options: SyncOptions & Required<Pick<SyncOptions, 'mode' | 'onError' | 'scope'>>,
  ) {}

  async run(documents: DocumentSource): Promise<SyncResult> {
    const { mode, scope, signal } = this.options
    throwIfAborted(signal, 'Syncing')
    for await (const item of documents) {
      throwIfAborted(signal, 'Syncing')
      const prepared = await this.guard(item.id, () => this.prepare(item))
      if (prepared === undefined) continue
      this.waiting.push(prepared)
      this.waitingTexts += prepared.missing.length
      if (this.waitingTexts >= roundSize || this.waiting.length >= roundSize) await this.flush()
    }
    await this.flush()
    if (mode === 'full') {
      throwIfAborted(signal, 'Syncing')
      const stored = await this.parts.store.sources({ scope })
      this.counts.deleted = await this.parts.store.deleteSources(stored.map(({ sourceId }) => sourceId).filter((id) => !this.seen.has(id)))
    }
    this.report()
    return { ...this.counts, failed: this.failed, ms: performance.now() - this.started }
  }

  /** Undefined for an unchanged document. */
  private async prepare(item: Document | LazyDocument): Promise<Prepared | undefined> {
    const { store, chunker, analyzer, embedder } = this.parts
    const { scope, signal } = this.options
    const { id } = item
    if (this.seen.has(id))
      throw new RagError(
        'DOCUMENT',
        `Two documents of one sync have the id ${JSON.stringify(id)}; give each its own, such as its path with a prefix`,
      )
    this.seen.add(id)
    const document = checkDocument('load' in item ? await item.load(signal === undefined ? {} : { signal }) : item)
    if (document.id !== id)
      throw new RagError('DOCUMENT', `The document announced as ${JSON.stringify(id)} was loaded as ${JSON.stringify(document.id)}`)
    const source = sourceRecordOf(document, chunker, scope)
    const stored = await store.source(id)
    if (stored !== undefined && stored.scope !== scope)
      throw new RagError(
        'DOCUMENT',
        `The document ${JSON.stringify(id)} belongs to scope ${JSON.stringify(stored.scope)} and cannot be synced in ${JSON.stringify(scope)}; ` +
          'delete it there first, or give ids that differ',
      )
    if (stored?.hash === source.hash) {
      this.counts.unchanged++
      this.report()
      return undefined
    }
    const records = chunkRecordsOf(document, { chunker, analyzer, source })
    const before = stored === undefined ? [] : await store.chunksOf(id)
    const embedded = new Set(before.filter((key) => key.embedded).map((key) => key.id))
    const ids = new Set(records.map((record) => record.id))
    const missing = embedder === undefined ? [] : [...records.keys()].filter((i) => !embedded.has(records[i]!.id))
    return { source, records, remove: before.map((key) => key.id).filter((key) => !ids.has(key)), missing, isNew: stored === undefined }
  }

  /** Embeds what waits, in as few calls as possible, and writes source after source. */
  private async flush(): Promise<void> {
    const { waiting } = this
    this.waiting = []
    this.waitingTexts = 0
    if (waiting.length === 0) return
    const { embedder } = this.parts
    const { signal } = this.options
    const texts = waiting.flatMap(({ records, missing }) => missing.map((i) => passageText(records[i]!)))
    let vectors: readonly Float32Array[] | undefined = []
    if (embedder !== undefined && texts.length > 0) {
      try {
        const result = await embedder.passages(texts, signal === undefined ? {} : { signal })
        vectors = result.vectors
        this.counts.embedded += result.embedded
      } catch (error) {
        // One text may have spoilt the whole round: then each source is embedded by itself, so that only its own is lost.
        if (this.options.onError === 'throw' || signal?.aborted === true) throw error
        vectors = undefined
      }
    }
    let next = 0
    for (const prepared of waiting) {
      throwIfAborted(signal, 'Syncing')
      const own = vectors?.slice(next, (next += prepared.missing.length))
      await this.guard(prepared.source.sourceId, async () => this.write(prepared, own ?? (await this.embedAlone(prepared))))
    }
  }

  private async embedAlone({ records, missing }: Prepared): Promise<readonly Float32Array[]> {
    const { signal } = this.options
    const { vectors, embedded } = await this.parts.embedder!.passages(
      missing.map((i) => passageText(records[i]!)),
      signal === undefined ? {} : { signal },
    )
    this.counts.embedded += embedded
    return vectors
  }

  private async write({ source, records, remove, missing, isNew }: Prepared, vectors: readonly Float32Array[]): Promise<void> {
    const vectorOf = new Map(missing.map((record, i) => [record, vectors[i]!]))
    const upsert = records.map((record, i) => (vectorOf.has(i) ? { ...record, vector: vectorOf.get(i)! } : record))
    const change: SourceChange = { source, upsert, remove }
    await this.parts.store.applySource(change)
    this.counts[isNew ? 'added' : 'changed']++
    this.counts.chunks += records.length
    if (this.parts.embedder !== undefined) this.counts.reused += records.length - missing.length
    this.report()
  }

  /** Runs one source's part; a failure ends the sync or is put down, as the options say. */
  private async guard<T>(sourceId: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      const { onError, signal } = this.options
      // A store that is closed or out of order fails for every source alike.
      const general = RagError.isInstance(error) && (error.code === 'STORE' || error.code === 'CLOSED')
      if (onError === 'throw' || general || signal?.aborted === true) throw error
      this.failed.push({ sourceId, error: error instanceof Error ? error : new Error(String(error)) })
      this.report()
      return undefined
    }
  }

  private report(): void {
    const { added, changed, unchanged } = this.counts
    this.options.onProgress?.({ task: 'sync', completed: added + changed + unchanged + this.failed.length, unit: 'sources' })
  }
}
