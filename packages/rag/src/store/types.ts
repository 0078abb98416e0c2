import type { Metadata, Span } from '../document.js'
import type { Filter } from '../filter/types.js'

/** Which embedding model made the vectors of an index. */
export interface EmbedderIdentity {
  readonly provider: string
  readonly modelId: string
  /** Length of its vectors. */
  readonly dimensions: number
  /**
   * The first components (32 at most) of the unit vector that it gives for a fixed text. It tells two models of one name apart: the same name
   * with other weights is another embedder.
   */
  readonly probe: readonly number[]
}

/** What an index was made with. Vectors and terms of different makers must not meet in one index, so a store is opened with it. */
export interface IndexManifest {
  /** Version of the layout; {@link manifestFormat}. */
  readonly format: number
  /** Null for an index without vectors. */
  readonly embedder: EmbedderIdentity | null
  /** The analyzer's `id`. */
  readonly analyzer: string
}

/** A document as a store knows it. */
export interface SourceRecord {
  readonly sourceId: string
  /** Of everything that its chunks depend on: text, title, metadata, chunker. */
  readonly hash: string
  /** What was synced together: a full sync deletes sources of its own scope only. */
  readonly scope: string
  readonly title?: string
  readonly metadata: Metadata
}

/** A piece of a document, cut so that `document.text.slice(start, end) === text`. */
export interface Chunk extends Span {
  /** Hash of the source's id, the text's hash and which of equal texts in the source it is: it stays when a document changes elsewhere. */
  readonly id: string
  readonly sourceId: string
  /** Position among the chunks of its source, from 0, without gaps. */
  readonly index: number
  readonly text: string
  /** Headings above it, the outermost first. */
  readonly headings: readonly string[]
  readonly title?: string
  /** Tokens of heading path and text together, by the chunker's tokenizer. */
  readonly tokens: number
  /** Its source's. */
  readonly metadata: Metadata
}

/** A term and how often it occurs. */
export type TermCount = readonly [term: string, count: number]

/** A chunk as it is written into a store. */
export interface ChunkRecord extends Chunk {
  /** What lexical search finds it by: analysed terms of heading path and text, each once. */
  readonly terms: readonly TermCount[]
  /** Any length but zero; search is by cosine. Absent: the vector already stored under the id stays, where there is one. */
  readonly vector?: Float32Array
}

/** What becomes of one source, applied whole or not at all. */
export interface SourceChange {
  /** The source as it is from now on. */
  readonly source: SourceRecord
  /** Chunks that are new, or whose place or metadata changed. */
  readonly upsert: readonly ChunkRecord[]
  /** Ids of chunks of the source that are gone. Chunks named in neither list stay. */
  readonly remove: readonly string[]
}

/** A chunk of a source, without its content. */
export interface ChunkKey {
  readonly id: string
  /** Whether a vector is stored. */
  readonly embedded: boolean
}

export interface StoreQuery {
  /** How many to return, at least 1: fewer come back only where fewer match. */
  readonly k: number
  readonly where?: Filter
  readonly signal?: AbortSignal
}

export interface VectorQuery extends StoreQuery {
  /** Width of the search in an approximate index; default max(40, 4k). */
  readonly ef?: number
  /** Compare with every vector, whatever index there is. Default false. */
  readonly exact?: boolean
}

export interface LexicalQuery extends StoreQuery {
  /** Saturation of a term's frequency, at least 0; default 1.2. */
  readonly k1?: number
  /** How much long chunks are held back, 0 to 1; default 0.75. */
  readonly b?: number
}

export interface StoreHit {
  readonly chunk: Chunk
  /** Cosine similarity, or the BM25 score; the higher the better. */
  readonly score: number
}

export interface StoreResult {
  /** Best first; equal scores by ascending id. */
  readonly hits: readonly StoreHit[]
  /** Whether these are certainly the best: false where an approximate index chose. */
  readonly exact: boolean
  /** Where a part of the index could not be asked. */
  readonly degraded?: { readonly missingShards: readonly string[] }
}

export interface StoreStats {
  readonly sources: number
  readonly chunks: number
  /** Chunks that have a vector. */
  readonly vectors: number
  /** Different terms. */
  readonly terms: number
}

export interface TermFrequencies {
  readonly chunks: number
  readonly containing: ReadonlyMap<string, number>
}

/**
 * Where chunks live. Every implementation passes `chunkStoreConformance` of `@tesserae/rag/testing`; the memory store is the reference.
 *
 * BM25 counts over the whole index, filter or not: score = Σ idf(t) · tf · (k1 + 1) / (tf + k1 · (1 − b + b · length / meanLength)) with
 * idf(t) = ln(1 + (N − n + ½) / (n + ½)), N chunks of which n have the term, length the sum of a chunk's counts; each occurrence of a term
 * in the query counts once more. Chunks with none of the terms are no hits; chunks without a vector are none of `vector`.
 *
 * Errors: STORE before `open`, CLOSED after `close`, AbortError where a signal is taken.
 */
export interface ChunkStore {
  /** What it is, for messages: `memory`, `pglite`. */
  readonly kind: string
  /**
   * Opens the index, or makes it where there is none.
   *
   * Errors: {@link ManifestMismatch} when it was made with another manifest (it is left as it is), LOCKED when it is open elsewhere.
   */
  open(manifest: IndexManifest): Promise<void>
  /** Writes one source, atomically and durably: after the promise is kept, the change survives the end of the process. */
  applySource(change: SourceChange): Promise<void>
  /** Deletes sources with all their chunks; ids that are not there are passed over. Returns how many sources were deleted. */
  deleteSources(sourceIds: readonly string[]): Promise<number>
  /** Deletes the sources whose metadata match. Returns how many. */
  deleteWhere(where: Filter): Promise<number>
  /** The sources in ascending order of id (by code points); all, or those of one scope. */
  sources(options?: { readonly scope?: string }): Promise<readonly SourceRecord[]>
  /** One source. */
  source(sourceId: string): Promise<SourceRecord | undefined>
  /** The chunks of a source in their order. */
  chunksOf(sourceId: string): Promise<readonly ChunkKey[]>
  /** Chunks by id, in the order asked for. */
  get(ids: readonly string[]): Promise<readonly (Chunk | undefined)[]>
  /** Vectors by chunk id, of unit length. */
  vectors(ids: readonly string[]): Promise<readonly (Float32Array | undefined)[]>
  /** The chunks nearest to a vector by cosine. Errors: OPTION for a vector of another length, for k below 1, and without an embedder. */
  vector(query: Float32Array, options: VectorQuery): Promise<StoreResult>
  /** The chunks that fit analysed terms best by BM25. No terms, no hits. */
  lexical(terms: readonly string[], options: LexicalQuery): Promise<StoreResult>
  /** In how many chunks each of the terms occurs, each term once, 0 for those that are nowhere; and how many chunks there are. */
  frequencies(terms: readonly string[]): Promise<TermFrequencies>
  /** The chunks of the same source at most `window` places away, itself included, in their order; none for an unknown id. */
  neighbours(id: string, options: { readonly window: number }): Promise<readonly Chunk[]>
  stats(): Promise<StoreStats>
  /** Makes approximate indexes anew, without what deletions left in them. */
  rebuild(): Promise<void>
  /** The whole index as lines of JSON: the manifest, then each source followed by its chunks. See `store/jsonl.ts`. */
  export(): AsyncIterable<string>
  /** Takes such lines in; a source of the same id is replaced. Errors: ManifestMismatch, and DATA with the line's number. */
  import(lines: Iterable<string> | AsyncIterable<string>): Promise<void>
  /** Writes what is left to write and frees everything; closing twice is fine. */
  close(): Promise<void>
}
