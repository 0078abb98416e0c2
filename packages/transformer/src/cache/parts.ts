/** The tensors that a layer's cache is made of. */
import { byteSize, type DType, type Tensor } from '@tesserae/tensor'
import type { LayerCache } from '../layers/attention.js'
import type { CacheType } from './cache-type.js'
import { longestPiece } from './sliding.js'

/** A tensor of a layer's cache, [batch, kvHeads, capacity, width]. */
export interface CachePart {
  readonly dtype: DType
  readonly width: number
}

/** Numbers that share a scale: 32, or the most of 16 and 8 that divide the width of a head. */
const blockOf = (headWidth: number): number => [32, 16].find((size) => headWidth % size === 0) ?? 8

/** The parts of a layer's cache, of heads of a width. */
export function partsOf(type: CacheType, headWidth: number): LayerCache<CachePart> {
  if (type === 'f32' || type === 'f16') return both({ dtype: type, width: headWidth })
  const { k: scalesK, v: scalesV } = both({ dtype: 'f32' as const, width: headWidth / blockOf(headWidth) })
  return { ...both(type === 'q8' ? { dtype: 'i8', width: headWidth } : { dtype: 'u8', width: headWidth / 2 }), scalesK, scalesV }
}

const both = (part: CachePart): LayerCache<CachePart> => ({ k: part, v: part })

export const cacheParts = (type: CacheType, headWidth: number): readonly CachePart[] => Object.values(partsOf(type, headWidth))

/** Bytes of so many rows of a part. */
export const partBytes = ({ dtype, width }: CachePart, rows: number): number => byteSize(dtype) * width * rows

/** Scores of a layer that may be there at once, where keys and values are few bits; what is made of them takes four times as much. */
const scoresBytes = 12 * 2 ** 20

/** Tokens of a prompt that run at once: fewer where scores of more would take what caches of few bits save. */
export function pieceTokens(type: CacheType, { heads }: { readonly heads: number }, capacity: number): number {
  if (type === 'f32' || type === 'f16') return longestPiece
  const most = scoresBytes / (4 * heads * capacity)
  return Math.max(16, Math.min(longestPiece, 2 ** Math.floor(Math.log2(most))))
}

/** Each part of a cache made into something else. */
export const mapCache = <From, To>(cache: LayerCache<From>, map: (part: From, name: keyof LayerCache) => To): LayerCache<To> =>
  Object.fromEntries(
    Object.entries(cache).map(([name, part]) => [name, map(part as From, name as keyof LayerCache)]),
  ) as unknown as LayerCache<To>

/** Frees a layer's cache, of tensors or of the memory that tensors lie in. */
export const disposeCache = (cache: LayerCache<Pick<Tensor, 'dispose'>>): void => {
  for (const part of Object.values(cache)) part.dispose()
}
