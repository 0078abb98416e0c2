import type { EmbeddingModelCall } from '@tesserae/core'
import type { TextEmbedder } from '../embed/embedder.js'
import type { ModelWarning } from './spec.js'

export interface EmbeddingModelOptions {
  /** Default 'encoder'. An index remembers it, so name each trained encoder differently. */
  readonly modelId?: string
  /** Default 'tesserae'. */
  readonly provider?: string
  /** Texts in one call; default 512. Within it they are run in small batches. */
  readonly maxEmbeddingsPerCall?: number
  /** Put before each text; default what `promptName` says. For questions and passages apart, make a model of each. */
  readonly prompt?: string
  /** One of the encoder's `prompts`; default the one that its files name, mostly none. */
  readonly promptName?: string
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
 * encoder stays the caller's. Texts longer than the context are cut, with a warning.
 */
export function embeddingModel(encoder: TextEmbedder, options: EmbeddingModelOptions = {}): EncoderEmbeddingModel {
  const { modelId = 'encoder', provider = 'tesserae', maxEmbeddingsPerCall = 512, prompt, promptName } = options
  const words = { ...(prompt === undefined ? {} : { prompt }), ...(promptName === undefined ? {} : { promptName }) }
  return {
    specificationVersion: 'v3',
    provider,
    modelId,
    maxEmbeddingsPerCall,
    supportsParallelCalls: false, // one device: calls side by side would only wait for each other
    async doEmbed({ values, abortSignal }) {
      const { vectors, tokens, truncated } = await encoder.embed(values, {
        ...words,
        ...(abortSignal === undefined ? {} : { signal: abortSignal }),
      })
      const warnings: ModelWarning[] =
        truncated === 0
          ? []
          : [
              {
                type: 'other',
                message: `${truncated} of ${values.length} texts are longer than ${encoder.context} tokens; their ends were not read`,
              },
            ]
      return { embeddings: vectors.map((vector) => Array.from(vector)), usage: { tokens }, warnings }
    },
  }
}
