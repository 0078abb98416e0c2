/**
 * Structural types of models, satisfied by every provider object of AI SDK provider specification V2, V3 and V4 and by the
 * models of this project, so that code can take any of them without depending on a provider package. What the versions
 * disagree on is a union here; {@link finishReasonOf} and {@link tokenCountsOf} read either form. Calls are typed with what
 * all versions accept.
 */

/** Free-form settings by provider name. */
export type ModelProviderOptions = Record<string, Record<string, ModelJson>>

/** A JSON value. */
export type ModelJson = null | string | number | boolean | ModelJson[] | { [key: string]: ModelJson }

interface CallBase {
  readonly abortSignal?: AbortSignal
  readonly headers?: Record<string, string>
  readonly providerOptions?: ModelProviderOptions
}

export interface ModelTextPart {
  type: 'text'
  text: string
}
export interface ModelReasoningPart {
  type: 'reasoning'
  text: string
}
export interface ModelToolCallPart {
  type: 'tool-call'
  toolCallId: string
  toolName: string
  /** The arguments as a JSON value (results carry them as JSON text). */
  input: unknown
}
export interface ModelToolResultPart {
  type: 'tool-result'
  toolCallId: string
  toolName: string
  output: { type: 'text' | 'error-text'; value: string } | { type: 'json' | 'error-json'; value: ModelJson }
}

/** One message of a conversation. */
export type ModelMessage =
  | { role: 'system'; content: string }
  | { role: 'user'; content: ModelTextPart[] }
  | { role: 'assistant'; content: (ModelTextPart | ModelReasoningPart | ModelToolCallPart)[] }
  | { role: 'tool'; content: ModelToolResultPart[] }

/** A function the model may call; `inputSchema` is a JSON Schema object. */
export interface ModelTool {
  type: 'function'
  name: string
  description?: string
  inputSchema: object
}

export interface LanguageModelCall extends CallBase {
  prompt: ModelMessage[]
  maxOutputTokens?: number
  temperature?: number
  topP?: number
  topK?: number
  presencePenalty?: number
  frequencyPenalty?: number
  stopSequences?: string[]
  seed?: number
  responseFormat?: { type: 'text' } | { type: 'json'; schema?: object; name?: string; description?: string }
  tools?: ModelTool[]
  toolChoice?: { type: 'auto' | 'none' | 'required' } | { type: 'tool'; toolName: string }
}

/** Why generation stopped: a word in V2, a record in V3 and V4. Words in use: stop, length, content-filter, tool-calls, error, other. */
export type ModelFinishReason = string | { readonly unified: string; readonly raw?: string | undefined }

/** Tokens used: numbers in V2, records in V3 and V4. */
export interface ModelUsage {
  readonly inputTokens: number | undefined | { readonly total: number | undefined }
  readonly outputTokens: number | undefined | { readonly total: number | undefined }
}

/** One piece of a finished answer; read `type` first (`text`, `reasoning`, `tool-call`, …) and pass over those you do not know. */
export interface ModelContent {
  readonly type: string
  readonly text?: string
  readonly toolCallId?: string
  readonly toolName?: string
  /** JSON text. */
  readonly input?: string
}

/** One event of a streamed answer: `text-delta`, `tool-call`, `finish`, `error`, …; pass over those you do not know. */
export interface ModelStreamPart extends ModelContent {
  readonly id?: string
  readonly delta?: string
  readonly finishReason?: ModelFinishReason
  readonly usage?: ModelUsage
  readonly error?: unknown
}

/** A generative language model: V2, V3 or V4. */
export interface LanguageModelLike {
  readonly specificationVersion: 'v2' | 'v3' | 'v4'
  readonly provider: string
  readonly modelId: string
  doGenerate(call: LanguageModelCall): PromiseLike<{
    readonly content: readonly ModelContent[]
    readonly finishReason: ModelFinishReason
    readonly usage: ModelUsage
    readonly warnings: readonly unknown[]
  }>
  doStream(call: LanguageModelCall): PromiseLike<{ readonly stream: ReadableStream<ModelStreamPart> }>
}

export interface EmbeddingModelCall extends CallBase {
  values: string[]
}

/** A text embedding model: V2 (of strings), V3 or V4. */
export interface EmbeddingModelLike {
  readonly specificationVersion: 'v2' | 'v3' | 'v4'
  readonly provider: string
  readonly modelId: string
  readonly maxEmbeddingsPerCall: PromiseLike<number | undefined> | number | undefined
  readonly supportsParallelCalls: PromiseLike<boolean> | boolean
  /** Embeddings come in the order of `values`. */
  doEmbed(
    call: EmbeddingModelCall,
  ): PromiseLike<{ readonly embeddings: readonly (readonly number[])[]; readonly usage?: { readonly tokens: number } }>
}

export interface RerankingModelCall extends CallBase {
  documents: { type: 'text'; values: string[] } | { type: 'object'; values: { [key: string]: ModelJson }[] }
  query: string
  topN?: number
}

/** A reranking model: V3 or V4 (V2 has none). */
export interface RerankingModelLike {
  readonly specificationVersion: 'v3' | 'v4'
  readonly provider: string
  readonly modelId: string
  /** `index` points into the given documents; the best comes first. */
  doRerank(
    call: RerankingModelCall,
  ): PromiseLike<{ readonly ranking: readonly { readonly index: number; readonly relevanceScore: number }[] }>
}

/** The finish reason as a word, whichever version said it. */
export function finishReasonOf(reason: ModelFinishReason): string {
  return typeof reason === 'string' ? reason : reason.unified
}

/** Input and output tokens as numbers, whichever version counted them; undefined where the provider does not say. */
export function tokenCountsOf(usage: ModelUsage): { readonly input: number | undefined; readonly output: number | undefined } {
  const total = (count: ModelUsage['inputTokens']) => (typeof count === 'object' ? count.total : count)
  return { input: total(usage.inputTokens), output: total(usage.outputTokens) }
}
