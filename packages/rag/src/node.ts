/** `@tesserae/rag/node`: documents of a folder, and an index that a folder keeps. */
export { directory, type DirectoryOptions } from './load/node/directory.js'
export { fileEmbeddingCache } from './embed/node/file-cache.js'
export { filePersistence, fileStore } from './store/node/file-persistence.js'
