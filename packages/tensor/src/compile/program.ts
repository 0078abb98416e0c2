import type { Node, TensorType, Value } from '../graph/node.js'
import type { DeviceBuffer } from '../device/device.js'
import { printAttrs } from '../graph/print.js'
import { printShape, type Sym } from '../shape.js'

/**
 * How a program may treat an input: an `input` buffer may change between runs; a `frozen` one never does, so a device
 * may keep a packed copy of it (its buffer is in `frozen`).
 */
export type InputRole = 'input' | 'frozen'

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

/** The program as text: inputs with their roles, nodes, outputs with the inputs whose memory they take over. */
export function printProgram(program: Program): string {
  const { inputs, nodes, outputs } = program
  const names = new Map<Node, string>([
    ...inputs.map(({ value }, i) => [value.node, `in${i}`] as const),
    ...nodes.map((node, i) => [node, `%${i}`] as const),
  ])
  const edge = ({ node, index }: Value): string => (node.outputs.length === 1 ? names.get(node)! : `${names.get(node)!}.${index}`)
  const type = ({ dtype, shape }: TensorType): string => `${dtype}${printShape(shape)}`
  return [
    `program of ${nodes.length} nodes${program.symbols.length === 0 ? '' : ` over ${program.symbols.map(({ name, max }) => `${name} ≤ ${max}`).join(', ')}`}`,
    ...inputs.map((input, i) => `in${i} : ${type(input)}${input.role === 'frozen' ? ', frozen' : ''}`),
    ...nodes.map(
      (node) =>
        `${names.get(node)!} = ${node.op}(${node.inputs.map(edge).join(', ')})${printAttrs(node.attrs)} : ${node.outputs.map(type).join(', ')}`,
    ),
    ...outputs.map(
      (output, i) => `out${i} = ${edge(output.value)}${output.alias === undefined ? '' : ` in the memory of in${output.alias}`}`,
    ),
  ].join('\n')
}
