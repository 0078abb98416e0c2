import { TensorError } from './errors.js'

/**
 * A runtime non-negative integer with an upper bound, such as a position or a cache length. One value per call, given
 * in the call's options. Two dimensions are equal only when they are the same Sym.
 */
export interface Sym {
  readonly kind: 'sym'
  readonly name: string
  /** Tells symbols of one name apart in structural keys. */
  readonly id: number
  /** Largest value; memory is planned for it. */
  readonly max: number
  /** This symbol plus a constant, for slice bounds and offsets (dimensions carry no arithmetic). */
  plus(offset: number): SymExpr
}

/** A symbol plus a constant; allowed as an attribute, never as a dimension. */
export interface SymExpr {
  readonly kind: 'symExpr'
  readonly sym: Sym
  readonly offset: number
}

export type Dim = number | Sym
export type Shape = readonly Dim[]
/** A number known only at run time: a constant, a symbol, or a symbol plus a constant. */
export type Index = number | Sym | SymExpr

let nextSymId = 1

/** Makes a symbol. Values are range-checked against 0..max at each call. Errors: VALUE when `max` is not a positive integer. */
export function sym(name: string, options: { readonly max: number }): Sym {
  const { max } = options
  if (!Number.isSafeInteger(max) || max < 1) throw new TensorError('VALUE', `sym '${name}': max must be a positive integer, got ${max}`)
  const plus = (offset: number): SymExpr => {
    if (!Number.isSafeInteger(offset)) throw new TensorError('VALUE', `sym '${name}': only an integer can be added, got ${offset}`)
    return { kind: 'symExpr', sym: self, offset }
  }
  const self: Sym = { kind: 'sym', name, id: nextSymId++, max, plus }
  return self
}

export const isSym = (value: unknown): value is Sym => typeof value === 'object' && value !== null && (value as Sym).kind === 'sym'
export const isSymExpr = (value: unknown): value is SymExpr =>
  typeof value === 'object' && value !== null && (value as SymExpr).kind === 'symExpr'

/** The upper bound of a dimension. */
export const dimMax = (dim: Dim): number => (typeof dim === 'number' ? dim : dim.max)
/** The largest value of an index. */
export const indexMax = (index: Index): number =>
  typeof index === 'number' ? index : index.kind === 'sym' ? index.max : index.sym.max + index.offset
/** The symbol in an index, if it has one. */
export const indexSym = (index: Index): Sym | undefined =>
  typeof index === 'number' ? undefined : index.kind === 'sym' ? index : index.sym
/** Equal axis by axis; a symbol equals only itself. */
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i])

/** Values of the symbols during one call. */
export type SymValues = ReadonlyMap<Sym, number>

/** An index in one call. Errors: VALUE when its symbol has no value there. */
export function resolveIndex(index: Index, values: SymValues): number {
  if (typeof index === 'number') return index
  const symbol = index.kind === 'sym' ? index : index.sym
  const value = values.get(symbol)
  if (value === undefined)
    throw new TensorError(
      'VALUE',
      `symbol '${symbol.name}' has no value in this call; pass it in the call's options: { symbols: new Map([[${symbol.name}, …]]) }`,
    )
  return index.kind === 'sym' ? value : value + index.offset
}
/** Fails when a symbol has no value in a call, or one outside 0..max. Errors: VALUE. */
export function checkSymbols(symbols: readonly Sym[], values: SymValues): void {
  for (const symbol of symbols) {
    const value = values.get(symbol)
    if (value === undefined)
      throw new TensorError(
        'VALUE',
        `symbol '${symbol.name}' has no value in this call; pass it in the call's options: { symbols: new Map([[${symbol.name}, …]]) }`,
      )
    if (!Number.isInteger(value) || value < 0 || value > symbol.max)
      throw new TensorError('VALUE', `symbol '${symbol.name}' is ${value}; expected an integer from 0 to ${symbol.max}`)
  }
}
/** A shape in one call. Errors: as {@link resolveIndex}. */
export const resolveShape = (shape: Shape, values: SymValues): number[] => shape.map((dim) => resolveIndex(dim, values))

/** Number of elements, symbols counted at their maximum. */
export const elementCount = (shape: Shape): number => shape.reduce<number>((product, dim) => product * dimMax(dim), 1)

/** Elements where symbols have these values. */
export const elementCountAt = (shape: Shape, values: SymValues): number => resolveShape(shape, values).reduce((a, b) => a * b, 1)

/** Row-major strides in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride
    stride *= shape[i]!
  }
  return strides
}

/** An index for people: `n`, `n+1`, `7`. */
export const printIndex = (index: Index): string =>
  typeof index === 'number'
    ? String(index)
    : index.kind === 'sym'
      ? index.name
      : `${index.sym.name}${index.offset < 0 ? '' : '+'}${index.offset}`
/** An index that no other index prints as, for structural keys. */
export const indexKey = (index: Index): string =>
  typeof index === 'number'
    ? String(index)
    : index.kind === 'sym'
      ? `${index.name}#${index.id}`
      : `${index.sym.name}#${index.sym.id}+${index.offset}`
/** A shape that no other shape prints as, for structural keys. */
export const shapeKey = (shape: Shape): string => `[${shape.map(indexKey).join(',')}]`
/** A shape for people: `[2, n]`. */
export const printShape = (shape: Shape): string => `[${shape.map(printIndex).join(', ')}]`

/** Axis in 0..rank-1 from one that may count from the end; the error names the operation. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis
  if (!Number.isInteger(axis) || normal < 0 || normal >= rank)
    throw new TensorError(
      'SHAPE',
      `${op}: axis ${axis} is out of range for rank ${rank}${rank === 0 ? ' (a scalar has no axes)' : `; expected ${-rank} to ${rank - 1}`}`,
    )
  return normal
}

/** What to do instead of computing with a dimension that is only known at run time. */
export const SYMBOL_ADVICE =
  'dimensions carry no arithmetic: keep the full size, and mask what lies past the symbol (compare iota with the symbol, then where)'

/** For the end of an error about two lengths that differ: what to know when one is a symbol. */
export const symbolNote = (a: Dim, b: Dim): string =>
  isSym(a) && isSym(b)
    ? `; a symbol equals only itself, whatever its name: ${SYMBOL_ADVICE}`
    : isSym(a) || isSym(b)
      ? `; ${SYMBOL_ADVICE}`
      : ''

/** NumPy broadcasting; the error names the operation, both shapes and the axis (counted from the end). */
export function broadcastShapes(op: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length)
  const out = new Array<Dim>(rank)
  for (let i = 1; i <= rank; i++) {
    const x = i <= a.length ? a[a.length - i]! : 1
    const y = i <= b.length ? b[b.length - i]! : 1
    if (x === y || y === 1) out[rank - i] = x
    else if (x === 1) out[rank - i] = y
    else
      throw new TensorError(
        'SHAPE',
        `${op}: shapes ${printShape(a)} and ${printShape(b)} do not broadcast: axis -${i} is ${printIndex(x)} in one and ${printIndex(y)} in the other (they must be equal, or one of them 1)${symbolNote(x, y)}`,
      )
  }
  return out
}
