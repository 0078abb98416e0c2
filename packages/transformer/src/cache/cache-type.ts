import type { Device } from '@tesserae/tensor'
import { TransformerError } from '../errors.js'

/** What keys and values are kept in. */
export type CacheType = 'f32' | 'f16'

const types: readonly CacheType[] = ['f32', 'f16']

/** Refuses what nothing keeps, and what the device cannot. Errors: OPTION, UNSUPPORTED. */
export function checkCacheType(type: CacheType, device?: Device): CacheType {
  if (!types.includes(type))
    throw new TransformerError('OPTION', `cacheType must be 'f32' or 'f16', got ${JSON.stringify(type)}; caches of fewer bits are not made`)
  if (device !== undefined && !device.caps.dtypes.includes(type))
    throw new TransformerError('UNSUPPORTED', `${device.description} holds no ${type}; leave cacheType at 'f32'`)
  return type
}
