/** Matrix products and activations. */
import { isFloat } from '../../../dtype.js'
import { dtypeOf, shapeOf, type Value } from '../../../graph/node.js'
import { isSym, type Shape } from '../../../shape.js'
import { computeType, type EmitContext, type Result } from './context.js'
import { attrsOf, type Emitter, type EmitterTable } from './emitter.js'
import { float, MICROSOFT, type Name } from './model-builder.js'
import { permuted } from './movement.js'
import { FLOAT, INT32 } from './onnx-type.js'

export type Activation = 'gelu' | 'geluTanh' | 'relu' | 'silu'

/** An activation on a float tensor, one node each. */
export function activate(context: EmitContext, x: Name, activation: Activation): Name {
  switch (activation) {
    case 'gelu':
      return context.node('Gelu', [x])
    case 'geluTanh':
      return context.node('Gelu', [x], { attributes: { approximate: 'tanh' } })
    case 'relu':
      return context.node('Relu', [x])
    case 'silu':
      return context.node('QuickGelu', [x], { domain: MICROSOFT, attributes: { alpha: float(1) } })
    default:
      return activation satisfies never
  }
}

/** A matrix operand: a permute that only swaps its last two axes becomes a flag. */
function operand(value: Value, transposed: boolean): { readonly value: Value; readonly transposed: boolean } {
  const { from, perm } = permuted(value)
  const last = perm.length - 1
  const swaps = perm.every((axis, i) => axis === (i === last ? last - 1 : i === last - 1 ? last : i))
  return swaps && from !== value ? { value: from, transposed: !transposed } : { value, transposed }
}

export interface Product {
  readonly a: Value
  readonly b: Value
  readonly bias?: Value | undefined
  readonly transA: boolean
  readonly transB: boolean
  readonly alpha: number
}

/**
 * alpha · a·b + bias. Gemm and MatMul run one product over all rows; FusedMatMul one for each batch element, also where b
 * is shared, so rows are then flattened instead (768 x 128 · 512 x 128 transposed: 0.67 against 1.02 ms).
 */
export function product(context: EmitContext, { a, b, bias, transA, transB, alpha }: Product, output: Shape): Name {
  const left = operand(a, transA)
  const right = operand(b, transB)
  const shape = shapeOf(left.value)
  const isPlain = !left.transposed && !right.transposed && alpha === 1
  const x = context.as(left.value, FLOAT)
  const w = context.as(right.value, FLOAT)
  if (shapeOf(right.value).length === 2 && (shape.length === 2 || !left.transposed)) {
    if (isPlain && bias === undefined) return context.node('MatMul', [x, w])
    const attributes = {
      transA: left.transposed ? 1 : undefined,
      transB: right.transposed ? 1 : undefined,
      alpha: alpha === 1 ? undefined : float(alpha),
    }
    const inputs = (rows: Name): Name[] => [rows, w, ...(bias === undefined ? [] : [context.as(bias, FLOAT)])]
    if (shape.length === 2) return context.node('Gemm', inputs(x), { attributes })
    // One row with 1s in front is as fast in FusedMatMul (64 rows are not), and saves two reshapes.
    const isRow = bias === undefined && shape.slice(0, -1).every((dim) => dim === 1)
    const rows = isRow ? undefined : flattened(context, x, shape)
    if (rows !== undefined) return context.reshape(context.node('Gemm', inputs(rows), { attributes }), output, flatShape(output))
  }
  // With nothing to sum over, FusedMatMul with transA sets only the first matrix of a batch to 0 (ONNX Runtime 1.30), and
  // a Transpose in its place is fused back. A row of zeros on both sides leaves something to sum.
  const inner = shape[shape.length - (left.transposed ? 2 : 1)]!
  const mayBeEmpty = left.transposed && (typeof inner !== 'number' || inner === 0)
  const longer = (name: Name, rank: number, axis: number): Name =>
    mayBeEmpty ? context.node('Pad', [name, context.ints(Array.from({ length: 2 * rank }, (_, k) => (k === rank + axis ? 1 : 0)))]) : name
  const rank = shapeOf(right.value).length
  const name = isPlain
    ? context.node('MatMul', [x, w])
    : context.node('FusedMatMul', [longer(x, shape.length, shape.length - 2), longer(w, rank, rank - (right.transposed ? 1 : 2))], {
        domain: MICROSOFT,
        attributes: {
          transA: left.transposed ? 1 : undefined,
          transB: right.transposed ? 1 : undefined,
          alpha: alpha === 1 ? undefined : float(alpha),
        },
      })
  return bias === undefined ? name : context.node('Add', [name, context.as(bias, FLOAT)])
}

/** [rows, K] of [..., K]; undefined where a symbol is among the rows. */
function flatShape(shape: Shape): Shape | undefined {
  const lead = shape.slice(0, -1)
  return lead.some(isSym) ? undefined : [(lead as readonly number[]).reduce((count, dim) => count * dim, 1), shape.at(-1)!]
}

/** [..., K] as [rows, K]; undefined where two sizes would be unknown. */
function flattened(context: EmitContext, x: Name, shape: Shape): Name | undefined {
  const columns = shape.at(-1)!
  const flat = flatShape(shape)
  if (flat !== undefined) return context.reshape(x, flat)
  return typeof columns === 'number' && columns > 0 ? context.node('Reshape', [x, context.ints([-1, columns])]) : undefined
}

type MatmulAttrs = { readonly transA?: boolean; readonly transB?: boolean; readonly alpha?: number; readonly activation?: Activation }

const matmul: Emitter = (context, node) => {
  const [a, b, bias] = node.inputs as readonly [Value, Value, Value | undefined]
  const { transA = false, transB = false, alpha = 1, activation } = attrsOf<MatmulAttrs>(node)
  const name = product(context, { a, b, bias, transA, transB, alpha }, node.outputs[0]!.shape)
  return [{ name: activation === undefined ? name : activate(context, name, activation), type: FLOAT }]
}

const unary =
  (opType: string): Emitter =>
  (context, node) => [{ name: context.node(opType, [context.as(node.inputs[0]!, FLOAT)]), type: FLOAT }]

const activated =
  (activation: (attrs: Readonly<Record<string, unknown>>) => Activation): Emitter =>
  (context, node) => [{ name: activate(context, context.as(node.inputs[0]!, FLOAT), activation(node.attrs)), type: FLOAT }]

/**
 * dy · gelu′(x): with u = x/√2, gelu′ = ½ + ½·erf(u) + u·e^(−u²)/√π. The first two terms lie between 0 and 1, so that
 * HardSigmoid, which clips there, computes them in one pass. The tanh form is decomposed.
 */
const geluGrad: Emitter = (context, node) => {
  const [x, dy] = node.inputs as readonly [Value, Value]
  const u = context.node('Mul', [context.as(x, FLOAT), context.float(Math.SQRT1_2)])
  const below = context.node('HardSigmoid', [context.node('Erf', [u])], { attributes: { alpha: float(0.5), beta: float(0.5) } })
  const exponent = context.node('Sub', [context.float(-0.5 * Math.log(Math.PI)), context.node('Mul', [u, u])])
  const density = context.node('Mul', [u, context.node('Exp', [exponent])])
  return [{ name: context.node('Mul', [context.node('Add', [below, density]), context.as(dy, FLOAT)]), type: FLOAT }]
}

const relu: Emitter = (context, node) => {
  const x = node.inputs[0]!
  const dtype = dtypeOf(x)
  if (isFloat(dtype)) return [{ name: context.node('Relu', [context.as(x, FLOAT)]), type: FLOAT, exact: true }]
  if (dtype === 'u32' || dtype === 'u8') return [context.forward(x)]
  const type = computeType(dtype)
  return [{ name: context.node('Max', [context.as(x, type), context.scalar(0, type)]), type, exact: true }]
}

const abs: Emitter = (context, node) => {
  const x = node.inputs[0]!
  const dtype = dtypeOf(x)
  if (dtype === 'u32' || dtype === 'u8') return [context.forward(x)]
  // i8 through i32: the lowest value has no opposite and wraps back to itself.
  const type = isFloat(dtype) ? FLOAT : INT32
  const result: Result = { name: context.node('Abs', [context.as(x, type)]), type }
  return [isFloat(dtype) ? { ...result, exact: true } : result]
}

export const matmulEmitters: EmitterTable = {
  matmul,
  relu,
  abs,
  geluGrad,
  sigmoid: unary('Sigmoid'),
  softplus: unary('Softplus'),
  silu: activated(() => 'silu'),
  gelu: activated(({ approximate }) => (approximate === 'tanh' ? 'geluTanh' : 'gelu')),
}
