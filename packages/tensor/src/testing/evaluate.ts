/**
 * Evaluates a graph by the rows alone, without compiler or device: what conformance tests compare everything else with.
 */
import { resolveAttrs } from '../device/reference/interpret.js'
import { castNumber, computeArray, isFloat, roundToStorage, type DType, type NumericArray } from '../dtype.js'
import { TensorError } from '../errors.js'
import { makeNode, rowOf } from '../graph/build.js'
import type { Node, TensorType, Value } from '../graph/node.js'
import { topological } from '../graph/walk.js'
import type { OpRow, RefTensor, Sample, SampleInput } from '../ops/row.js'
import { printShape, resolveShape, type Shape, type SymValues } from '../shape.js'
import '../ops/table.js'
import { sampleValues } from './samples.js'

/** A value that stands for a tensor given at evaluation. */
export const placeholder = (type: TensorType): Value => ({ node: makeNode('input', [], {}, [type]), index: 0 })

/** Values of placeholders, in as many elements as they have in a call. */
const held = new WeakMap<Node, NumericArray>()

/** A placeholder that brings its values along, cast as `tensor()` casts them. */
export function given(values: ArrayLike<number>, shape: Shape = [values.length], dtype: DType = 'f32'): Value {
  const value = placeholder({ shape, dtype })
  held.set(value.node, castTo(dtype, values))
  return value
}
/** {@link given} for a tensor. */
export const givenTensor = ({ data, shape, dtype }: RefTensor): Value => given(data, shape, dtype)
/** The values of a placeholder made by {@link given}. */
export const dataOf = (value: Value): NumericArray => held.get(value.node)!

/** A tensor for the interpreter from numbers, cast as `tensor()` casts them. */
export function refTensor(shape: readonly number[], values: ArrayLike<number>, dtype: DType = 'f32'): RefTensor {
  const count = shape.reduce((product, dim) => product * dim, 1)
  if (values.length !== count)
    throw new TensorError('SHAPE', `refTensor: ${values.length} values do not fill ${printShape(shape)} (${count})`)
  return { data: castTo(dtype, values), shape, dtype }
}

function castTo(dtype: DType, values: ArrayLike<number>): NumericArray {
  const data = computeArray(dtype, values.length)
  for (let i = 0; i < values.length; i++) data[i] = castNumber(dtype, values[i]!)
  return data
}

export interface EvaluateOptions {
  readonly symbols?: SymValues
  /** Decompose every composite, even one with a reference of its own. */
  readonly decomposeAll?: boolean
}

const noSymbols: SymValues = new Map()

/** Values of a graph. `feeds` gives every placeholder its tensor, unless it has one of its own. */
export function evaluate(outputs: readonly Value[], feeds: ReadonlyMap<Node, RefTensor>, options: EvaluateOptions = {}): RefTensor[] {
  const symbols = options.symbols ?? noSymbols
  const known = new Map<Node, readonly RefTensor[]>()
  for (const [node, tensor] of feeds) known.set(node, [tensor])
  const valueOf = (value: Value): RefTensor => known.get(value.node)![value.index]!

  const visitAll = (values: readonly Value[]): RefTensor[] => {
    for (const node of topological(values, (node) => known.has(node))) known.set(node, visit(node))
    return values.map(valueOf)
  }
  const visit = (node: Node): readonly RefTensor[] => {
    const own = held.get(node)
    if (own !== undefined) return node.outputs.map((type) => ({ data: own, shape: resolveShape(type.shape, symbols), dtype: type.dtype }))
    if (node.op === 'input') throw new TensorError('VALUE', 'evaluate: a placeholder of the graph was given no tensor')
    const row = rowOf(node.op)
    const types = node.outputs.map(({ shape, dtype }) => ({ shape: resolveShape(shape, symbols), dtype }))
    if (row.decompose !== undefined && (row.reference === undefined || options.decomposeAll === true)) {
      const parts = row.decompose(node.inputs, node.attrs)
      return visitAll(parts).map((part, i) => checked(node, part, types[i]!))
    }
    if (row.reference === undefined)
      throw new TensorError('UNSUPPORTED', `evaluate: ${node.op} has neither a reference nor a decomposition`)
    const results = row.reference({ inputs: node.inputs.map(valueOf), attrs: resolveAttrs(node.attrs, symbols), outputs: types })
    return types.map((type, i) => checked(node, rounded(results[i]!, type), type))
  }
  return visitAll(outputs)
}

type ResolvedType = { readonly shape: readonly number[]; readonly dtype: DType }

function rounded(data: NumericArray, type: ResolvedType): RefTensor {
  // A reference may return its input's array, which must not change under the input's name.
  const own = type.dtype === 'f16' || type.dtype === 'bf16' ? data.slice() : data
  roundToStorage(type.dtype, own)
  return { data: own, ...type }
}

/** What was computed is what `infer` promised. */
function checked(node: Node, tensor: RefTensor, type: ResolvedType): RefTensor {
  const count = type.shape.reduce((product, dim) => product * dim, 1)
  const fits =
    tensor.dtype === type.dtype && tensor.data.length === count && tensor.data.constructor === computeArray(type.dtype, 0).constructor
  if (!fits || tensor.shape.length !== type.shape.length || tensor.shape.some((dim, axis) => dim !== type.shape[axis]))
    throw new TensorError(
      'RUNTIME',
      `${node.op}: computed ${tensor.dtype} ${printShape(tensor.shape)} in a ${tensor.data.constructor.name} of ${tensor.data.length}, infer promised ${type.dtype} ${printShape(type.shape)}`,
    )
  return tensor
}

/** The tensor of one sample input. Floats become `floats` when given, with the values they have in their own dtype. */
export function sampleTensor(input: SampleInput, name: string, floats?: DType): RefTensor {
  const own = input.dtype ?? 'f32'
  return refTensor(input.shape, sampleValues(input, name), floats !== undefined && isFloat(own) ? floats : own)
}

/** All tensors of a sample, the same in every process. */
export const sampleTensors = (row: OpRow, sample: Sample, floats?: DType): RefTensor[] =>
  sample.inputs.map((input, i) => sampleTensor(input, `${row.name}/${sample.name}/${i}`, floats))

/** Placeholders for tensors, with the feeds that give them their values. */
export function placeholdersFor(tensors: readonly RefTensor[]): { readonly values: Value[]; readonly feeds: Map<Node, RefTensor> } {
  const values = tensors.map(({ shape, dtype }) => placeholder({ shape, dtype }))
  return { values, feeds: new Map(values.map((value, i) => [value.node, tensors[i]!])) }
}

/** Runs a function of graph values on tensors. */
export function run(
  build: (...inputs: Value[]) => Value | readonly Value[],
  tensors: readonly RefTensor[],
  options?: EvaluateOptions,
): RefTensor[] {
  const { values, feeds } = placeholdersFor(tensors)
  const built = build(...values)
  return evaluate(Array.isArray(built) ? (built as readonly Value[]) : [built as Value], feeds, options)
}

/** Numbers of graphs whose placeholders have their tensors. */
export const readAll = (outputs: readonly Value[], symbols: SymValues = noSymbols): number[][] =>
  evaluate(outputs, new Map(), { symbols }).map(({ data }) => [...data])
/** {@link readAll} for one value. */
export const read = (output: Value, symbols?: SymValues): number[] => readAll([output], symbols)[0]!
