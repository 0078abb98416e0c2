/** Index arithmetic inside kernels: numbers are worked out when the kernel is built, what depends on a symbol when it runs. */
import { isSym, type Dim, type Index, type Shape, type Sym } from '../../shape.js'
import { u32, type KernelBuilder } from '../builder.js'
import type { Expr } from '../ir.js'

/** A number of elements, of which what is known is known now. */
export type Amount = number | Expr

export const times = (a: Amount, b: Amount): Amount => {
  if (typeof a === 'number' && typeof b === 'number') return a * b
  if (a === 1) return b
  if (b === 1) return a
  if (a === 0 || b === 0) return 0
  return asExpr(a).mul(asExpr(b))
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

/** The coordinates of the element `index` of a shape. Those along axes of one element are 0. */
export function coordinatesOf(b: KernelBuilder, symbols: SymbolUniforms, shape: Shape, index: Expr): Amount[] {
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

/** The flat index of coordinates. */
export function flatIndex(b: KernelBuilder, coordinates: readonly Amount[], strides: readonly Amount[]): Expr {
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
