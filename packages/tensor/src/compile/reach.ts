/** What a kernel reaches of a device's memory: so many bindings, each of so many bytes at most. A larger array takes several. */
import { typeOf, type Node, type TensorType, type Value } from '../graph/node.js'
import { wordsOf } from '../kernel/lib/pack.js'
import { elementCount } from '../shape.js'

export interface Reach {
  /** Bindings of one kernel. */
  readonly maxBindings: number
  /** Bytes of one binding, a multiple of 256; Infinity where an array is bound whole whatever its size. */
  readonly rangeBytes: number
  /** Bytes of one block of memory, a multiple of `rangeBytes`: what lies beyond is in another, and no binding goes across. */
  readonly blockBytes: number
}

/** Kernels number the words of an array by 32 bits. */
export const MOST_BYTES = 4 * (2 ** 32 - 1)

const sizes = new WeakMap<TensorType, number>()

/** Bytes of a tensor in memory, symbols at their maximum. */
export function bytesInWords(type: TensorType): number {
  let bytes = sizes.get(type)
  if (bytes === undefined) sizes.set(type, (bytes = wordsOf(type.dtype, elementCount(type.shape)) * 4))
  return bytes
}

/** Bindings that so many bytes take. */
export const rangesOfBytes = (bytes: number, { rangeBytes }: Reach): number => Math.max(1, Math.ceil(bytes / rangeBytes))

/** Bindings that tensors take, each one of its own. */
export const rangesOf = (types: readonly TensorType[], reach: Reach): number =>
  types.reduce((sum, type) => sum + rangesOfBytes(bytesInWords(type), reach), 0)

/** Bindings of one value. */
export const rangesOfValue = (value: Value, reach: Reach): number => rangesOf([typeOf(value)], reach)

/** Bindings that reading these nodes takes, of each the output that takes most. */
export const rangesOfNodes = (nodes: Iterable<Node>, reach: Reach): number => {
  let sum = 0
  for (const { outputs } of nodes) sum += Math.max(...outputs.map((type) => rangesOf([type], reach)))
  return sum
}
