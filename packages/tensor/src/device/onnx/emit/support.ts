/** For which shapes and attributes the native forms of composites are right; primitives always are. */
import type { Attrs, TensorType } from '../../../graph/node.js'
import type { Target } from './context.js'

type Check = (inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs, target: Target) => boolean

const checks: Readonly<Record<string, Check>> = {}

export function supportsTypes(op: string, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs, target: Target): boolean {
  return checks[op]?.(inputs, outputs, attrs, target) ?? true
}
