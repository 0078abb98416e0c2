import { rowMemory, type Device, type RowMemory, type Tensor } from '@tesserae/tensor'
import type { DecoderConfig } from '../architectures/config.js'
import { TransformerError } from '../errors.js'
import type { LayerCache } from '../layers/attention.js'
import type { CacheType } from './cache-type.js'
import { FixedCache } from './fixed.js'
import { disposeCache, mapCache, partBytes, partsOf } from './parts.js'
import { layerRows, slidingOf } from './sliding.js'

/** Larger tensors are not made of several caches: arrays of JavaScript end there. */
const mostBytes = 2 ** 31

export interface StackOptions {
  /** Most caches. */
  readonly rows: number
  /** Tokens of each. */
  readonly capacity: number
  readonly type: CacheType
  readonly device: Device
}

type Memories = LayerCache<RowMemory>

/** Caches of several sequences in one memory: each has its prompt to itself, and a step takes those beside each other as one batch. */
export class CacheStack {
  /** Row of the stack by whether somebody has it. */
  private readonly taken: boolean[]
  /** Rows that were taken together, by `from:count`. */
  private readonly runs = new Map<string, LayerCache[]>()

  private constructor(
    readonly rows: number,
    private readonly memories: readonly Memories[],
  ) {
    this.taken = new Array<boolean>(rows).fill(false)
  }

  /** Undefined where the device has no memory that tensors share, or not so much. */
  static make(config: DecoderConfig, options: StackOptions): CacheStack | undefined {
    const { rows, capacity, device, type } = options
    if (!writesInPlace(config, options)) return undefined
    const made: RowMemory[] = []
    const give = (): void => made.forEach((memory) => memory.dispose())
    const parts = partsOf(type, config.headWidth)
    const counts = layerRows(config, capacity, slidingOf(config, capacity))
    try {
      const memories = counts.map((count) =>
        mapCache(parts, (part) => {
          const { dtype, width } = part
          const isTooLarge = partBytes(part, rows * config.kvHeads * count) > mostBytes
          const memory = isTooLarge ? undefined : rowMemory(rows, [config.kvHeads, count, width], { device, dtype })
          if (memory !== undefined) made.push(memory)
          return memory
        }),
      )
      const isWhole = (memory: LayerCache<RowMemory | undefined>): memory is Memories => !Object.values(memory).includes(undefined)
      if (memories.every(isWhole)) return new CacheStack(rows, memories)
    } catch {
      // As where there is no such memory.
    }
    return (give(), undefined)
  }

  /** Whether anybody has a row. */
  get inUse(): boolean {
    return this.taken.includes(true)
  }

  /** The first row that nobody has. Its tensors are the taker's, who gives it back. */
  take(): { readonly row: number; readonly layers: LayerCache[] } | undefined {
    const row = this.taken.indexOf(false)
    if (row < 0) return undefined
    this.taken[row] = true
    return { row, layers: this.views(row, 1) }
  }

  /** Gives a row back; with the last one all memory goes. */
  release(row: number): void {
    this.taken[row] = false
    if (this.inUse) return
    for (const layers of this.runs.values()) dispose(layers)
    this.runs.clear()
    this.memories.forEach(disposeCache)
  }

  /** Rows side by side as the caches of a batch: donate them, and hand on what becomes of them. */
  run(from: number, count: number): readonly LayerCache[] {
    const key = `${from}:${count}`
    let layers = this.runs.get(key)
    if (layers === undefined) this.runs.set(key, (layers = this.views(from, count)))
    return layers
  }

  /** Takes the tensors that a call returned for {@link CacheStack.run}; undefined when the call failed. */
  replace(from: number, count: number, layers: readonly LayerCache[] | undefined): void {
    const key = `${from}:${count}`
    if (layers === undefined) dispose(this.runs.get(key) ?? [])
    this.runs.delete(key)
    if (layers === undefined) return
    const isHere = (layer: LayerCache, at: number): boolean =>
      (Object.entries(layer) as [keyof LayerCache, Tensor][]).every(([name, tensor]) => this.memories[at]![name]?.holds(tensor) === true)
    if (!layers.every(isHere))
      throw new TransformerError('UNSUPPORTED', 'a step wrote caches elsewhere than where they lie; make the model with maxStreams: 1')
    if (this.inUse) this.runs.set(key, [...layers])
    else dispose(layers)
  }

  private views(from: number, count: number): LayerCache[] {
    return this.memories.map((memories) => mapCache(memories, (memory) => memory.tensor(from, count)))
  }
}

/** Whether the device attends in the caches' own memory: what is computed in parts may be written elsewhere. */
function writesInPlace({ heads, kvHeads, headWidth }: DecoderConfig, { rows, capacity, device, type }: StackOptions): boolean {
  const of = (heads: number) => ({ shape: [rows, heads, 1, headWidth], dtype: type === 'f16' ? type : 'f32' }) as const
  const { k, v, ...scales } = mapCache(partsOf(type, headWidth), ({ dtype, width }) => ({ shape: [rows, kvHeads, capacity, width], dtype }))
  const beside = Object.values(scales)
  const positions = { shape: [rows], dtype: 'i32' } as const
  const inputs = [of(heads), of(kvHeads), of(kvHeads), k, v, positions, ...beside]
  return device.supports('attendCached', inputs, [of(heads), k, v, ...beside], { scale: 1 })
}

const dispose = (layers: readonly LayerCache[]): void => layers.forEach(disposeCache)

/** Where the caches of a step lie beside each other: rows `from` … `from` + `count` − 1 of a stack, among them those of no cache of the step. */
export interface StackRun {
  readonly stack: CacheStack
  readonly from: number
  readonly count: number
}

/** Undefined where they do not, or so many others lie between them that a batch of all would be more work. */
export function runOf(caches: readonly FixedCache[]): StackRun | undefined {
  const [first] = caches
  const stack = first?.place?.stack
  if (stack === undefined || caches.some(({ place }) => place?.stack !== stack)) return undefined
  const rows = caches.map(({ place }) => place!.row)
  const count = Math.min(stack.rows, 2 ** Math.ceil(Math.log2(rows.length)))
  const from = Math.min(Math.min(...rows), stack.rows - count)
  return Math.max(...rows) < from + count ? { stack, from, count } : undefined
}

/** Makes caches whose layers slide, beside each other as far as there is room for `rows` of them. */
export function cacheMaker(config: DecoderConfig, options: StackOptions): () => FixedCache {
  const { capacity, type } = options
  let stack: CacheStack | undefined
  return () => {
    if (stack?.inUse !== true) stack = CacheStack.make(config, options)
    return new FixedCache(config, { capacity, type, sliding: true, ...(stack === undefined ? {} : { stack }) })
  }
}
