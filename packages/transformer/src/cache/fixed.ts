import { byteSize, fromBytes } from '@tesserae/tensor'
import type { DecoderConfig } from '../architectures/config.js'
import { counted, TransformerError } from '../errors.js'
import type { LayerCache } from '../layers/attention.js'
import { checkCacheType, type CacheType } from './cache-type.js'
import { disposeCache, mapCache, partBytes, partsOf } from './parts.js'
import { beyondCapacity, type SequenceCache } from './sequence.js'
import { layerRows, slidingOf, type Sliding } from './sliding.js'
import type { CacheStack } from './stack.js'

export interface FixedCacheOptions {
  /** Sequences side by side; default 1. */
  readonly batch?: number
  /** Tokens it can hold; default, and at most, the model's context. */
  readonly capacity?: number
  /**
   * Layers with a window hold what tokens to come can see, and no more: at most 256 tokens are then appended at once, `slide` makes room before, and their first row is `row`. Default false.
   */
  readonly sliding?: boolean
  /** What keys and values are kept in; default f32. */
  readonly type?: CacheType
  /** @internal Where it lies beside others, if there is a row: its caches are of the same type. */
  readonly stack?: CacheStack
}

/**
 * Keys and values of the tokens seen so far, with room for a fixed number of them: a growing cache would be copied, and
 * its programs compiled, again and again. Owns its memory: `using`, or `dispose()`.
 *
 * Programs write into the tensors in place, which replaces their handles: read `layers` anew for each call, donate it, and hand the
 * call's result to {@link FixedCache.replace}.
 */
export class FixedCache implements SequenceCache {
  readonly batch: number
  readonly capacity: number
  /** @internal Where it lies beside others. */
  readonly place: { readonly stack: CacheStack; readonly row: number } | undefined
  private rows: LayerCache[]
  private length = 0
  /** Position of the first row of layers that slide. */
  private base = 0
  private gone = false
  private readonly sliding: Sliding | undefined
  private readonly slides: readonly boolean[]

  constructor(config: Pick<DecoderConfig, 'layers' | 'kvHeads' | 'headWidth' | 'context' | 'windows'>, options: FixedCacheOptions = {}) {
    const { batch = 1, capacity = config.context, sliding = false, type = 'f32' } = options
    if (!Number.isInteger(batch) || batch < 1)
      throw new TransformerError('OPTION', `a cache's batch must be a positive integer, got ${batch}`)
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > config.context)
      throw new TransformerError(
        'CAPACITY',
        `a cache's capacity must be an integer from 1 to the model's context of ${config.context}, got ${capacity}`,
      )
    this.batch = batch
    this.capacity = capacity
    this.sliding = sliding ? slidingOf(config, capacity) : undefined
    const rows = layerRows(config, capacity, this.sliding)
    this.slides = rows.map((count) => count < capacity)
    const parts = partsOf(checkCacheType(type, config), config.headWidth)
    const empty = (count: number): LayerCache =>
      mapCache(parts, (part) => {
        const { dtype, width } = part
        const shape = [batch, config.kvHeads, count, width]
        return fromBytes(new Uint8Array(partBytes(part, batch * config.kvHeads * count)), { dtype, shape, adopt: true })
      })
    const { stack } = options
    const taken = stack?.take()
    this.place = stack === undefined || taken === undefined ? undefined : { stack, row: taken.row }
    this.rows = taken?.layers ?? rows.map(empty)
  }

  /** Number of tokens in the cache: the position of the next one. */
  get position(): number {
    return this.length
  }

  /** Row of the next token in the layers that slide; its position where none does. */
  get row(): number {
    return this.length - this.base
  }

  /** Keys and values by layer, each [batch, kvHeads, capacity, headWidth], of fewer bits with their scales; of layers that slide with fewer rows. Errors: DISPOSED. */
  get layers(): readonly LayerCache[] {
    if (this.gone) throw new TransformerError('DISPOSED', 'the cache was disposed; make a new one')
    return this.rows
  }

  /** Bytes of all its tensors. */
  get bytes(): number {
    return this.rows.flatMap((layer) => Object.values(layer)).reduce((sum, { dtype, size }) => sum + byteSize(dtype) * size, 0)
  }

  /** Refuses what would not fit, before anything runs. Errors: CAPACITY with the numbers. */
  reserve(tokens: number): void {
    if (this.length + tokens <= this.capacity) return
    throw new TransformerError('CAPACITY', beyondCapacity(this, tokens))
  }

  /** The layers that slide, or the others. */
  part(slides: boolean): readonly LayerCache[] {
    return this.layers.filter((_, layer) => this.slides[layer] === slides)
  }

  /** Takes the tensors that a call returned for {@link FixedCache.part}. Of a cache that was disposed meanwhile they are freed. */
  replacePart(slides: boolean, layers: readonly LayerCache[]): void {
    let next = 0
    this.rows = this.rows.map((rows, layer) => (this.slides[layer] === slides ? layers[next++]! : rows))
    if (this.gone) this.free()
  }

  /**
   * What is to be done before `tokens` more are appended to layers that slide: `kept` rows from `from` on are to move to the beginning, and {@link FixedCache.slid} is to be told. Undefined while there is
   * room.
   */
  toSlide(tokens: number): { readonly from: number; readonly kept: number } | undefined {
    if (this.sliding === undefined || this.row + tokens <= this.sliding.rows) return undefined
    const { kept } = this.sliding
    return { from: this.row - kept, kept }
  }

  /** Rows of the layers that slide are by so many nearer to the beginning. */
  slid(by: number): void {
    this.base += by
  }

  /** Takes over which tokens a cache of the same form holds; their rows are copied by whoever calls it. */
  become(other: FixedCache, tokens: number): void {
    this.length = tokens
    this.base = other.base
  }

  /** So many tokens were written to it as a part of something else. */
  advance(tokens: number): void {
    this.length += tokens
  }

  /** Takes the tensors that a call returned for the donated ones, which now hold `tokens` more valid rows. Of a cache that was disposed meanwhile they are freed. */
  replace(layers: readonly LayerCache[], tokens: number): void {
    this.rows = [...layers]
    this.length += tokens
    if (this.gone) this.free()
  }

  /** Whether the tokens before `position` can stay when those from there on are forgotten: layers that slide must have all that the next one sees. */
  reaches(position: number): boolean {
    if (position === this.length || this.sliding === undefined || this.base === 0) return position <= this.length
    return position < this.length && position - this.base >= this.sliding.window - 1
  }

  /**
   * Forgets the tokens from `position` on; their rows are written again later. Where those before cannot stay, see {@link FixedCache.reaches}, it forgets all. Returns the position of the next token.
   */
  truncate(position: number): number {
    if (!Number.isInteger(position) || position < 0 || position > this.length)
      throw new TransformerError(
        'OPTION',
        `a cache of ${counted(this.length, 'token')} cannot be cut at ${position}; expected 0 to ${this.length}`,
      )
    this.length = this.reaches(position) ? position : 0
    if (this.length === 0) this.base = 0
    return this.length
  }

  /** Frees the memory. Disposing twice does nothing. */
  dispose(): void {
    if (this.gone) return
    this.gone = true
    this.free()
    this.place?.stack.release(this.place.row)
  }

  private free(): void {
    this.rows.forEach(disposeCache)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
