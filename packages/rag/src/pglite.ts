/** `@tesserae/rag/pglite`: a store in PostgreSQL, compiled to WebAssembly. */
export { pglite, type PgliteClient, type PgliteOptions } from './store/pglite/open.js'
