/** For which shapes and attributes the native forms of composites are right; those of primitives always are. */
import type { Attrs, TensorType } from '../../../graph/node.js'
import { elementCount, isSym, type Shape } from '../../../shape.js'
import type { Target } from './context.js'

type Check = (inputs: readonly TensorType[], attrs: Attrs, target: Target) => boolean

const isStatic = (shape: Shape): boolean => !shape.some(isSym)

/** Coordinates of a cache's rows are constants of the model: up to this many rows. */
const CACHE_ROWS = 16_384

/** Below this many tokens the decomposition of causal attention is faster than GroupQueryAttention. */
const CAUSAL_TOKENS = 384

/** Whether one of ONNX Runtime's attention kernels is right for these types, and worth it. */
const attention: Check = (inputs, attrs) => {
  const [q, k] = inputs as readonly [TensorType, TensorType]
  const keys = k.shape[2]
  const isWhole = attrs['length'] === undefined || attrs['length'] === keys
  if (
    inputs.length > 3 ||
    !isWhole ||
    !isStatic(q.shape) ||
    !isStatic(k.shape) ||
    elementCount(q.shape) === 0 ||
    elementCount(k.shape) === 0
  )
    return false
  if (attrs['causal'] !== true) return q.shape[1] === k.shape[1] && attrs['softcap'] === undefined
  return q.shape[2] === keys && (keys as number) >= CAUSAL_TOKENS && (q.shape[3] as number) % 8 === 0
}

const checks: Readonly<Record<string, Check>> = {
  // An axis that may be empty has no first element to normalise by.
  rope: ([x, cos]) => elementCount(x!.shape) > 0 && typeof x!.shape[1] === 'number' && cos!.shape[0] !== 0,
  cacheWrite: ([cache, rows]) =>
    isStatic(cache!.shape) &&
    isStatic(rows!.shape) &&
    elementCount(rows!.shape.slice(0, 3)) <= CACHE_ROWS &&
    elementCount(cache!.shape) > 0,
  attention,
  attendCached: ([q, k, , cacheK]) => {
    const [batch, heads, tokens, width] = q!.shape
    // GroupQueryAttention refuses other widths, bf16, and several sequences with several tokens each.
    if (q!.dtype === 'bf16' || typeof heads !== 'number' || typeof width !== 'number' || width % 8 !== 0) return false
    if (batch !== 1 && tokens !== 1) return false
    return isStatic(cacheK!.shape) && elementCount(q!.shape) > 0 && elementCount(k!.shape) > 0
  },
  geluGrad: (_, { approximate }) => approximate === 'none',
  qmatmulChosen: ([x, chosen]) => x!.shape[0] !== 0 && chosen!.shape[1] !== 0,
  topK: ([x]) => isStatic(x!.shape),
}

export function supportsTypes(op: string, inputs: readonly TensorType[], attrs: Attrs, target: Target): boolean {
  return checks[op]?.(inputs, attrs, target) ?? true
}
