import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  finishReasonOf,
  tokenCountsOf,
  type EmbeddingModelLike,
  type LanguageModelLike,
  type ModelUsage,
  type RerankingModelLike,
} from './models.js'

// Objects with the types that AI SDK's own models have, by specification version: mutable arrays, literal unions and the fields that
// differ. `tsc` checks that they are assignable; the full published types were compared once with @ai-sdk/provider 2.0, 3.0 and 4.0.
interface SpecV2 {
  readonly specificationVersion: 'v2'
  readonly provider: string
  readonly modelId: string
  supportedUrls: PromiseLike<Record<string, RegExp[]>> | Record<string, RegExp[]>
  doGenerate(options: { prompt: { role: string; content: unknown }[]; maxOutputTokens?: number }): PromiseLike<{
    content: ({ type: 'text'; text: string } | { type: 'source'; sourceType: 'url'; id: string; url: string })[]
    finishReason: 'stop' | 'length' | 'content-filter' | 'tool-calls' | 'error' | 'other' | 'unknown'
    usage: { inputTokens: number | undefined; outputTokens: number | undefined; totalTokens: number | undefined }
    warnings: { type: 'other'; message: string }[]
  }>
  doStream(options: { prompt: unknown }): PromiseLike<{
    stream: ReadableStream<
      | { type: 'text-delta'; id: string; delta: string }
      | { type: 'tool-call'; toolCallId: string; toolName: string; input: string }
      | { type: 'error'; error: unknown }
    >
  }>
}
interface UsageV3 {
  inputTokens: { total: number | undefined; noCache: number | undefined; cacheRead: number | undefined; cacheWrite: number | undefined }
  outputTokens: { total: number | undefined; text: number | undefined; reasoning: number | undefined }
}
interface SpecV4 extends Omit<SpecV2, 'specificationVersion' | 'doGenerate' | 'doStream'> {
  readonly specificationVersion: 'v4'
  doGenerate(options: { prompt: unknown; reasoning?: 'low' | 'high' }): PromiseLike<{
    content: ({ type: 'text'; text: string } | { type: 'tool-call'; toolCallId: string; toolName: string; input: string })[]
    finishReason: { unified: 'stop' | 'length' | 'other'; raw: string | undefined }
    usage: UsageV3
    warnings: { type: 'unsupported'; feature: string; details?: string }[]
  }>
  doStream(options: { prompt: unknown }): PromiseLike<{
    stream: ReadableStream<
      { type: 'ping' } | { type: 'finish'; usage: UsageV3; finishReason: { unified: 'stop'; raw: string | undefined } }
    >
  }>
}
interface EmbeddingV4 {
  readonly specificationVersion: 'v4'
  readonly provider: string
  readonly modelId: string
  readonly maxEmbeddingsPerCall: PromiseLike<number | undefined> | number | undefined
  readonly supportsParallelCalls: PromiseLike<boolean> | boolean
  doEmbed(options: {
    values: string[]
    dimensions?: number
  }): PromiseLike<{ embeddings: number[][]; usage?: { tokens: number }; warnings: unknown[] }>
}
interface RerankingV3 {
  readonly specificationVersion: 'v3'
  readonly provider: string
  readonly modelId: string
  doRerank(options: { documents: { type: 'text'; values: string[] } | { type: 'object'; values: object[] }; query: string }): PromiseLike<{
    ranking: { index: number; relevanceScore: number }[]
  }>
}

describe('structural model types', () => {
  it('take models of every specification version', () => {
    expectTypeOf<SpecV2>().toExtend<LanguageModelLike>()
    expectTypeOf<SpecV4>().toExtend<LanguageModelLike>()
    expectTypeOf<EmbeddingV4>().toExtend<EmbeddingModelLike>()
    expectTypeOf<RerankingV3>().toExtend<RerankingModelLike>()
  })

  it('refuse models of another kind', () => {
    expectTypeOf<SpecV4>().not.toExtend<EmbeddingModelLike>()
    expectTypeOf<EmbeddingV4>().not.toExtend<RerankingModelLike>()
  })
})

describe('finishReasonOf and tokenCountsOf', () => {
  it('read the forms of V2 and of V3 and V4', () => {
    expect(finishReasonOf('tool-calls')).toBe('tool-calls')
    expect(finishReasonOf({ unified: 'stop', raw: 'end_turn' })).toBe('stop')
    const v2: ModelUsage = { inputTokens: 3, outputTokens: undefined }
    const v4: ModelUsage = { inputTokens: { total: 3 }, outputTokens: { total: undefined } }
    expect(tokenCountsOf(v2)).toEqual({ input: 3, output: undefined })
    expect(tokenCountsOf(v4)).toEqual({ input: 3, output: undefined })
  })
})
