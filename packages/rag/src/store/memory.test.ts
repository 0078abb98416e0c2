import { describe, it } from 'vitest'
import { chunkStoreConformance } from '../testing/chunk-store.js'
import { memoryStore } from './memory.js'

describe('flat', () => {
  chunkStoreConformance({ describe, it }, { make: () => memoryStore() })
})

// A limit of 2 makes every search go through the graph, filters and deletions included.
describe('HNSW', () => {
  chunkStoreConformance({ describe, it }, { make: () => memoryStore({ flatLimit: 2 }) })
})
