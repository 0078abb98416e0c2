/**
 * slice and updateSlice, with bounds that may be symbols. Where a bound is only known at run time it is clamped as the
 * rows say: a box of n elements starts at most at size − n and at least at 0; what lies beyond an axis of symbolic size
 * reads as 0 and is not written.
 */
import { shapeOf, type Value } from '../../../graph/node.js'
import { isSym, type Dim, type Index, type Shape } from '../../../shape.js'
import type { EmitContext, Result } from './context.js'
import { attrsOf, type Emitter, type EmitterTable } from './emitter.js'
import { range } from './generate.js'
import { movable, movableTogether } from './movement.js'
import type { Name } from './model-builder.js'
import { INT64 } from './onnx-type.js'

/** Where a box of `length` starts on an axis of `size`, as int64 [1]. */
function clampedStart(context: EmitContext, start: Index, length: Dim, size: Dim): Name {
  if (start === 0) return context.ints([0])
  const fixed = typeof start === 'number' && !isSym(size) && !isSym(length)
  if (fixed) return context.ints([Math.max(0, Math.min(start, size - length))])
  const room =
    !isSym(size) && !isSym(length) ? context.ints([size - length]) : context.node('Sub', [context.size(size), context.size(length)])
  return context.node('Max', [context.node('Min', [context.index(start), room]), context.ints([0])])
}

/** int64 vectors one after another. */
export const joined = (context: EmitContext, parts: readonly Name[]): Name =>
  parts.length === 1 ? parts[0]! : context.node('Concat', parts, { attributes: { axis: 0 } })

const slice: Emitter = (context, node) => {
  const x = node.inputs[0]!
  const from = shapeOf(x)
  const { shape } = node.outputs[0]!
  const { starts, ends, steps } = attrsOf<{ starts: readonly Index[]; ends: readonly Index[]; steps?: readonly number[] }>(node)
  const axes: number[] = []
  const begin: Name[] = []
  const end: Name[] = []
  /** Axes of symbolic size that may be shorter than the box. */
  const short: number[] = []
  const numbers: { start: number; end: number }[] = []
  from.forEach((size, axis) => {
    const length = shape[axis]!
    if (size === length) return
    axes.push(axis)
    const start = starts[axis]!
    const step = steps?.[axis] ?? 1
    if (typeof start === 'number' && typeof length === 'number' && typeof size === 'number') {
      const first = step === 1 ? Math.max(0, Math.min(start, size - length)) : start
      const last = step === 1 ? first + length : (ends[axis] as number)
      numbers.push({ start: first, end: last })
      begin.push(context.ints([first]))
      end.push(context.ints([last]))
      return
    }
    const first = clampedStart(context, start, length, size)
    begin.push(first)
    end.push(start === 0 ? context.size(length) : context.node('Add', [first, context.size(length)]))
    if (isSym(size)) short.push(axis)
  })
  if (axes.length === 0) return [context.forward(x)]
  const held = movable(context, x, short.length > 0 ? 'bf16' : 'none')
  const fixed = numbers.length === axes.length
  const stepInput = steps === undefined || axes.every((axis) => steps[axis] === 1) ? '' : context.ints(axes.map((axis) => steps[axis]!))
  const cut = context.node('Slice', [
    held.name,
    fixed ? context.ints(numbers.map(({ start }) => start)) : joined(context, begin),
    fixed ? context.ints(numbers.map(({ end: last }) => last)) : joined(context, end),
    context.ints(axes),
    stepInput,
  ])
  return [{ ...held, name: short.length === 0 ? cut : padTo(context, cut, from, shape, short, held) }]
}

/** Zeros after the elements that an axis of symbolic size had, up to the shape wanted. */
function padTo(context: EmitContext, name: Name, from: Shape, to: Shape, axes: readonly number[], held: Result): Name {
  const after = to.map((length, axis) =>
    axes.includes(axis)
      ? context.node('Max', [context.node('Sub', [context.size(length), context.size(from[axis]!)]), context.ints([0])])
      : context.ints([0]),
  )
  const amounts = joined(context, [context.ints(to.map(() => 0)), ...after])
  return context.node('Pad', [name, amounts, context.scalar(0, held.type)])
}

/**
 * ScatterND copies x unless its output is bound to the same memory, and writes the boxes' rows: with every axis after
 * `last` whole, a row is the run of elements behind the coordinates of axes 0 to `last`.
 */
const updateSlice: Emitter = (context, node) => {
  const [x, update] = node.inputs as readonly [Value, Value]
  const { starts } = attrsOf<{ starts: readonly Index[] }>(node)
  const shape = shapeOf(x)
  const box = shapeOf(update)
  if (box.includes(0)) return [context.forward(x)]
  const { names, type } = movableTogether(context, [x, update])
  const last = shape.findLastIndex((size, axis) => size !== box[axis])
  if (last < 0) return [{ ...movable(context, update) }]
  const whole = box.slice(0, last + 1)
  let rows = names[1]!
  const lengths: Dim[] = []
  const limits: (Name | undefined)[] = whole.map((length, axis) => {
    const size = shape[axis]!
    lengths.push(length)
    // A box longer than a symbolic axis is cut to it.
    return isSym(size) && size !== length ? context.node('Min', [context.size(length), context.size(size)]) : undefined
  })
  const cutAxes = limits.flatMap((limit, axis) => (limit === undefined ? [] : [axis]))
  if (cutAxes.length > 0)
    rows = context.node('Slice', [
      rows,
      context.ints(cutAxes.map(() => 0)),
      joined(
        context,
        cutAxes.map((axis) => limits[axis]!),
      ),
      context.ints(cutAxes),
    ])
  const at = coordinates(
    context,
    lengths.map((length, axis) => limits[axis] ?? length),
    starts.slice(0, last + 1).map((start, axis) => ({ start, length: box[axis]!, size: shape[axis]! })),
  )
  return [{ name: context.node('ScatterND', [names[0]!, at, rows]), type, exact: true }]
}

interface Placement {
  readonly start: Index
  readonly length: Dim
  readonly size: Dim
}

/** Boxes with fixed corners and up to this many coordinates are constants of the model. */
const EMBEDDED_COORDINATES = 16_384

/** For each row of a box its coordinates in x: int64 [...lengths, lengths.length]. */
function coordinates(context: EmitContext, lengths: readonly (Dim | Name)[], placements: readonly Placement[]): Name {
  const rank = lengths.length
  const fixed = lengths.every((length) => typeof length === 'number')
  const count = fixed ? (lengths as readonly number[]).reduce((product, length) => product * length, rank) : Infinity
  const isStatic = placements.every(({ start, size }) => typeof start === 'number' && !isSym(size))
  const corner = placements.map(({ start, length, size }) => clampedStart(context, start, length, size))
  if (fixed && count <= EMBEDDED_COORDINATES) {
    const dims = lengths as readonly number[]
    const first = isStatic
      ? placements.map(({ start, length, size }) => Math.max(0, Math.min(start as number, (size as number) - (length as number))))
      : dims.map(() => 0)
    const values: number[] = []
    for (let i = 0; i < count / rank; i++) {
      let rest = i
      const place = new Array<number>(rank)
      for (let axis = rank - 1; axis >= 0; axis--) {
        place[axis] = first[axis]! + (rest % dims[axis]!)
        rest = Math.floor(rest / dims[axis]!)
      }
      values.push(...place)
    }
    const base = context.builder.constant(values, [...dims, rank], INT64)
    return isStatic ? base : context.node('Add', [base, joined(context, corner)])
  }
  // One line of numbers per axis, broadcast against each other and stacked.
  const sizes = lengths.map((length) => (typeof length === 'string' ? length : context.size(length)))
  const full = joined(context, [...sizes, context.ints([1])])
  const columns = lengths.map((length, axis) => {
    const line =
      typeof length === 'string'
        ? context.node('Range', [context.scalar(0, INT64), context.node('Reshape', [length, context.ints([])]), context.scalar(1, INT64)])
        : range(context, length)
    const placed = context.node('Add', [line, corner[axis]!])
    const dims = [...lengths.map((_, i) => (i === axis ? -1 : 1)), 1]
    return context.node('Expand', [context.node('Reshape', [placed, context.ints(dims)]), full])
  })
  return columns.length === 1 ? columns[0]! : context.node('Concat', columns, { attributes: { axis: rank } })
}

export const slicingEmitters: EmitterTable = { slice, updateSlice }
