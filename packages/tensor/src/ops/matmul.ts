/** Matrix products. Transposes are flags, never permuted copies: every kernel reads either order, and gradients need both. */
import { computeArray, type NumericArray } from '../dtype.js'
import { TensorError } from '../errors.js'
import { emit } from '../graph/build.js'
import { shapeOf, type TensorType, type Value } from '../graph/node.js'
import { add, expand, like, mul, permute, reduceSum, reshape, sumTo } from '../graph/primitives.js'
import { broadcastShapes, printIndex, printShape, symbolNote, type Dim, type Shape } from '../shape.js'
import { activate, activateGrad, activationOf, activations, type Activation } from './activation.js'
import { checkFloat, checkSameDtype } from './check.js'
import { defineOp, type OpRow, type ReferenceContext, type Sample } from './row.js'
import { broadcastStrides, offsetsOf, sizeOf } from './strided.js'
import { checkCount, checkFinite, checkShapeIs, describe, given, joinDims, narrow, widen } from './wide.js'

export interface MatmulOptions {
  /** Added to every row, [N]. */
  readonly bias?: Value
  /** a is stored [..., K, M]. */
  readonly transA?: boolean
  /** b is stored [..., N, K]. */
  readonly transB?: boolean
  /** Factor on the product, default 1. */
  readonly alpha?: number
  /** Applied last. */
  readonly activation?: Activation
}

export type MatmulAttrs = {
  readonly transA?: boolean
  readonly transB?: boolean
  readonly alpha?: number
  readonly activation?: Activation
}

/**
 * activation(alpha · a·b + bias): a [..., M, K], b [..., K, N], bias [N] → [..., M, N]. Batch axes broadcast. Flags at
 * their defaults are left out, so that equal products have equal attributes.
 */
export function matmul(a: Value, b: Value, options: MatmulOptions = {}): Value {
  const { bias, transA, transB, alpha, activation } = options
  const attrs = given({ transA: transA || undefined, transB: transB || undefined, alpha: alpha === 1 ? undefined : alpha, activation })
  return emit('matmul', bias === undefined ? [a, b] : [a, b, bias], attrs)
}

/** Rows and columns of a matrix argument as the product sees it. */
const rowsOf = (shape: Shape, transposed: boolean | undefined): Dim => shape[shape.length - (transposed === true ? 1 : 2)]!
const columnsOf = (shape: Shape, transposed: boolean | undefined): Dim => shape[shape.length - (transposed === true ? 2 : 1)]!

function inferMatmul(inputs: readonly TensorType[], attrs: MatmulAttrs): readonly TensorType[] {
  checkCount('matmul', inputs, 2, 3, 'a, b, bias')
  const [a, b, bias] = inputs as readonly [TensorType, TensorType, TensorType | undefined]
  checkFloat('matmul', a)
  checkSameDtype('matmul', a, b)
  if (a.shape.length < 2 || b.shape.length < 2)
    throw new TensorError(
      'SHAPE',
      `matmul: both tensors need at least two axes, got ${describe(a)} and ${describe(b)}; reshape a vector to [1, K] or [K, 1]`,
    )
  const inner = [columnsOf(a.shape, attrs.transA), rowsOf(b.shape, attrs.transB)] as const
  if (inner[0] !== inner[1]) {
    const sides = `a ${printShape(a.shape)}${attrs.transA === true ? ' transposed' : ''} and b ${printShape(b.shape)}${attrs.transB === true ? ' transposed' : ''}`
    throw new TensorError(
      'SHAPE',
      `matmul: ${sides} do not fit: a has ${printIndex(inner[0])} columns and b has ${printIndex(inner[1])} rows; they must be equal${symbolNote(inner[0], inner[1])}`,
    )
  }
  const columns = columnsOf(b.shape, attrs.transB)
  const batch = broadcastShapes('matmul (batch axes)', a.shape.slice(0, -2), b.shape.slice(0, -2))
  if (bias !== undefined) {
    checkSameDtype('matmul', a, bias)
    checkShapeIs('matmul', 'bias', bias, [columns], 'one for each column of the product')
  }
  if (attrs.alpha !== undefined) checkFinite('matmul', 'alpha', attrs.alpha, Number.isFinite, 'a finite number')
  if (attrs.activation !== undefined && !activations.includes(attrs.activation))
    throw new TensorError('VALUE', `matmul: activation must be one of ${activations.join(', ')}, got '${String(attrs.activation)}'`)
  return [{ shape: [...batch, rowsOf(a.shape, attrs.transA), columns], dtype: a.dtype }]
}

/** One matrix of a batch, rows first; transposed ones are copied so that the inner loops run along memory. */
function rowMajor(data: NumericArray, offset: number, rows: number, columns: number, transposed: boolean): Float64Array {
  const out = new Float64Array(rows * columns)
  if (!transposed) for (let i = 0; i < out.length; i++) out[i] = data[offset + i]!
  else for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[r * columns + c] = data[offset + c * rows + r]!
  return out
}

function referenceMatmul({ inputs, outputs, attrs }: ReferenceContext<MatmulAttrs>): readonly NumericArray[] {
  const [a, b, bias] = inputs as readonly [(typeof inputs)[number], (typeof inputs)[number], (typeof inputs)[number] | undefined]
  const { shape, dtype } = outputs[0]!
  const out = computeArray(dtype, sizeOf(shape))
  const rows = shape.at(-2)!
  const columns = shape.at(-1)!
  const inner = columnsOf(a.shape, attrs.transA) as number
  const alpha = attrs.alpha ?? 1
  const apply = attrs.activation === undefined ? undefined : activationOf[attrs.activation]
  const batch = shape.slice(0, -2)
  // Matrix number of each operand for each batch element.
  const fromA = offsetsOf(batch, broadcastStrides(a.shape.slice(0, -2), batch))
  const fromB = offsetsOf(batch, broadcastStrides(b.shape.slice(0, -2), batch))
  const sums = new Float64Array(columns)
  let heldA = -1
  let heldB = -1
  let left: Float64Array = new Float64Array(0)
  let right: Float64Array = left
  for (let n = 0; n < fromA.length; n++) {
    if (heldA !== fromA[n]) left = rowMajor(a.data, (heldA = fromA[n]!) * rows * inner, rows, inner, attrs.transA === true)
    if (heldB !== fromB[n]) right = rowMajor(b.data, (heldB = fromB[n]!) * inner * columns, inner, columns, attrs.transB === true)
    for (let r = 0; r < rows; r++) {
      sums.fill(0)
      for (let k = 0; k < inner; k++) {
        const factor = left[r * inner + k]!
        const row = k * columns
        for (let c = 0; c < columns; c++) sums[c]! += factor * right[row + c]!
      }
      const to = (n * rows + r) * columns
      for (let c = 0; c < columns; c++) {
        const value = alpha * sums[c]! + (bias === undefined ? 0 : bias.data[c]!)
        out[to + c] = apply === undefined ? value : apply(value)
      }
    }
  }
  return [out]
}

/** The matrix with its last two axes exchanged. */
function swapLast(x: Value): Value {
  const rank = shapeOf(x).length
  return permute(x, [...Array.from({ length: rank - 2 }, (_, axis) => axis), rank - 1, rank - 2])
}

function decomposeMatmul(inputs: readonly Value[], attrs: MatmulAttrs): readonly Value[] {
  const a = attrs.transA === true ? swapLast(widen(inputs[0]!)) : widen(inputs[0]!)
  const b = attrs.transB === true ? swapLast(widen(inputs[1]!)) : widen(inputs[1]!)
  const left = reshape(a, [...shapeOf(a), 1])
  const shape = shapeOf(b)
  const right = reshape(b, [...shape.slice(0, -2), 1, ...shape.slice(-2)])
  const products = mul(left, right)
  let y = reduceSum(products, [shapeOf(products).length - 2])
  if (attrs.alpha !== undefined) y = mul(y, like(y, attrs.alpha))
  if (inputs[2] !== undefined) y = add(y, widen(inputs[2]))
  if (attrs.activation !== undefined) y = activate(y, attrs.activation)
  return [narrow(y, inputs[0]!)]
}

/** x [..., M, K] as one matrix [rows, K]; undefined where a symbol forbids it. */
function flattened(x: Value): Value | undefined {
  const shape = shapeOf(x)
  const rows = joinDims(shape.slice(0, -1))
  return rows === undefined ? undefined : reshape(x, [rows, shape.at(-1)!])
}

/**
 * Sum over all axes but the last: [..., N] → [N]. As a row of ones times a matrix where shapes allow, because products
 * of a vector and a matrix read memory faster than reductions over leading axes (ONNX Runtime 1.30, 768 by 512: 57 µs
 * against 92).
 */
export function sumRows(x: Value): Value {
  const shape = shapeOf(x)
  const rows = flattened(x)
  if (rows === undefined)
    return reduceSum(
      x,
      shape.slice(0, -1).map((_, axis) => axis),
    )
  return reshape(matmul(expand(like(x, 1), [1, shapeOf(rows)[0]!]), rows), shape.slice(-1))
}

/** Gradient of b. A matrix shared by a whole batch gets one product over all rows instead of one for each element. */
function gradB(a: Value, b: Value, grad: Value, transA: boolean, transB: boolean, alpha: number): Value {
  const product = (left: Value, dy: Value): Value =>
    transB ? matmul(dy, left, { transA: true, transB: transA, alpha }) : matmul(left, dy, { transA: !transA, alpha })
  if (shapeOf(b).length === 2 && shapeOf(a).length > 2 && !transA) {
    const rows = flattened(a)
    const dy = flattened(grad)
    if (rows !== undefined && dy !== undefined) return product(rows, dy)
  }
  return sumTo(product(a, grad), shapeOf(b))
}

const matmulOp = defineOp<MatmulAttrs>({
  name: 'matmul',
  kind: 'composite',
  summary:
    'activation(alpha · a·b + bias); transA and transB say that the last two axes are stored in the other order, batch axes broadcast.',
  infer: inferMatmul,
  reference: referenceMatmul,
  decompose: decomposeMatmul,
  vjp: ({ inputs, attrs, grads, needs }) => {
    const [a, b, bias] = inputs as readonly [Value, Value, Value | undefined]
    const { transA = false, transB = false, alpha = 1, activation } = attrs
    let grad = grads[0]!
    // The activation's input is not kept by the fused form, so it is computed again.
    if (activation !== undefined) grad = activateGrad(matmul(a, b, { ...given({ bias }), transA, transB, alpha }), grad, activation)
    const gradA = (): Value =>
      sumTo(transA ? matmul(b, grad, { transA: transB, transB: true, alpha }) : matmul(grad, b, { transB: !transB, alpha }), shapeOf(a))
    return [
      needs[0] ? gradA() : undefined,
      needs[1] ? gradB(a, b, grad, transA, transB, alpha) : undefined,
      needs[2] && bias !== undefined ? sumRows(grad) : undefined,
    ]
  },
  samples: matmulSamples(),
})

function matmulSamples(): Sample[] {
  const flags = [
    { name: 'transA', a: [5, 3], b: [5, 4], attrs: { transA: true } },
    { name: 'transB', a: [3, 5], b: [4, 5], attrs: { transB: true } },
    { name: 'both transposed', a: [5, 3], b: [4, 5], attrs: { transA: true, transB: true } },
    { name: 'batched transA', a: [2, 5, 3], b: [2, 5, 4], attrs: { transA: true } },
    { name: 'batched transB', a: [2, 3, 3, 5], b: [2, 3, 4, 5], attrs: { transB: true } },
    { name: 'batched both', a: [2, 5, 3], b: [2, 4, 5], attrs: { transA: true, transB: true, alpha: 0.5 } },
    { name: 'shared b transposed', a: [2, 3, 5], b: [4, 5], attrs: { transB: true, alpha: -2 } },
    { name: 'shared b, transA', a: [2, 5, 3], b: [5, 4], attrs: { transA: true } },
  ]
  const withBias = (name: string, attrs: MatmulAttrs): Sample => ({
    name,
    inputs: [{ shape: [2, 3, 5] }, { shape: [5, 4] }, { shape: [4] }],
    attrs,
  })
  return [
    { name: 'plain', inputs: [{ shape: [3, 5] }, { shape: [5, 4] }] },
    { name: 'vector and matrix', inputs: [{ shape: [1, 6] }, { shape: [6, 9] }] },
    { name: 'column', inputs: [{ shape: [5, 3] }, { shape: [3, 1] }] },
    { name: 'odd sizes', inputs: [{ shape: [17, 31] }, { shape: [31, 13] }], gradient: false },
    { name: 'larger', inputs: [{ shape: [65, 70] }, { shape: [70, 33] }], gradient: false },
    { name: 'batched', inputs: [{ shape: [2, 3, 5] }, { shape: [2, 5, 4] }] },
    { name: 'shared b', inputs: [{ shape: [2, 3, 5] }, { shape: [5, 4] }] },
    { name: 'shared b, two batch axes', inputs: [{ shape: [2, 2, 3, 5] }, { shape: [5, 4] }] },
    { name: 'shared a', inputs: [{ shape: [3, 5] }, { shape: [2, 5, 4] }] },
    { name: 'broadcast batch', inputs: [{ shape: [2, 1, 3, 5] }, { shape: [3, 5, 2] }] },
    { name: 'group broadcast', inputs: [{ shape: [2, 2, 3, 4, 5] }, { shape: [2, 2, 1, 6, 5] }], attrs: { transB: true } },
    ...flags.map(({ name, a, b, attrs }) => ({ name, inputs: [{ shape: a }, { shape: b }], attrs })),
    withBias('bias', {}),
    withBias('bias and alpha', { alpha: 0.25 }),
    withBias('bias and relu', { activation: 'relu' }),
    withBias('bias and gelu', { activation: 'gelu' }),
    withBias('bias and geluTanh', { activation: 'geluTanh' }),
    withBias('bias, silu and alpha', { activation: 'silu', alpha: 2 }),
    { name: 'gelu', inputs: [{ shape: [3, 5] }, { shape: [5, 4] }], attrs: { activation: 'gelu' } },
    { name: 'no rows', inputs: [{ shape: [0, 5] }, { shape: [5, 4] }] },
    { name: 'no batch', inputs: [{ shape: [0, 3, 5] }, { shape: [5, 4] }] },
    { name: 'no columns', inputs: [{ shape: [3, 5] }, { shape: [5, 0] }] },
    { name: 'sum over nothing', inputs: [{ shape: [3, 0] }, { shape: [0, 4] }, { shape: [4] }] },
    {
      name: 'f16',
      inputs: [
        { shape: [3, 9], dtype: 'f16' },
        { shape: [9, 4], dtype: 'f16' },
        { shape: [4], dtype: 'f16' },
      ],
    },
    {
      name: 'bf16',
      inputs: [
        { shape: [2, 3, 9], dtype: 'bf16' },
        { shape: [4, 9], dtype: 'bf16' },
      ],
      attrs: { transB: true },
    },
  ]
}

export const matmulOps: readonly OpRow[] = [matmulOp]
