/** For which shapes and attributes the native forms of composites are right; primitives always are. */
import type { Attrs, TensorType } from '../../../graph/node.js'
import type { Target } from './context.js'

type Check = (inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs, target: Target) => boolean

const checks: Readonly<Record<string, Check>> = {
  // ONNX Runtime leaves the result of an empty inner product unwritten where it should be zero.
  matmul: ([a], _, attrs) => a!.shape.at(attrs['transA'] === true ? -2 : -1) !== 0,
}

export function supportsTypes(op: string, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs, target: Target): boolean {
  return checks[op]?.(inputs, outputs, attrs, target) ?? true
}
