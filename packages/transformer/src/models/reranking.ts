import type { RerankingModelCall } from '@tesserae/core'
import type { Reranker } from '../encoders/reranker.js'
import type { ModelWarning } from './spec.js'

export interface RerankingModelOptions {
  /** Default 'reranker'. */
  readonly modelId?: string
  /** Default 'tesserae'. */
  readonly provider?: string
}

/** A reranker as a reranking model of AI SDK's provider specification V3; fits core's RerankingModelLike. */
export interface CrossEncoderModel {
  readonly specificationVersion: 'v3'
  readonly provider: string
  readonly modelId: string
  doRerank(call: RerankingModelCall): Promise<{ ranking: { index: number; relevanceScore: number }[]; warnings: ModelWarning[] }>
}

/**
 * Makes a reranker usable wherever AI SDK's reranking models are: `rerank({ model, query, documents })`, this project's `rag`. The reranker stays the
 * caller's. Documents that are objects are read as JSON, with a warning.
 */
export function rerankingModel(reranker: Pick<Reranker, 'rank'>, options: RerankingModelOptions = {}): CrossEncoderModel {
  const { modelId = 'reranker', provider = 'tesserae' } = options
  return {
    specificationVersion: 'v3',
    provider,
    modelId,
    async doRerank({ documents, query, topN, abortSignal }) {
      const texts = documents.type === 'text' ? documents.values : documents.values.map((value) => JSON.stringify(value))
      const ranked = await reranker.rank(query, texts, {
        ...(topN === undefined ? {} : { topK: topN }),
        ...(abortSignal === undefined ? {} : { signal: abortSignal }),
      })
      const warnings: ModelWarning[] =
        documents.type === 'text' ? [] : [{ type: 'other', message: 'the documents are objects and were read as JSON text' }]
      return { ranking: ranked.map(({ index, score }) => ({ index, relevanceScore: score })), warnings }
    },
  }
}
