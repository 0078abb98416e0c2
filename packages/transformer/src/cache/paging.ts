/** Whether a model's caches are in pages, and in how many. */
import type { Device } from '@tesserae/tensor'
import type { DecoderConfig } from '../architectures/config.js'
import { TransformerError } from '../errors.js'
import type { CacheType } from './cache-type.js'
import { defaultBlockSize, hasPages, type PageOptions } from './pages.js'

export interface PagingOptions {
  /**
   * Keep keys and values in pages: blocks of tokens that texts take as they grow, and share where they begin alike. A text then has memory for the tokens that are there, not for its capacity, and many go through a step as one
   * batch. Default: where the device has kernels for it, which WebGPU and CUDA do; on others `true` computes the same slowly.
   */
  readonly paged?: boolean
  /** Tokens of a block, from 1 to 1,024; default 16. Only full blocks are shared. */
  readonly blockSize?: number
  /**
   * Most blocks of all texts together. When they run out texts wait, and those that came last are set back and computed again later. At least as many as one text of the whole capacity takes; default as many as `maxStreams` of
   * these, memory willing. Of a card's memory they take up to a quarter of what is free at once, and then as much as is needed.
   */
  readonly cacheBlocks?: number
}

export interface PagingOf {
  readonly config: DecoderConfig
  readonly device: Device
  readonly type: CacheType
  readonly capacity: number
  readonly maxStreams: number
  readonly prefixCache: boolean | number
}

/** How pages are made; undefined where caches have fixed capacity. Errors: OPTION, UNSUPPORTED. */
export function pagingOf({ paged, blockSize = defaultBlockSize, cacheBlocks }: PagingOptions, of: PagingOf): PageOptions | undefined {
  const { config, device, type, capacity, maxStreams, prefixCache } = of
  if (paged !== undefined && typeof paged !== 'boolean')
    throw new TransformerError('OPTION', `paged must be true or false, got ${JSON.stringify(paged)}`)
  if (!Number.isInteger(blockSize) || blockSize < 1 || blockSize > 1024)
    throw new TransformerError('OPTION', `blockSize must be an integer from 1 to 1,024, got ${String(blockSize)}`)
  const perText = Math.ceil(capacity / blockSize)
  if (cacheBlocks !== undefined && !(Number.isInteger(cacheBlocks) && cacheBlocks >= perText))
    throw new TransformerError(
      'OPTION',
      `cacheBlocks must be an integer of ${perText} or more, which one text of ${capacity} tokens takes in blocks of ${blockSize}; got ${String(cacheBlocks)}. Give more, or a smaller capacity`,
    )
  if (!(paged ?? hasPages(config, { device, type, blockSize, capacity }))) {
    if (cacheBlocks === undefined) return undefined
    throw new TransformerError(
      'UNSUPPORTED',
      `cacheBlocks is for caches in pages, ${paged === false ? 'which paged: false turns off' : `for which ${device.description} has no kernels`}; leave it out`,
    )
  }
  return {
    capacity,
    blockSize,
    cacheBlocks: cacheBlocks ?? maxStreams * perText,
    type,
    device,
    kept: Number(prefixCache) * perText,
  }
}
