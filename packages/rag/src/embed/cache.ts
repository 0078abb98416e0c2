/** Vectors of texts that were embedded before, by a key that says which model and which text. */
export interface EmbeddingCache {
  get(keys: readonly string[]): Promise<readonly (Float32Array | undefined)[]>
  set(entries: readonly (readonly [key: string, vector: Float32Array])[]): Promise<void>
}

/** A cache in memory that forgets what was used longest ago. */
export function memoryEmbeddingCache({
  capacity = 20_000,
}: { /** Vectors kept; default 20,000. */ readonly capacity?: number } = {}): EmbeddingCache {
  const kept = new Map<string, Float32Array>()
  return {
    async get(keys) {
      return keys.map((key) => {
        const vector = kept.get(key)
        if (vector === undefined) return undefined
        // A Map keeps the order of insertion: the first is the one used longest ago.
        kept.delete(key)
        kept.set(key, vector)
        return vector
      })
    },
    async set(entries) {
      for (const [key, vector] of entries) {
        kept.delete(key)
        kept.set(key, vector)
        if (kept.size > capacity) kept.delete(kept.keys().next().value!)
      }
    },
  }
}
