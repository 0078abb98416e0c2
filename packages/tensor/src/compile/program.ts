import type { Node, TensorType, Value } from '../graph/node.js'
import type { DeviceBuffer } from '../device/device.js'
import type { Sym } from '../shape.js'

/**
 * How a program may treat an input: `input` and `trainable` buffers change between runs; a `frozen` one never does,
 * so a device may keep a packed copy of it (its buffer is in `frozen`).
 */
export type InputRole = 'input' | 'trainable' | 'frozen'

export interface ProgramInput extends TensorType {
  readonly role: InputRole
  /** Output 0 of the `input` node that stands for it in `nodes`' edges. */
  readonly value: Value
  /** The buffer itself when role is `frozen`: programs over one set of weights share it. */
  readonly frozen?: DeviceBuffer
}

export interface ProgramOutput extends TensorType {
  readonly value: Value
  /** Index of the input whose buffer this output is written into. */
  readonly alias?: number
}

/**
 * A lowered graph, ready for a device: nodes in topological order (without the `input` nodes), every op one that
 * the device supports.
 */
export interface Program {
  /** Structural identity, equal for equal programs. */
  readonly key: string
  readonly nodes: readonly Node[]
  readonly inputs: readonly ProgramInput[]
  readonly outputs: readonly ProgramOutput[]
  /** Every symbol that appears, in order of first appearance. */
  readonly symbols: readonly Sym[]
  /** The graph holds a recomputed region: common subexpressions must not be merged by the device's runtime. */
  readonly keepsDuplicates: boolean
}
