export { answerQuestion } from './answer/answer.js'
export { abstainingSchema } from './answer/schema.js'
export type {
  Answer,
  AnswerBackend,
  AnswerOptions,
  AnswerPart,
  AnswerResult,
  AnswerUsage,
  AnswerWarning,
  Citation,
  CitationVerdict,
  HistoryMessage,
  Passage,
} from './answer/types.js'
export { passageText } from './chunk/passage.js'
export { recursive, type Chunker, type ChunkPiece, type RecursiveOptions } from './chunk/recursive.js'
export { estimateTokenCount, type TokenCounter } from './chunk/tokens.js'
export {
  checkDocument,
  type Document,
  type DocumentSource,
  type DocumentStructure,
  type Heading,
  type LazyDocument,
  type Metadata,
  type MetadataValue,
  type Span,
} from './document.js'
export { memoryEmbeddingCache, type EmbeddingCache } from './embed/cache.js'
export type { EmbeddingOptions } from './embed/embedder.js'
export { RagError, type RagErrorCode } from './errors.js'
export {
  evaluateRetrieval,
  type EvaluateOptions,
  type EvaluationResult,
  type Judgements,
  type RetrievalDataset,
  type RetrievalEvaluation,
  type Searcher,
} from './eval/evaluate.js'
export { meanInterval, type BootstrapOptions, type Interval } from './eval/interval.js'
export { ndcg, recall, reciprocalRank } from './eval/measures.js'
export { compileFilter, matches, type Filterable } from './filter/predicate.js'
export { filterToSql, type SqlCondition, type SqlOptions } from './filter/sql.js'
export type { Filter, FilterValue } from './filter/types.js'
export { countTerms, english, englishStopWords, plainWords, type Analyzer, type EnglishOptions } from './lexical/analyzer.js'
export { Bm25Index, type Bm25Options, type Bm25SearchOptions } from './lexical/bm25.js'
export { porterStem } from './lexical/porter.js'
export { documents } from './load/documents.js'
export { createRag, passagesOf, type Rag, type RagAnswerOptions, type RagOptions } from './rag.js'
export type { RankedBy } from './retrieve/fuse.js'
export type { SearchHit, SearchMode, SearchOptions, SearchResult } from './retrieve/search.js'
export { manifestLine, readExport, sourceLines, type ExportedSource } from './store/jsonl.js'
export { checkManifest, manifestFormat, ManifestMismatch } from './store/manifest.js'
export { memoryStore, type MemoryStoreOptions, type StoreEvent, type StorePersistence } from './store/memory.js'
export type {
  Chunk,
  ChunkKey,
  ChunkRecord,
  ChunkStore,
  EmbedderIdentity,
  IndexManifest,
  LexicalQuery,
  SourceChange,
  SourceRecord,
  StoreHit,
  StoreQuery,
  StoreResult,
  StoreStats,
  TermCount,
  TermFrequencies,
  VectorQuery,
} from './store/types.js'
export type { SyncFailure, SyncOptions, SyncResult } from './sync/sync.js'
export type { HnswOptions } from './vector/hnsw.js'
export { VectorIndex, type VectorHit, type VectorIndexOptions, type VectorSearchOptions } from './vector/vector-index.js'
