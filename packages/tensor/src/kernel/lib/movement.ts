/** Rules of operations that take elements from elsewhere: reshape, permute, expand, flip, pad, slice, concat, updateSlice, gather. */
import type { Dim, Index, Shape } from '../../shape.js'
import type { Expr } from '../ir.js'
import { broadcastInput } from './pointwise.js'
import type { ElementContext, ElementRule } from './elements.js'
import { asExpr, coordinatesOf, flatIndex, plus, times, type Amount } from './indexing.js'
import { computedConstant } from './pack.js'

const coordinates = ({ b, symbols, output }: ElementContext, index: Expr): Amount[] => coordinatesOf(b, symbols, output.shape, index)
const asSigned = (amount: Amount): Expr => asExpr(amount).bits('i32')

/**
 * Where a box of `length` starts on an axis of `size`: at most at size − length and at least at 0; what a number says is right as it is.
 */
function boxStart({ b, symbols }: ElementContext, start: Index, length: Dim, size: Dim): Amount {
  if (typeof start === 'number' && typeof length === 'number' && typeof size === 'number') return start
  if (start === 0) return 0
  const last = asSigned(symbols.dim(size)).sub(asSigned(symbols.dim(length)))
  return b.let('start', symbols.index(start).min(last).max(0).bits('u32'))
}

const permute: ElementRule = (context, index) => {
  const perm = context.attrs['perm'] as readonly number[]
  const own = context.symbols.strides(context.inputs[0]!.shape)
  const moved = perm.filter((axis) => context.inputs[0]!.shape[axis] !== 1)
  if (moved.every((axis, i) => i === 0 || moved[i - 1]! < axis)) return context.input(0, index)
  return context.input(
    0,
    flatIndex(
      context.b,
      coordinates(context, index),
      perm.map((axis) => own[axis]!),
    ),
  )
}

const flip: ElementRule = (context, index) => {
  const axes = context.attrs['axes'] as readonly number[]
  const { shape } = context.inputs[0]!
  const place = coordinates(context, index).map((coordinate, axis): Amount => {
    if (!axes.includes(axis)) return coordinate
    return asExpr(context.symbols.dim(shape[axis]!)).sub(1).sub(asExpr(coordinate))
  })
  return context.input(0, flatIndex(context.b, place, context.symbols.strides(shape)))
}

/** Elements of an input where a condition holds, and a value elsewhere; no index beyond the input is read. */
function inBox(context: ElementContext, within: readonly Expr[], element: () => Expr, outside: () => Expr): Expr {
  const { b, output } = context
  if (within.length === 0) return element()
  const result = b.var('chosen', computedConstant(0, output.dtype))
  b.if(
    within.reduce((all, one) => all.and(one)),
    () => context.inside(() => result.set(element())),
    () => context.inside(() => result.set(outside())),
  )
  return result.value
}

const pad: ElementRule = (context, index) => {
  const pads = context.attrs['pads'] as readonly (readonly [number, number])[]
  const { shape } = context.inputs[0]!
  const within: Expr[] = []
  const place = coordinates(context, index).map((coordinate, axis): Amount => {
    const [before, after] = pads[axis]!
    if (before === 0 && after === 0) return coordinate
    const moved = context.b.let('moved', asExpr(coordinate).sub(before))
    // What is before the beginning wraps around to something large.
    within.push(moved.lt(asExpr(context.symbols.dim(shape[axis]!))))
    return moved
  })
  const value = (): Expr => computedConstant(context.attrs['value'] as number, context.output.dtype)
  return inBox(context, within, () => context.input(0, flatIndex(context.b, place, context.symbols.strides(shape))), value)
}

const slice: ElementRule = (context, index) => {
  const { b, attrs, symbols, output } = context
  const starts = attrs['starts'] as readonly Index[]
  const steps = attrs['steps'] as readonly number[] | undefined
  const { shape } = context.inputs[0]!
  const within: Expr[] = []
  const place = coordinates(context, index).map((coordinate, axis): Amount => {
    const step = steps?.[axis] ?? 1
    const [length, size] = [output.shape[axis]!, shape[axis]!]
    const start = step === 1 ? boxStart(context, starts[axis]!, length, size) : (starts[axis] as number)
    // An axis of symbolic size may be shorter than the box.
    if (typeof size !== 'number' && length !== size) within.push(asExpr(coordinate).lt(asExpr(symbols.dim(size))))
    return plus(start, times(coordinate, step))
  })
  return inBox(
    context,
    within,
    () => context.input(0, flatIndex(b, place, symbols.strides(shape))),
    () => computedConstant(0, output.dtype),
  )
}

const concat: ElementRule = (context, index) => {
  const { b, attrs, inputs, symbols, output } = context
  const axis = attrs['axis'] as number
  const place = coordinates(context, index)
  const at = b.let('along', asExpr(place[axis]!))
  const result = b.var('joined', computedConstant(0, output.dtype))
  let start = 0
  inputs.forEach(({ shape }, which) => {
    const [from, size] = [start, shape[axis] as number]
    start += size
    if (size === 0) return
    b.if(at.ge(from).and(at.lt(from + size)), () =>
      context.inside(() => {
        const own = place.map((coordinate, i): Amount => (i === axis ? at.sub(from) : coordinate))
        result.set(context.input(which, flatIndex(b, own, symbols.strides(shape))))
      }),
    )
  })
  return result.value
}

const updateSlice: ElementRule = (context, index) => {
  const { b, attrs, inputs, symbols } = context
  const starts = attrs['starts'] as readonly Index[]
  const [whole, box] = [inputs[0]!.shape, inputs[1]!.shape]
  const within: Expr[] = []
  const place = coordinates(context, index).map((coordinate, axis): Amount => {
    const [length, size] = [box[axis]!, whole[axis]!]
    if (length === size && (starts[axis] === 0 || typeof length === 'number')) return coordinate
    const moved = b.let('moved', asExpr(coordinate).sub(asExpr(boxStart(context, starts[axis]!, length, size))))
    within.push(moved.lt(asExpr(symbols.dim(length))))
    return moved
  })
  return inBox(
    context,
    within,
    () => context.input(1, flatIndex(b, place, symbols.strides(box))),
    () => context.input(0, index),
  )
}

/** An index as it is used: not below 0 and not beyond the last. */
export function clampedIndex(index: Expr, size: Amount): Expr {
  const last = asSigned(size).sub(1)
  const within = index.type.scalar === 'u32' ? index.min(last.max(0).bits('u32')) : index.min(last).max(0).bits('u32')
  return within
}

const gather: ElementRule = (context, index) => {
  const { b, attrs, inputs, symbols } = context
  const axis = attrs['axis'] as number
  const [shape, indices] = [inputs[0]!.shape, inputs[1]!.shape]
  const place = coordinates(context, index)
  const which = flatIndex(b, place.slice(axis, axis + indices.length), symbols.strides(indices))
  const chosen = b.let('chosen', clampedIndex(context.input(1, which), symbols.dim(shape[axis]!)))
  return fromAxis(context, shape, axis, [...place.slice(0, axis), chosen, ...place.slice(axis + indices.length)])
}

const gatherAlong: ElementRule = (context, index) => {
  const { b, attrs, inputs, symbols } = context
  const axis = attrs['axis'] as number
  const { shape } = inputs[0]!
  const place = coordinates(context, index)
  const chosen = b.let('chosen', clampedIndex(context.input(1, index), symbols.dim(shape[axis]!)))
  return fromAxis(
    context,
    shape,
    axis,
    place.map((coordinate, i) => (i === axis ? chosen : coordinate)),
  )
}

/** The element of input 0 at a place; 0 where its axis has no elements. */
function fromAxis(context: ElementContext, shape: Shape, axis: number, place: readonly Amount[]): Expr {
  const { b, symbols, output } = context
  const read = (): Expr => context.input(0, flatIndex(b, place, symbols.strides(shape)))
  const size = symbols.dim(shape[axis]!)
  if (size === 0) return computedConstant(0, output.dtype)
  return inBox(context, typeof size === 'number' ? [] : [size.gt(0)], read, () => computedConstant(0, output.dtype))
}

export const movementRules: readonly (readonly [string, ElementRule])[] = [
  ['reshape', (context, index) => context.input(0, index)],
  ['permute', permute],
  ['expand', (context, index) => broadcastInput(context, 0, index)],
  ['flip', flip],
  ['pad', pad],
  ['slice', slice],
  ['concat', concat],
  ['updateSlice', updateSlice],
  ['gather', gather],
  ['gatherAlong', gatherAlong],
]
