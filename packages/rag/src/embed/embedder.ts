import { throwIfAborted, type EmbeddingModelLike, type ModelProviderOptions } from '@tesserae/core'
import { RagError } from '../errors.js'
import { hashOf } from '../hash.js'
import type { EmbedderIdentity } from '../store/types.js'
import { unitVector } from '../vector/table.js'
import { memoryEmbeddingCache, type EmbeddingCache } from './cache.js'

export interface EmbeddingOptions {
  /** Put before passages and questions, for models that were trained with it: `passage: ` and `query: `. */
  readonly passagePrefix?: string
  readonly queryPrefix?: string
  /** Texts in a call at most; default 64, and never more than the model takes. */
  readonly batchSize?: number
  /** Calls at a time where the model supports it; default 4. */
  readonly concurrency?: number
  /** Default one in memory. */
  readonly cache?: EmbeddingCache
  readonly providerOptions?: ModelProviderOptions
}

export interface EmbedCall {
  readonly signal?: AbortSignal
  /** Called with the number of texts embedded since the last call. */
  readonly onEmbedded?: (count: number) => void
}

/** Embedded for the manifest: what a model makes of it tells models of one name apart. */
const probeText = 'The quick brown fox jumps over the lazy dog, and 42 whales watch.'
const probeLength = 32

/** An embedding model whose answers are checked, batched and cached; vectors come out with length 1. */
export class Embedder {
  private constructor(
    private readonly model: EmbeddingModelLike,
    private readonly options: EmbeddingOptions,
    readonly identity: EmbedderIdentity,
    private readonly fingerprint: string,
    private readonly batchSize: number,
    private readonly concurrency: number,
    private readonly cache: EmbeddingCache,
  ) {}

  /** Asks the model for one vector, to learn its dimensions and to recognise it again. Errors: OPTION, EMBEDDING, AbortError. */
  static async create(model: EmbeddingModelLike, options: EmbeddingOptions = {}, signal?: AbortSignal): Promise<Embedder> {
    const { batchSize = 64, concurrency = 4, passagePrefix = '', cache = memoryEmbeddingCache() } = options
    for (const [name, value] of Object.entries({ batchSize, concurrency }))
      if (!Number.isInteger(value) || value < 1) throw new RagError('OPTION', `embedding.${name} must be a positive integer, got ${value}`)
    const [vector] = await callModel(model, [passagePrefix + probeText], undefined, options, signal)
    const probe = Array.from(vector!.slice(0, probeLength), (x) => Math.round(x * 1e6) / 1e6)
    const identity = { provider: model.provider, modelId: model.modelId, dimensions: vector!.length, probe }
    // Rounded, so that another device's last bits make no other key; where rounding tips over, texts are embedded once more and no harm is done.
    const rounded = probe.map((x) => x.toFixed(3)).join(' ')
    const most = (await model.maxEmbeddingsPerCall) ?? batchSize
    return new Embedder(
      model,
      options,
      identity,
      hashOf(model.provider, model.modelId, String(vector!.length), rounded),
      Math.max(1, Math.min(batchSize, most)),
      (await model.supportsParallelCalls) ? concurrency : 1,
      cache,
    )
  }

  /** Vectors of passages, in their order; equal texts are embedded once. `embedded` counts what the model was asked for. */
  async passages(
    texts: readonly string[],
    { signal, onEmbedded }: EmbedCall = {},
  ): Promise<{ readonly vectors: readonly Float32Array[]; readonly embedded: number }> {
    const prefix = this.options.passagePrefix ?? ''
    const keys = texts.map((text) => hashOf(this.fingerprint, prefix, text))
    const known = new Map<string, Float32Array>()
    for (const [i, vector] of (await this.cache.get(keys)).entries())
      if (vector?.length === this.identity.dimensions) known.set(keys[i]!, vector)
    const missing = new Map<string, string>()
    for (const [i, key] of keys.entries()) if (!known.has(key)) missing.set(key, prefix + texts[i]!)
    const batches: [key: string, text: string][][] = []
    const entries = [...missing]
    for (let i = 0; i < entries.length; i += this.batchSize) batches.push(entries.slice(i, i + this.batchSize))
    let next = 0
    const work = async () => {
      for (let batch = batches[next++]; batch !== undefined; batch = batches[next++]) {
        const vectors = await callModel(
          this.model,
          batch.map(([, text]) => text),
          this.identity.dimensions,
          this.options,
          signal,
        )
        const fresh = batch.map(([key], i) => [key, vectors[i]!] as const)
        for (const [key, vector] of fresh) known.set(key, vector)
        await this.cache.set(fresh)
        onEmbedded?.(batch.length)
      }
    }
    const stop = (error: unknown) => {
      next = batches.length // the other workers ask for nothing more
      throw error
    }
    await Promise.all(Array.from({ length: Math.min(this.concurrency, batches.length) }, () => work().catch(stop)))
    return { vectors: keys.map((key) => known.get(key)!), embedded: missing.size }
  }

  /** Vectors of questions. */
  async queries(texts: readonly string[], signal?: AbortSignal): Promise<readonly Float32Array[]> {
    const prefixed = texts.map((text) => (this.options.queryPrefix ?? '') + text)
    const vectors: Float32Array[] = []
    for (let i = 0; i < prefixed.length; i += this.batchSize)
      vectors.push(...(await callModel(this.model, prefixed.slice(i, i + this.batchSize), this.identity.dimensions, this.options, signal)))
    return vectors
  }
}

async function callModel(
  model: EmbeddingModelLike,
  values: string[],
  dimensions: number | undefined,
  { providerOptions }: EmbeddingOptions,
  signal: AbortSignal | undefined,
): Promise<Float32Array[]> {
  throwIfAborted(signal, 'Embedding')
  const name = `The embedding model ${model.provider}/${model.modelId}`
  let embeddings
  try {
    const call = {
      values,
      ...(signal === undefined ? {} : { abortSignal: signal }),
      ...(providerOptions === undefined ? {} : { providerOptions }),
    }
    embeddings = (await model.doEmbed(call)).embeddings
  } catch (cause) {
    throwIfAborted(signal, 'Embedding')
    throw new RagError('EMBEDDING', `${name} failed on ${values.length} texts: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
  if (!Array.isArray(embeddings) || embeddings.length !== values.length)
    throw new RagError('EMBEDDING', `${name} returned ${embeddings?.length ?? 'no'} vectors for ${values.length} texts`)
  return embeddings.map((vector: readonly number[], i) => {
    const expected = dimensions ?? vector.length
    try {
      if (expected === 0) throw new RagError('OPTION', 'it is empty')
      return unitVector(vector, expected)
    } catch (cause) {
      throw new RagError(
        'EMBEDDING',
        `${name} returned no usable vector for ${JSON.stringify(values[i]!.slice(0, 60))}: ${(cause as Error).message}`,
        { cause },
      )
    }
  })
}
