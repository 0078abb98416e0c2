/** `@tesserae/rag/testing`: what every store must do, as tests for any runner. */
export { chunkStoreConformance, type StoreMaker, type TestRunner } from './testing/chunk-store.js'
export { makeChange, makeManifest, type SourceShape } from './testing/fixture.js'
