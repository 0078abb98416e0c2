/** How much memory a model takes, and whether a device has it. */
import {
  checkMemory,
  defaultDevice,
  estimateMemory,
  resolveDevice,
  type Device,
  type DeviceName,
  type QuantizedLayout,
  type Tensor,
  type TensorBytes,
} from '@tesserae/tensor'
import type { DecoderConfig } from '../architectures/config.js'
import { isPackable, namedWeights, weightSpecs } from '../architectures/weights.js'
import { checkCacheType, type CacheType } from '../cache/cache-type.js'
import { partBytes, partsOf } from '../cache/parts.js'
import { blocksFor, defaultBlockSize, lanesOf } from '../cache/pages.js'
import { layerRows, slidingOf } from '../cache/sliding.js'

export interface ModelMemoryOptions {
  /** Tokens that the cache of one sequence holds; default the configuration's context. 0 for no cache. */
  readonly capacity?: number
  /** Sequences side by side; default 1. */
  readonly batch?: number
  /** Whether layers with a window hold no more than its rows and room for new ones, as those of `createModel` do; default true. */
  readonly sliding?: boolean
  /** Caches are in pages, of blocks of so many tokens: `capacity` and `batch` are of texts that are as long as they can be. */
  readonly blockSize?: number
  /** So many blocks in place of those of `batch` texts; of `blockSize`, default 16. */
  readonly cacheBlocks?: number
  /** What keys and values are kept in; default f32. */
  readonly cacheType?: CacheType
  /** What matrices that are not packed are kept in; default 'f32'. */
  readonly matrices?: 'f32' | 'f16' | 'bf16'
  /** How matrices are packed; undefined for one in f32. Default: all are. */
  readonly layout?: (name: string, shape: readonly number[]) => Pick<QuantizedLayout, 'bits' | 'block' | 'hasMins'> | undefined
}

/** Matrices as `quantize` leaves them with types of 8 or 4 bits, for `layout` of {@link modelMemory}. */
export const packedLayout =
  (bits: 4 | 8, options: { readonly hasMins?: boolean } = {}): NonNullable<ModelMemoryOptions['layout']> =>
  (name, shape) =>
    isPackable(name, shape) && shape.at(-1)! % 32 === 0 ? { bits, block: 32, hasMins: options.hasMins ?? false } : undefined

/** Bytes of every tensor that a model keeps. What programs need while they run comes on top. */
export interface ModelMemory {
  /** Rotary tables are among them. */
  readonly weights: readonly TensorBytes[]
  /** Keys and values of one generation. */
  readonly cache: readonly TensorBytes[]
}

/** What a configuration's model takes, worked out without making it: give it to `checkMemory` or `estimateMemory` with a device. */
export function modelMemory(config: DecoderConfig, options: ModelMemoryOptions = {}): ModelMemory {
  const { capacity = config.context, cacheType = 'f32' } = options
  const bytesOf = (...shape: readonly number[]): number => 4 * shape.reduce((a, b) => a * b, 1)
  const weights = [...namedWeights(weightSpecs(config))].flatMap(([name, { shape }]) => {
    const layout = options.layout?.(name, shape)
    const isHalf = options.matrices !== undefined && options.matrices !== 'f32' && isPackable(name, shape)
    if (layout === undefined) return [{ name, bytes: bytesOf(...shape) / (isHalf ? 2 : 1) }]
    const [scales, packed] = [bytesOf(...shape) / layout.block, (bytesOf(...shape) * layout.bits) / 32]
    return [
      { name: `${name}.packed`, bytes: packed },
      { name: `${name}.scales`, bytes: scales },
      ...(layout.hasMins ? [{ name: `${name}.mins`, bytes: scales }] : []),
    ]
  })
  if (config.positions === 'rotary')
    for (const name of ['cos', 'sin', ...(config.localRopeBase === undefined ? [] : ['local.cos', 'local.sin'])])
      weights.push({
        name: `rotary.${name}`,
        bytes: bytesOf(capacity === 0 ? config.context : capacity, (config.rotaryWidth ?? config.headWidth) / 2),
      })
  const parts = Object.entries(partsOf(checkCacheType(cacheType, config), config.headWidth))
  const cache = tokensOf(config, capacity, options).flatMap((count, layer) =>
    parts.map(([name, part]) => ({ name: `cache.${layer}.${name}`, bytes: partBytes(part, config.kvHeads * count) })),
  )
  return { weights, cache }
}

/** Tokens that each layer's cache holds. */
function tokensOf(
  config: DecoderConfig,
  capacity: number,
  { batch = 1, sliding = true, blockSize, cacheBlocks }: ModelMemoryOptions,
): number[] {
  if (capacity === 0) return []
  if (blockSize === undefined && cacheBlocks === undefined)
    return layerRows(config, capacity, sliding ? slidingOf(config, capacity) : undefined).map((rows) => batch * rows)
  const size = blockSize ?? defaultBlockSize
  const all: number[] = []
  for (const { layers, window } of lanesOf(config, capacity))
    for (const layer of layers) all[layer] = size * (cacheBlocks ?? batch * blocksFor({ window }, capacity, size))
  return all
}

/** Where tensors are, else the device asked for, else the default device. */
export async function deviceFor(tensors: Iterable<Tensor>, device: Device | DeviceName | undefined): Promise<Device> {
  for (const { device: present } of tensors) if (present !== undefined) return present
  return device === undefined ? defaultDevice() : resolveDevice(device)
}

/**
 * Refuses a model that cannot fit on a device, before anything of it is there. Weights that are there already, or wait in the very memory that the device
 * has, take no more. Errors: OUT_OF_MEMORY of `@tesserae/tensor`, with the numbers.
 */
export function checkModelMemory({ weights, cache }: ModelMemory, device: Device, present: ReadonlyMap<string, Tensor> = new Map()): void {
  const { host = false } = device.room?.() ?? {}
  const isThere = (name: string): boolean => {
    const tensor = present.get(name)
    return tensor !== undefined && (host || tensor.device === device)
  }
  checkMemory({ weights: weights.map((weight) => ({ ...weight, present: isThere(weight.name) })), cache }, device)
}

/**
 * Whether nothing that the device tells speaks against one more cache beside those present. A system counts memory as free until it is written to, so caches in it are held against
 * what is free as if all of them were empty.
 */
export function hasRoom(
  config: DecoderConfig,
  { capacity, present, cacheType }: { readonly capacity: number; readonly present: number; readonly cacheType: CacheType },
  device: Device,
): boolean {
  const batch = device.room?.().host === true ? present + 1 : 1
  return estimateMemory({ cache: modelMemory(config, { capacity, batch, cacheType }).cache }, device).refusal === undefined
}
