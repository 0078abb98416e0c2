/** Index arithmetic inside kernels: numbers are worked out when the kernel is built, what depends on a symbol when it runs. */
import { isSym, type Dim, type Index, type Shape, type Sym } from '../../shape.js'
import { u32, type KernelBuilder } from '../builder.js'
import type { Expr } from '../ir.js'
import { isMultiple, makeRun, markMultiple, markShared, multipleOf, nameOf, placeInRun, sharedIn, type Run } from './runs.js'

/** A number of elements, of which what is known is known now. */
export type Amount = number | Expr

export const times = (a: Amount, b: Amount): Amount => {
  if (typeof a === 'number' && typeof b === 'number') return a * b
  if (a === 1) return b
  if (b === 1) return a
  if (a === 0 || b === 0) return 0
  return markMultiple(asExpr(a).mul(asExpr(b)), multipleOf(a) * multipleOf(b))
}
export const plus = (a: Amount, b: Amount): Amount => {
  if (typeof a === 'number' && typeof b === 'number') return a + b
  if (a === 0) return b
  if (b === 0) return a
  return asExpr(a).add(asExpr(b))
}
/** An amount as a u32. */
export const asExpr = (amount: Amount): Expr => (typeof amount === 'number' ? u32(amount) : amount)

/** The symbols of a kernel as its uniforms, made when one is first asked for. */
export class SymbolUniforms {
  private readonly made = new Map<Sym, Expr>()

  constructor(private readonly b: KernelBuilder) {}

  /** In the order of the kernel's uniforms. */
  get symbols(): readonly Sym[] {
    return [...this.made.keys()]
  }

  dim(dim: Dim): Amount {
    return isSym(dim) ? this.of(dim) : dim
  }

  /** An index that may be a symbol plus a constant, as i32. */
  index(index: Index): Expr {
    if (typeof index === 'number') return u32(0).bits('i32').add(index)
    const value = this.of(index.kind === 'sym' ? index : index.sym).bits('i32')
    return index.kind === 'sym' ? value : value.add(index.offset)
  }

  count(shape: Shape): Amount {
    return shape.reduce<Amount>((product, dim) => times(product, this.dim(dim)), 1)
  }

  strides(shape: Shape): Amount[] {
    const strides = new Array<Amount>(shape.length)
    let stride: Amount = 1
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      strides[axis] = stride
      stride = times(stride, this.dim(shape[axis]!))
    }
    return strides
  }

  private of(symbol: Sym): Expr {
    let made = this.made.get(symbol)
    if (made === undefined) this.made.set(symbol, (made = this.b.uniform(`sym${this.made.size}`)))
    return made
  }
}

/** The coordinates of the element `index` of a shape. Those along axes of one element are 0. Of the indices of a run all but the last are worked out once. */
export function coordinatesOf(b: KernelBuilder, symbols: SymbolUniforms, shape: Shape, index: Expr): Amount[] {
  const place = placeInRun(index)
  const axis = shape.findLastIndex((dim) => dim !== 1)
  const last = shape[axis]
  if (place === undefined || typeof last !== 'number' || last % place.run.size !== 0) return separateCoordinates(b, symbols, shape, index)
  const { run, at } = place
  const [first, ends] = run.scopes.once(`coordinates ${nameOf(run)} ${shape.map(nameOf).join()}`, (): readonly [Amount[], Run] => {
    const coordinates = separateCoordinates(b, symbols, shape, run.members[0]!)
    for (const coordinate of coordinates) if (typeof coordinate !== 'number') markShared(coordinate, run.scopes)
    const own = coordinates[axis] as Expr
    return [coordinates, own === run.members[0] ? run : makeRun(b, run.scopes, own, run.size)]
  })
  return first.map((coordinate, i) => (i === axis ? ends.members[at]! : coordinate))
}

function separateCoordinates(b: KernelBuilder, symbols: SymbolUniforms, shape: Shape, index: Expr): Amount[] {
  const coordinates: Amount[] = shape.map(() => 0)
  const axes = shape.flatMap((dim, axis) => (dim === 1 ? [] : [axis]))
  let rest = index
  for (let i = axes.length - 1; i >= 0; i--) {
    const axis = axes[i]!
    if (i === 0) coordinates[axis] = rest
    else {
      const size = b.let('size', asExpr(atLeastOne(symbols.dim(shape[axis]!))))
      coordinates[axis] = b.let('coordinate', rest.rem(size))
      rest = b.let('rest', rest.div(size))
    }
  }
  return coordinates
}

/** Nothing is computed of an empty tensor, but its kernel must not divide by its size. */
const atLeastOne = (amount: Amount): Amount => (typeof amount === 'number' ? Math.max(1, amount) : amount.max(1))

/** The flat index of coordinates: a run where the last of them is one and strides leave it one, and worked out once where all are the same for a run. */
export function flatIndex(b: KernelBuilder, coordinates: readonly Amount[], strides: readonly Amount[]): Expr {
  const used = coordinates.map((coordinate, axis): Amount => (strides[axis] === 0 ? 0 : coordinate))
  const moving = used.flatMap((coordinate, axis) => {
    const place = typeof coordinate === 'number' ? undefined : placeInRun(coordinate)
    return place === undefined ? [] : [{ axis, place }]
  })
  const key = (): string => `flat ${used.map(nameOf).join()} ${strides.map(nameOf).join()}`
  const [first] = moving
  if (first === undefined) {
    const scopes = used.map((coordinate) => (typeof coordinate === 'number' ? undefined : sharedIn(coordinate))).find((own) => own)
    if (scopes === undefined) return separateIndex(b, used, strides)
    return scopes.once(key(), () => {
      const index = separateIndex(b, used, strides)
      markShared(index, scopes)
      return index
    })
  }
  const { run, at } = first.place
  const keepsRuns = used.every((coordinate, axis) =>
    axis === first.axis ? strides[axis] === 1 : coordinate === 0 || isMultiple(strides[axis]!, run.size),
  )
  if (moving.length > 1 || !keepsRuns) return separateIndex(b, used, strides)
  if (used.every((coordinate, axis) => axis === first.axis || coordinate === 0)) return run.members[at]!
  const start = used.map((coordinate, axis) => (axis === first.axis ? run.members[0]! : coordinate))
  const name = `run ${start.map(nameOf).join()} ${strides.map(nameOf).join()}`
  return run.scopes.once(name, () => makeRun(b, run.scopes, separateIndex(b, start, strides), run.size)).members[at]!
}

function separateIndex(b: KernelBuilder, coordinates: readonly Amount[], strides: readonly Amount[]): Expr {
  const index = coordinates.reduce<Amount>((sum, coordinate, axis) => plus(sum, times(coordinate, strides[axis]!)), 0)
  return typeof index === 'number' ? u32(index) : b.let('index', index)
}

/** Whether two shapes have the same elements in the same order whatever their symbols are: dimensions of 1 apart they are equal. */
export function sameOrder(a: Shape, b: Shape): boolean {
  const [x, y] = [a, b].map((shape) => shape.filter((dim) => dim !== 1))
  return x!.length === y!.length && x!.every((dim, i) => dim === y![i])
}

/** The index, in a tensor of `shape` that is broadcast to `to`, of the element `index` of that. */
export function broadcastIndex(b: KernelBuilder, symbols: SymbolUniforms, shape: Shape, to: Shape, index: Expr): Expr {
  if (sameOrder(shape, to)) return index
  if (shape.every((dim) => dim === 1)) return u32(0)
  const extra = to.length - shape.length
  const own = symbols.strides(shape)
  const strides = to.map((_, axis): Amount => (axis < extra || shape[axis - extra] === 1 ? 0 : own[axis - extra]!))
  return flatIndex(b, coordinatesOf(b, symbols, to, index), strides)
}
