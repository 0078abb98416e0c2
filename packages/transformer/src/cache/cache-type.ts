import type { Device, DType } from '@tesserae/tensor'
import { TransformerError } from '../errors.js'
import { cacheParts } from './parts.js'

/** What keys and values are kept in: floats, or blocks of 32 numbers of 8 or 4 bits that share a scale, as in GGUF's Q8_0 and Q4_0. */
export type CacheType = 'f32' | 'f16' | 'q8' | 'q4'

const types: readonly CacheType[] = ['f32', 'f16', 'q8', 'q4']

/** Refuses what nothing keeps, what does not go into heads of a width, and what the device cannot hold. Errors: OPTION, UNSUPPORTED. */
export function checkCacheType(type: CacheType, { headWidth }: { readonly headWidth: number }, device?: Device): CacheType {
  if (!types.includes(type))
    throw new TransformerError('OPTION', `cacheType must be ${types.map((one) => `'${one}'`).join(', ')}, got ${JSON.stringify(type)}`)
  if ((type === 'q8' || type === 'q4') && headWidth % 8 !== 0)
    throw new TransformerError(
      'UNSUPPORTED',
      `cacheType '${type}' cuts keys and values into blocks of 32, 16 or 8 numbers, into which heads of width ${headWidth} do not go; use 'f16' or 'f32'`,
    )
  const missing = (dtype: DType): boolean => device !== undefined && !device.caps.dtypes.includes(dtype)
  const dtype = cacheParts(type, headWidth).find((part) => missing(part.dtype))?.dtype
  if (dtype !== undefined) throw new TransformerError('UNSUPPORTED', `${device!.description} holds no ${dtype}; leave cacheType at 'f32'`)
  return type
}
