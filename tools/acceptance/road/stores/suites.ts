import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { memoryStore, type ChunkStore } from '@tesserae/rag'
import { pglite } from '@tesserae/rag/pglite'
import { runConformance, type CheckResult } from './collect.js'

/** The conformance kit by store. PGlite starts once, each store gets a schema of its own. */
export const suites = {
  memory: () => runConformance({ make: () => memoryStore() }),
  'memory, HNSW': () => runConformance({ make: () => memoryStore({ flatLimit: 2 }) }),
  PGlite: () => inPglite(5000),
  'PGlite, HNSW': () => inPglite(2),
} as const satisfies Record<string, () => Promise<CheckResult[]>>

export type SuiteName = keyof typeof suites

async function inPglite(flatLimit: number): Promise<CheckResult[]> {
  const client = await PGlite.create({ extensions: { vector } })
  const schemas = new WeakMap<ChunkStore, string>()
  let made = 0
  const make = (schema: string): ChunkStore => {
    const store = pglite({ client, schema, flatLimit })
    schemas.set(store, schema)
    return store
  }
  try {
    return await runConformance({ make: () => make(`index_${made++}`), reopen: (store) => make(schemas.get(store)!) })
  } finally {
    await client.close()
  }
}
