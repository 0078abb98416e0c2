import { random, type EmbeddingModelLike } from '@tesserae/core'

export interface WordEmbedderOptions {
  /** Default 64. */
  readonly dimensions?: number
  /** Another name is another model; so is another seed under the same name. */
  readonly modelId?: string
  readonly seed?: number
  /** Sees every call's texts; what it throws is the model's failure. */
  readonly onCall?: (values: readonly string[]) => void
  readonly maxEmbeddingsPerCall?: number
}

/** An embedding model for tests, without weights: the sum of random directions of a text's words, so that texts with words in common are near. */
export function wordEmbedder({
  dimensions = 64,
  modelId = 'words',
  seed = 0,
  onCall,
  maxEmbeddingsPerCall,
}: WordEmbedderOptions = {}): EmbeddingModelLike {
  const directions = new Map<string, Float32Array>()
  const directionOf = (word: string): Float32Array => {
    let found = directions.get(word)
    if (found === undefined) {
      const stream = random(seed).stream(word)
      directions.set(word, (found = Float32Array.from({ length: dimensions }, () => stream.normal())))
    }
    return found
  }
  return {
    specificationVersion: 'v3',
    provider: 'testing',
    modelId,
    maxEmbeddingsPerCall,
    supportsParallelCalls: true,
    async doEmbed({ values }) {
      onCall?.(values)
      const embeddings = values.map((text) => {
        const sum = new Array<number>(dimensions).fill(0)
        // A direction that all share, so that no text is without one.
        for (const word of ['', ...(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])])
          for (const [i, x] of directionOf(word).entries()) sum[i]! += x
        return sum
      })
      return { embeddings }
    },
  }
}
