/**
 * gather and scatter. Indices are clamped: ONNX Runtime fails on those outside, and counts negative ones from the end.
 * An axis of symbolic size may be empty; it gets one row of zeros behind it, so that there is something to point at.
 */
import { dtypeOf, shapeOf, type Value } from '../../../graph/node.js'
import { elementCount, isSym, type Dim, type Shape } from '../../../shape.js'
import { computeType, type EmitContext, type Result } from './context.js'
import { attrsOf, type Emitter, type EmitterTable } from './emitter.js'
import { filled, movable } from './movement.js'
import type { Name } from './model-builder.js'
import { FLOAT, INT32, UINT32 } from './onnx-type.js'

/** Indices as int32 within an axis of `size` (at least one element). */
export function clampedIndices(context: EmitContext, indices: Value, size: Dim): Name {
  if (isInRange(indices, size)) return context.as(indices, INT32)
  const isUnsigned = dtypeOf(indices) === 'u32'
  // u32 beyond the i32 range would look negative: cut it before it becomes i32.
  const cut = (limit: number): Name => context.cast(context.node('Min', [context.storage(indices), context.scalar(limit, UINT32)]), INT32)
  if (typeof size === 'number')
    return isUnsigned
      ? cut(size - 1)
      : context.node('Clip', [context.storage(indices), context.scalar(0, INT32), context.scalar(size - 1, INT32)])
  const last = context.cast(context.node('Sub', [context.size(size), context.ints([1])]), INT32)
  // A lower bound last, so that an empty axis gives 0: the spare row.
  return context.node('Max', [
    context.node('Min', [isUnsigned ? cut(2 ** 31 - 1) : context.storage(indices), last]),
    context.scalar(0, INT32),
  ])
}

/** Whether indices are known to lie within an axis. */
function isInRange(indices: Value, size: Dim): boolean {
  const { op, attrs, inputs } = indices.node
  switch (op) {
    case 'iota': {
      const { shape, axis } = attrs as { shape: Shape; axis: number }
      const counted = shape[axis]!
      return counted === size || (typeof counted === 'number' && typeof size === 'number' && counted <= size)
    }
    case 'const':
      return typeof size === 'number' && (attrs['value'] as number) >= 0 && (attrs['value'] as number) < size
    case 'argMax': {
      const reduced = shapeOf(inputs[0]!)[attrs['axis'] as number]!
      return typeof reduced === 'number' && reduced > 0 && typeof size === 'number' && reduced <= size
    }
    case 'reshape':
    case 'permute':
    case 'expand':
    case 'slice':
    case 'flip':
      return isInRange(inputs[0]!, size)
    default:
      return false
  }
}

/** x with a row of zeros behind a symbolic axis. */
function withSpareRow(context: EmitContext, name: Name, type: number, shape: Shape, axis: number): Name {
  const row = context.node('Expand', [context.scalar(0, type), context.shape(shape.map((dim, i) => (i === axis ? 1 : dim)))])
  return context.node('Concat', [name, row], { attributes: { axis } })
}

const reading =
  (opType: 'Gather' | 'GatherElements'): Emitter =>
  (context, node) => {
    const [x, indices] = node.inputs as readonly [Value, Value]
    const { axis } = attrsOf<{ axis: number }>(node)
    const shape = shapeOf(x)
    const size = shape[axis]!
    if (size === 0 || elementCount(node.outputs[0]!.shape) === 0) return [filled(context, node.outputs[0]!.shape, dtypeOf(x))]
    const held = movable(context, x, isSym(size) ? 'bf16' : 'none')
    const data = isSym(size) ? withSpareRow(context, held.name, held.type, shape, axis) : held.name
    return [{ ...held, name: context.node(opType, [data, clampedIndices(context, indices, size)], { attributes: { axis } }) }]
  }

const isZeros = (value: Value): boolean =>
  value.node.op === 'const' ? value.node.attrs['value'] === 0 : value.node.op === 'expand' && isZeros(value.node.inputs[0]!)

/**
 * Tables with few rows are added to by a matrix product with the indices' one-hot rows: 768 updates of 128 numbers to 65
 * rows took 0.13 ms against 0.34 for ScatterElements, to 4096 rows 3.6 against 0.68. (ScatterND adds in parallel without
 * locking, so it loses updates.)
 */
const ONE_HOT_ROWS = 160

const scatterAdd: Emitter = (context, node) => {
  const [x, indices, updates] = node.inputs as readonly [Value, Value, Value]
  const { axis } = attrsOf<{ axis: number }>(node)
  const shape = shapeOf(x)
  const size = shape[axis]!
  const count = elementCount(shapeOf(indices))
  if (size === 0 || elementCount(shapeOf(updates)) === 0) return [context.forward(x)]
  const type = computeType(dtypeOf(x))
  const isStatic = !shape.some(isSym) && !shapeOf(indices).some(isSym)
  const oneHot =
    type === FLOAT && axis === 0 && isStatic && (size as number) <= ONE_HOT_ROWS && elementCount(shape) / (size as number) >= 16
  if (oneHot) return [oneHotProduct(context, x, indices, updates, count)]
  // ScatterElements wants one index per element: the indices stand along one axis and are repeated along the others.
  const flatIndices = shape.map((_, i) => (i === axis ? -1 : 1))
  const scattered = shape.map((dim, i) => (i === axis ? count : dim))
  const at = context.node('Reshape', [clampedIndices(context, indices, size), context.ints(flatIndices)])
  // A symbolic index shape keeps its one symbol, with 1s around it or merged into −1.
  const target = isStatic || !shapeOf(indices).some(isSym) ? context.shape(scattered) : dynamicTarget(context, shape, indices, axis)
  const everywhere = context.node('Expand', [at, target])
  const rows = context.node('Reshape', [context.as(updates, type), target])
  return [scatterElements(context, x, type, everywhere, rows, axis)]
}

/** The updates' shape with the indices' axes merged, where one of those is a symbol. */
function dynamicTarget(context: EmitContext, shape: Shape, indices: Value, axis: number): Name {
  const counts = shapeOf(indices).reduce<Name>((product, dim) => context.node('Mul', [product, context.size(dim)]), context.ints([1]))
  const parts = shape.map((dim, i) => (i === axis ? counts : context.size(dim)))
  return parts.length === 1 ? parts[0]! : context.node('Concat', parts, { attributes: { axis: 0 } })
}

function oneHotProduct(context: EmitContext, x: Value, indices: Value, updates: Value, count: number): Result {
  const [rows, ...rest] = shapeOf(x) as number[]
  const width = rest.reduce((product, dim) => product * dim, 1)
  const flat = context.node('Reshape', [clampedIndices(context, indices, rows!), context.ints([-1])])
  const hot = context.node('OneHot', [flat, context.scalar(rows!, INT32), context.builder.constant([0, 1], [2], FLOAT)], {
    attributes: { axis: 0 },
  })
  const matrix = (value: Value, height: number): Name => {
    const name = context.as(value, FLOAT)
    const dims = shapeOf(value)
    return dims.length === 2 && dims[0] === height ? name : context.reshape(name, [height, width])
  }
  const inputs = [hot, matrix(updates, count), ...(isZeros(x) ? [] : [matrix(x, rows!)])]
  const sum = context.node('Gemm', inputs)
  return { name: rest.length === 1 ? sum : context.reshape(sum, shapeOf(x)), type: FLOAT }
}

function scatterElements(context: EmitContext, x: Value, type: number, at: Name, updates: Name, axis: number): Result {
  const shape = shapeOf(x)
  const size = shape[axis]!
  const data = context.as(x, type)
  const attributes = { axis, reduction: 'add' }
  if (!isSym(size)) return { name: context.node('ScatterElements', [data, at, updates], { attributes }), type }
  const spare = context.node('ScatterElements', [withSpareRow(context, data, type, shape, axis), at, updates], { attributes })
  return { name: context.node('Slice', [spare, context.ints([0]), context.size(size), context.ints([axis])]), type }
}

const scatterAddAlong: Emitter = (context, node) => {
  const [x, indices, updates] = node.inputs as readonly [Value, Value, Value]
  const { axis } = attrsOf<{ axis: number }>(node)
  const size = shapeOf(x)[axis]!
  if (size === 0 || elementCount(shapeOf(updates)) === 0) return [context.forward(x)]
  const type = computeType(dtypeOf(x))
  return [scatterElements(context, x, type, clampedIndices(context, indices, size), context.as(updates, type), axis)]
}

const embedding: Emitter = (context, node) => {
  const [table, ids] = node.inputs as readonly [Value, Value]
  const size = shapeOf(table)[0]!
  if (size === 0 || elementCount(node.outputs[0]!.shape) === 0) return [filled(context, node.outputs[0]!.shape, dtypeOf(table))]
  const held = movable(context, table)
  return [{ ...held, name: context.node('Gather', [held.name, clampedIndices(context, ids, size)], { attributes: { axis: 0 } }) }]
}

export const indexingEmitters: EmitterTable = {
  gather: reading('Gather'),
  gatherAlong: reading('GatherElements'),
  scatterAdd,
  scatterAddAlong,
  embedding,
}
