import type { EmbeddingModelCall } from '@tesserae/core'
import type { TextEncoderModel } from '../embed/encoder.js'
import type { ModelWarning } from './spec.js'

export interface EmbeddingModelOptions {
  /** Default 'encoder'. An index remembers it, so name each trained encoder differently. */
  readonly modelId?: string
  /** Default 'tesserae'. */
  readonly provider?: string
  /** Texts in one call; default 512. Within it they are run in small batches. */
  readonly maxEmbeddingsPerCall?: number
}

/** An encoder as an embedding model of AI SDK's provider specification V3; fits core's EmbeddingModelLike. */
export interface EncoderEmbeddingModel {
  readonly specificationVersion: 'v3'
  readonly provider: string
  readonly modelId: string
  readonly maxEmbeddingsPerCall: number
  readonly supportsParallelCalls: boolean
  doEmbed(call: EmbeddingModelCall): Promise<{ embeddings: number[][]; usage: { tokens: number }; warnings: ModelWarning[] }>
}

/**
 * Makes an encoder usable wherever AI SDK's embedding models are: `embed({ model, value })`, `embedMany`, this project's `rag`. The
 * encoder stays the caller's. Vectors have length 1. Texts longer than the context are cut, with a warning.
 */
export function embeddingModel(encoder: TextEncoderModel, options: EmbeddingModelOptions = {}): EncoderEmbeddingModel {
  const { modelId = 'encoder', provider = 'tesserae', maxEmbeddingsPerCall = 512 } = options
  return {
    specificationVersion: 'v3',
    provider,
    modelId,
    maxEmbeddingsPerCall,
    supportsParallelCalls: false, // one device: calls side by side would only wait for each other
    async doEmbed({ values, abortSignal }) {
      const { vectors, tokens, truncated } = await encoder.embed(values, abortSignal === undefined ? {} : { signal: abortSignal })
      const warnings: ModelWarning[] =
        truncated === 0
          ? []
          : [
              {
                type: 'other',
                message: `${truncated} of ${values.length} texts are longer than ${encoder.config.context} tokens; their ends were not read`,
              },
            ]
      return { embeddings: vectors.map((vector) => Array.from(vector)), usage: { tokens }, warnings }
    },
  }
}
