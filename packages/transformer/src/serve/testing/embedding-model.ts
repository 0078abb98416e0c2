import { hashString, type EmbeddingModelLike } from '@tesserae/core'

/** Vectors of length 1 from the hashes of words: the same for the same text. */
export const createEmbeddingModel = (dimensions: number): EmbeddingModelLike => ({
  specificationVersion: 'v3',
  provider: 'test',
  modelId: 'hashes',
  maxEmbeddingsPerCall: 1,
  supportsParallelCalls: true,
  doEmbed: async ({ values }) => ({
    embeddings: values.map((value) => {
      const vector = Array.from({ length: dimensions }, (_, i) => hashString(`${i} ${value}`)[0] / 2 ** 32 - 0.5)
      const norm = Math.hypot(...vector)
      return vector.map((one) => one / norm)
    }),
    usage: { tokens: values.length },
  }),
})
