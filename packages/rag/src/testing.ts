/** `@tesserae/rag/testing`: what every store must do, as tests for any runner, and an embedding model without weights. */
export { chunkStoreConformance, type StoreMaker, type TestRunner } from './testing/chunk-store.js'
export { wordEmbedder, type WordEmbedderOptions } from './testing/embedder.js'
export { readCranfield, type Cranfield } from './testing/cranfield.js'
export { makeChange, makeManifest, type SourceShape } from './testing/fixture.js'
