import { fromBytes, type Tensor } from '@tesserae/tensor'
import type { DecoderConfig } from '../architectures/config.js'
import { TransformerError } from '../errors.js'
import type { LayerCache } from '../layers/attention.js'

export interface FixedCacheOptions {
  /** Sequences side by side; default 1. */
  readonly batch?: number
  /** Tokens it can hold; default, and at most, the model's context. */
  readonly capacity?: number
}

/**
 * Keys and values of the tokens seen so far, with room for a fixed number of them: a growing cache would be copied, and
 * its programs compiled, again and again. Owns its memory: `using`, or `dispose()`.
 *
 * Programs write into the tensors in place, which replaces their handles: read `layers` anew for each call, donate it, and hand the
 * call's result to {@link FixedCache.replace}.
 */
export class FixedCache {
  readonly batch: number
  readonly capacity: number
  private rows: LayerCache[]
  private length = 0
  private gone = false

  constructor(config: Pick<DecoderConfig, 'layers' | 'kvHeads' | 'headWidth' | 'context'>, options: FixedCacheOptions = {}) {
    const { batch = 1, capacity = config.context } = options
    if (!Number.isInteger(batch) || batch < 1)
      throw new TransformerError('OPTION', `a cache's batch must be a positive integer, got ${batch}`)
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > config.context)
      throw new TransformerError(
        'CAPACITY',
        `a cache's capacity must be an integer from 1 to the model's context of ${config.context}, got ${capacity}`,
      )
    this.batch = batch
    this.capacity = capacity
    const shape = [batch, config.kvHeads, capacity, config.headWidth]
    const bytes = 4 * batch * config.kvHeads * capacity * config.headWidth
    const empty = (): Tensor => fromBytes(new Uint8Array(bytes), { dtype: 'f32', shape, adopt: true })
    this.rows = Array.from({ length: config.layers }, () => ({ k: empty(), v: empty() }))
  }

  /** Number of tokens in the cache: the position of the next one. */
  get position(): number {
    return this.length
  }

  /** Keys and values by layer, each [batch, kvHeads, capacity, headWidth]. Errors: DISPOSED. */
  get layers(): readonly LayerCache[] {
    if (this.gone) throw new TransformerError('DISPOSED', 'the cache was disposed; make a new one')
    return this.rows
  }

  /** Bytes of all its tensors. */
  get bytes(): number {
    return this.rows.reduce((sum, { k, v }) => sum + 4 * (k.size + v.size), 0)
  }

  /** Refuses what would not fit, before anything runs. Errors: CAPACITY with the numbers. */
  reserve(tokens: number): void {
    if (this.length + tokens <= this.capacity) return
    throw new TransformerError(
      'CAPACITY',
      `the cache holds ${this.capacity} tokens; ${this.length} are in it and ${tokens} more were to be written, at positions ${this.length} to ${this.length + tokens - 1}. Make a cache with more capacity, or generate fewer tokens`,
    )
  }

  /** Takes the tensors that a call returned for the donated ones, which now hold `tokens` more valid rows. Of a cache that was disposed meanwhile they are freed. */
  replace(layers: readonly LayerCache[], tokens: number): void {
    this.rows = [...layers]
    this.length += tokens
    if (this.gone) this.free()
  }

  /** Forgets the tokens from `position` on; their rows are written again later. */
  truncate(position: number): void {
    if (!Number.isInteger(position) || position < 0 || position > this.length)
      throw new TransformerError('OPTION', `a cache of ${this.length} tokens cannot be cut at ${position}; expected 0 to ${this.length}`)
    this.length = position
  }

  /** Frees the memory. Disposing twice does nothing. */
  dispose(): void {
    if (this.gone) return
    this.gone = true
    this.free()
  }

  private free(): void {
    for (const { k, v } of this.rows) {
      k.dispose()
      v.dispose()
    }
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
