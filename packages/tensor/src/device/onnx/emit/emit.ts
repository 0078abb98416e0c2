/** From a program to an ONNX model: the one entry point of this folder. */
import type { Program } from '../../../compile/program.js'
import { byteSize, type DType } from '../../../dtype.js'
import { TensorError } from '../../../errors.js'
import { rowOf } from '../../../graph/build.js'
import { sameValue, typeOf, type Attrs, type Node, type TensorType, type Value } from '../../../graph/node.js'
import { topological, ValueMap } from '../../../graph/walk.js'
import { elementCount, isSym, type Sym } from '../../../shape.js'
import { elementTypeOf } from '../element-type.js'
import { arithmeticEmitters } from './arithmetic.js'
import { attentionEmitters } from './attention.js'
import { EmitContext, type Output, type Target } from './context.js'
import { conversionEmitters } from './conversion.js'
import type { EmitterTable } from './emitter.js'
import { generateEmitters } from './generate.js'
import { orderAliases } from './hazards.js'
import { indexingEmitters } from './indexing.js'
import { JointProducts } from './joint.js'
import { matmulEmitters } from './matmul.js'
import type { Name } from './model-builder.js'
import { movementEmitters } from './movement.js'
import { normEmitters } from './norm.js'
import { chosenProducts, hasConstantWeights, quantisedProduct } from './quant.js'
import { reduceEmitters } from './reduce.js'
import { slicingEmitters } from './slicing.js'
import { supportsTypes } from './support.js'
import { trainingEmitters } from './training.js'

export interface EmittedModel {
  /** A serialised ModelProto. */
  readonly bytes: Uint8Array
  /** Parallel to program.inputs; undefined when an input is not read or is an initializer. */
  readonly inputNames: readonly (string | undefined)[]
  /** Parallel to program.outputs. */
  readonly outputNames: readonly string[]
  /** int64 [1] inputs that carry the values of symbols. */
  readonly symbolInputs: readonly { readonly name: string; readonly symbol: Sym }[]
  /** Frozen inputs declared as external initializers, whose OrtValues the runtime supplies. */
  readonly initializers: readonly EmittedInitializer[]
  /** Sizes of temporaries depend on values, and are larger each time. */
  readonly grows?: boolean
  /** ONNX node name → our op, for profiles. */
  readonly nodeOps: ReadonlyMap<string, string>
}

export interface EmittedInitializer {
  readonly name: string
  readonly input: number
  /** Where it lies in the input's memory: all of it, or a slice along its first axis. */
  readonly offset: number
  readonly bytes: number
  readonly shape: readonly number[]
  /** Of what is made of several whole inputs, one behind the other: all of them. */
  readonly joined?: readonly number[]
}

export interface EmitOptions {
  /** Emit frozen inputs as external initializers, so that the runtime may pack them. */
  readonly initializers: boolean
  readonly target: Target
  /** Initializers may be made of several inputs. */
  readonly joins?: boolean
}

const emitters: EmitterTable = {
  ...arithmeticEmitters,
  ...conversionEmitters,
  ...generateEmitters,
  ...movementEmitters,
  ...slicingEmitters,
  ...reduceEmitters,
  ...indexingEmitters,
  ...matmulEmitters,
  ...normEmitters,
  ...attentionEmitters,
  ...trainingEmitters,
  qmatmul,
  qmatmulChosen,
}

/**
 * Writes a program as an ONNX model. Graph inputs and outputs are in their dtypes' plain storage types.
 * @throws TensorError UNSUPPORTED for an op without an emitter (the compiler decomposes those, see `supportsNatively`).
 */
export function emitModel(program: Program, options: EmitOptions): EmittedModel {
  const used = new ValueMap<boolean>()
  for (const node of program.nodes) node.outputs.forEach((_, index) => used.set({ node, index }, false))
  for (const node of program.nodes) for (const value of node.inputs) used.set(value, true)
  for (const { value } of program.outputs) used.set(value, true)
  const normed = new Set(program.nodes.filter(({ op }) => op === 'rmsNorm').map(({ inputs }) => inputs[0]!.node))

  const frozen = new Set(
    options.initializers
      ? program.inputs.filter(({ role, shape }) => role === 'frozen' && !shape.some(isSym)).map(({ value }) => value.node)
      : [],
  )
  const context = new EmitContext(options.target, {
    // Nodes that an emitter decomposed are not in the program: taken as read.
    isUsed: (value) => used.get(value) ?? true,
    isInitializer: ({ node }) => frozen.has(node),
    partOf: (value, part) => partOf(value, part),
    joined: (values) => joined(values),
    isNormed: ({ node }) => normed.has(node),
    isAliased: (value) => program.outputs.some((output) => output.alias !== undefined && sameValue(output.value, value)),
  })
  const { builder } = context

  const initializers: EmittedInitializer[] = []
  const declare = (name: Name, input: number, part?: number): void => {
    const { dtype, shape } = program.inputs[input]!
    const dims = (part === undefined ? shape : shape.slice(1)) as readonly number[]
    const bytes = elementCount(dims) * byteSize(dtype)
    builder.externalInitializer(name, elementTypeOf(dtype), dims, bytes)
    initializers.push({ name, input, offset: (part ?? 0) * bytes, bytes, shape: dims })
  }
  const partOf = (value: Value, part: number): Name => {
    const input = program.inputs.findIndex((one) => sameValue(one.value, value))
    return context.once(`part|${input}|${part}`, () => {
      const name = `weight_${input}_${part}`
      declare(name, input, part)
      return name
    })
  }
  const joined = (values: readonly Value[]): Name => {
    const inputs = values.map((value) => program.inputs.findIndex((one) => sameValue(one.value, value)))
    return context.once(`joined|${inputs.join()}`, () => {
      const name = `weight_${inputs.join('_')}`
      const types = inputs.map((input) => program.inputs[input]!)
      const [{ dtype, shape: first }] = types as [(typeof types)[number]]
      const rows = types.reduce((sum, { shape }) => sum + (shape[0] as number), 0)
      const shape = [rows, ...(first.slice(1) as readonly number[])]
      const bytes = elementCount(shape) * byteSize(dtype)
      builder.externalInitializer(name, elementTypeOf(dtype), shape, bytes)
      initializers.push({ name, input: inputs[0]!, offset: 0, bytes, shape, joined: inputs })
      return name
    })
  }
  const inputNames = program.inputs.map((input, i): string | undefined => {
    if (used.get(input.value) !== true) return undefined
    const type = elementTypeOf(input.dtype)
    const isInitializer = frozen.has(input.value.node)
    const name = isInitializer ? `weight_${i}` : `input_${i}`
    context.define(input.value, { name, type, exact: true })
    if (!isInitializer) {
      builder.input(name, type, input.shape)
      return name
    }
    declare(name, i)
    return undefined
  })

  const joints = options.joins === true ? new JointProducts(program, ({ node }) => frozen.has(node)) : undefined
  for (const node of program.nodes) {
    const joint = joints?.resultOf(context, node)
    if (joint === undefined) emitNode(context, node)
    else context.define({ node, index: 0 }, joint)
  }

  builder.currentOp = 'output'
  const taken = new Set<Name>([
    ...inputNames.filter((name) => name !== undefined),
    ...initializers.map(({ name }) => name),
    ...context.symbolInputs.values(),
  ])
  const outputNames = program.outputs.map(({ value, dtype, shape }) => {
    let name = context.storage(value)
    // An input, a constant or a value returned twice needs a node of its own to be written by.
    if (taken.has(name) || !builder.isProduced(name)) name = context.node('Identity', [name])
    taken.add(name)
    builder.output(name, elementTypeOf(dtype), shape)
    return name
  })
  builder.removeUnused()
  orderAliases(
    context,
    program.outputs.flatMap(({ alias }, i) =>
      alias === undefined || inputNames[alias] === undefined ? [] : [{ input: inputNames[alias], output: outputNames[i]! }],
    ),
  )
  const kept = builder.initializerNames()
  return {
    bytes: builder.finish(),
    inputNames,
    outputNames,
    symbolInputs: [...context.symbolInputs].map(([symbol, name]) => ({ name, symbol })),
    initializers: initializers.filter(({ name }) => kept.has(name)),
    grows: context.grows,
    nodeOps: builder.nodeOps,
  }
}

function emitNode(context: EmitContext, node: Node): void {
  const emitter = emitters[node.op]
  if (emitter === undefined)
    throw new TensorError('UNSUPPORTED', `onnx: there is no emitter for ${node.op}; the compiler should have decomposed it`)
  context.builder.currentOp = node.op
  emitter(context, node).forEach((result, index) => context.define({ node, index }, result))
}

/** Writes a node as its decomposition. */
function decomposed(context: EmitContext, node: Node): readonly Output[] {
  const values = rowOf(node.op).decompose!(node.inputs, node.attrs)
  const isInput = new Set(node.inputs.map((value) => value.node))
  for (const part of topological(values, (other) => isInput.has(other))) {
    if (supportsNatively(part.op, part.inputs.map(typeOf), part.outputs, part.attrs, context.target)) emitNode(context, part)
    else decomposed(context, part).forEach((result, index) => context.define({ node: part, index }, result))
  }
  return values.map((value) => context.forward(value))
}

/** Which form is faster depends on where the weights live, which only the program knows. */
function qmatmul(context: EmitContext, node: Node): readonly Output[] {
  return hasConstantWeights(context, node) ? [quantisedProduct(context, node)] : decomposed(context, node)
}

function qmatmulChosen(context: EmitContext, node: Node): readonly Output[] {
  return hasConstantWeights(context, node, 2) ? [chosenProducts(context, node)] : decomposed(context, node)
}

/** Whether an op can be emitted at these types; composites for which it cannot are decomposed. */
export function supportsNatively(
  op: string,
  inputs: readonly TensorType[],
  outputs: readonly TensorType[],
  attrs: Attrs,
  target: Target,
): boolean {
  if (!(op in emitters)) return false
  const dtypes: readonly DType[] = [...inputs, ...outputs].map(({ dtype }) => dtype)
  return !dtypes.includes('f64') && supportsTypes(op, inputs, attrs, target)
}
