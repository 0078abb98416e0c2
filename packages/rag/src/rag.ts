import type { EmbeddingModelLike, RerankingModelLike } from '@tesserae/core'
import { answerQuestion } from './answer/answer.js'
import type { Answer, AnswerBackend, AnswerOptions, Passage } from './answer/types.js'
import { recursive, type Chunker } from './chunk/recursive.js'
import type { DocumentSource } from './document.js'
import { Embedder, type EmbeddingOptions } from './embed/embedder.js'
import { RagError } from './errors.js'
import type { Filter } from './filter/types.js'
import { english, type Analyzer } from './lexical/analyzer.js'
import { searchIndex, type SearchOptions, type SearchParts, type SearchResult } from './retrieve/search.js'
import { manifestFormat } from './store/manifest.js'
import { memoryStore } from './store/memory.js'
import type { ChunkStore, SourceRecord, StoreStats } from './store/types.js'
import { syncDocuments, type SyncOptions, type SyncResult } from './sync/sync.js'

export interface RagOptions {
  /** Not open yet; opened here and closed by {@link Rag.close}. Default a memory store. */
  readonly store?: ChunkStore
  /** Any model of core's structural type: this project's, or any of the AI SDK. Without one there is lexical search only. */
  readonly embedder?: EmbeddingModelLike
  /** How the embedder is asked. */
  readonly embedding?: EmbeddingOptions
  /** Default `recursive()`: 256 estimated tokens, 32 of them repeated, title and headings above. */
  readonly chunker?: Chunker
  /** Default `english()`. */
  readonly analyzer?: Analyzer
  /** For `search(…, { rerank })`. */
  readonly reranker?: RerankingModelLike
  /** Concerns the opening alone. */
  readonly signal?: AbortSignal
}

export interface RagAnswerOptions extends AnswerOptions {
  /** How passages are searched for. */
  readonly search?: Omit<SearchOptions, 'k' | 'where' | 'signal'>
}

/** A retrieval system: documents in, passages and cited answers out. `await using`, or `close()`. */
export interface Rag extends AsyncDisposable {
  /** Brings the index up to date with documents; see {@link SyncOptions}. Syncs run one after another. */
  sync(documents: DocumentSource, options?: SyncOptions): Promise<SyncResult>
  /** Deletes documents by id, or those whose metadata match. Returns how many. */
  delete(what: { readonly sourceId: string | readonly string[] } | { readonly where: Filter }): Promise<number>
  /** The passages that fit a query best; see {@link SearchOptions}. */
  search(query: string, options?: SearchOptions): Promise<SearchResult>
  /** Answers a question from the documents, with citations checked against them; without a model by their own sentences. */
  answer(question: string, options?: RagAnswerOptions): Answer
  /** What is indexed, in the order of the ids. */
  sources(): Promise<readonly SourceRecord[]>
  stats(): Promise<StoreStats>
  /** Waits for a sync that is under way and closes the store. */
  close(): Promise<void>
}

/**
 * Opens an index and puts everything around it together.
 *
 * Errors: ManifestMismatch when the index was made with another embedder or analyzer, LOCKED when it is open elsewhere, EMBEDDING when the
 * embedder does not work.
 *
 * @example
 * const rag = await createRag({ embedder })
 * await rag.sync(documents([{ id: 'a', text: 'Ishmael went to sea.' }]))
 * const { hits } = await rag.search('Who sailed?', { k: 3 })
 */
export async function createRag(options: RagOptions = {}): Promise<Rag> {
  const { store = memoryStore(), chunker = recursive(), analyzer = english(), reranker, signal } = options
  const embedder = options.embedder === undefined ? undefined : await Embedder.create(options.embedder, options.embedding, signal)
  await store.open({ format: manifestFormat, embedder: embedder?.identity ?? null, analyzer: analyzer.id })
  return new OpenRag(chunker, {
    store,
    analyzer,
    ...(embedder === undefined ? {} : { embedder }),
    ...(reranker === undefined ? {} : { reranker }),
  })
}

class OpenRag implements Rag {
  private closed = false
  private lastSync: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly chunker: Chunker,
    private readonly parts: SearchParts,
  ) {}

  sync(documents: DocumentSource, options: SyncOptions = {}): Promise<SyncResult> {
    const result = this.lastSync.then(() => {
      this.check()
      return syncDocuments(documents, { ...this.parts, chunker: this.chunker }, options)
    })
    this.lastSync = result.catch(() => undefined)
    return result
  }

  async delete(what: { readonly sourceId: string | readonly string[] } | { readonly where: Filter }): Promise<number> {
    this.check()
    const { sourceId, where } = what as { readonly sourceId?: string | readonly string[]; readonly where?: Filter }
    if ((sourceId === undefined) === (where === undefined)) throw new RagError('OPTION', 'delete takes either { sourceId } or { where }')
    if (where !== undefined) return this.parts.store.deleteWhere(where)
    return this.parts.store.deleteSources(typeof sourceId === 'string' ? [sourceId] : sourceId!)
  }

  async search(query: string, options: SearchOptions = {}): Promise<SearchResult> {
    this.check()
    return searchIndex(query, this.parts, options)
  }

  answer(question: string, { search, ...options }: RagAnswerOptions = {}): Answer {
    this.check()
    const { store, analyzer, embedder } = this.parts
    const backend: AnswerBackend = {
      search: async (query, own) => passagesOf(await this.search(query, { ...search, ...own })),
      terms: (text) => analyzer.analyze(text),
      frequencies: (terms) => store.frequencies(terms),
      ...(embedder === undefined
        ? {}
        : {
            embed: async (asked, texts, signal) => {
              const call = signal === undefined ? {} : { signal }
              const [queries, passages] = await Promise.all([embedder.queries([asked], signal), embedder.passages(texts, call)])
              return [...queries, ...passages.vectors]
            },
          }),
    }
    return answerQuestion(question, options, backend)
  }

  async sources(): Promise<readonly SourceRecord[]> {
    this.check()
    return this.parts.store.sources()
  }

  async stats(): Promise<StoreStats> {
    this.check()
    return this.parts.store.stats()
  }

  async close(): Promise<void> {
    this.closed = true
    await this.lastSync
    await this.parts.store.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private check(): void {
    if (this.closed) throw new RagError('CLOSED', 'This retrieval system is closed; make another with createRag')
  }
}

/** The hits of a search as an answer's sources. */
export function passagesOf({ hits }: SearchResult): Passage[] {
  return hits.map(({ chunk, passage, score }) => ({
    chunkId: chunk.id,
    sourceId: chunk.sourceId,
    span: { start: passage.start, end: passage.end },
    text: passage.text,
    headings: chunk.headings,
    score,
    ...(chunk.title === undefined ? {} : { title: chunk.title }),
  }))
}
