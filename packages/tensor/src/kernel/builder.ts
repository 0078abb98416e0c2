import { TensorError } from '../errors.js'
import {
  constant,
  Expr,
  printType,
  sameType,
  scalarOf,
  typeBytes,
  type Builtin,
  type Kernel,
  type Lanes,
  type MatrixElement,
  type Scalar,
  type Shared,
  type Stmt,
  type Storage,
  type SubgroupOp,
  type Uniform,
  type ValueType,
  type Variable,
} from './ir.js'

export interface KernelOptions {
  readonly name: string
  /** Threads of a workgroup along each axis; default `[64, 1, 1]`. */
  readonly workgroup?: readonly [number, number, number]
}

export interface StorageOptions {
  readonly lanes?: Lanes
  /** For arrays that `atomicAdd` writes to. */
  readonly atomic?: boolean
  /** Bindings that it takes, each but the last of `rangeBytes` bytes; default 1. */
  readonly ranges?: number
  readonly rangeBytes?: number
}

/** A variable that the kernel changes as it runs. */
export interface Cell {
  /** Its value at the place where this is read. */
  readonly value: Expr
  set(value: Expr | number): void
}

/** Collects the statements of a kernel in the order in which its methods are called. */
export class KernelBuilder {
  private readonly storages: Storage[] = []
  private readonly uniforms: Uniform[] = []
  private readonly shared: Shared[] = []
  private readonly names = new Map<string, number>()
  private block: Stmt[] = []
  private finished = false

  constructor(private readonly options: Required<KernelOptions>) {}

  /** An array in memory, bound in the order of these calls. */
  storage(name: string, scalar: Exclude<Scalar, 'bool'>, options: StorageOptions = {}): Storage {
    const { lanes = 1, atomic = false, ranges = 1, rangeBytes = Infinity } = options
    if (atomic && (lanes !== 1 || (scalar !== 'i32' && scalar !== 'u32')))
      throw new TensorError('KERNEL', `${name}: atomic arrays hold i32 or u32, not ${printType(scalarOf(scalar, lanes))}`)
    const element = scalarOf(scalar, lanes)
    const rangeLength = ranges === 1 ? 0 : rangeBytes / typeBytes(element)
    const storage: Storage = { kind: 'storage', name: this.fresh(name), element, atomic, ranges, rangeLength }
    this.storages.push(storage)
    return storage
  }

  /** An array that the threads of a workgroup share. */
  sharedArray(name: string, scalar: Exclude<Scalar, 'bool'>, length: number, lanes: Lanes = 1): Shared {
    if (!(Number.isInteger(length) && length > 0))
      throw new TensorError('KERNEL', `${name}: a shared array has a length from 1 on, not ${length}`)
    const shared: Shared = { kind: 'shared', name: this.fresh(name), element: scalarOf(scalar, lanes), length }
    this.shared.push(shared)
    return shared
  }

  /** A number that the caller gives for each dispatch. */
  uniform(name: string, scalar: Uniform['scalar'] = 'u32'): Expr {
    const uniform: Uniform = { name: this.fresh(name), scalar }
    this.uniforms.push(uniform)
    return new Expr({ kind: 'uniform', uniform }, scalarOf(scalar))
  }

  globalId = (axis: 0 | 1 | 2): Expr => this.builtin('globalId', axis)
  localId = (axis: 0 | 1 | 2): Expr => this.builtin('localId', axis)
  workgroupId = (axis: 0 | 1 | 2): Expr => this.builtin('workgroupId', axis)
  /** How many workgroups the dispatch has along an axis. */
  workgroups = (axis: 0 | 1 | 2): Expr => this.builtin('workgroups', axis)
  /** The thread's number in its workgroup. */
  localIndex = (): Expr => this.builtin('localIndex', 0)
  subgroupLane = (): Expr => this.builtin('subgroupLane', 0)

  /** Computes a value here, once. */
  let(name: string, value: Expr): Expr {
    const variable = this.variable(name, value.type, false)
    this.push({ kind: 'let', variable, value })
    return read(variable)
  }

  /** A variable with its first value. */
  var(name: string, first: Expr): Cell {
    const variable = this.variable(name, first.type, true)
    this.push({ kind: 'var', variable, value: first })
    return {
      get value() {
        return read(variable)
      },
      set: (value) => {
        const next = first.like(value)
        expectType(`${variable.name} =`, variable.type, next)
        this.push({ kind: 'assign', variable, value: next })
      },
    }
  }

  /** The element at an index of 32 bits, read here. Indices are not checked on the device. */
  load(array: Storage | Shared, index: Expr, name = array.name): Expr {
    expectIndex(array, index)
    return this.let(`${name}_at`, new Expr({ kind: 'load', array, index }, array.element))
  }

  /** An element of a shared array that every thread of the workgroup reads, behind a barrier and before another: the same for all, as the index must be. */
  commonLoad(array: Shared, index: Expr, name = array.name): Expr {
    expectIndex(array, index)
    return this.let(`${name}_of_all`, new Expr({ kind: 'commonLoad', array, index }, array.element))
  }

  store(array: Storage | Shared, index: Expr, value: Expr): void {
    expectIndex(array, index)
    expectType(`${array.name}[…] =`, array.element, value)
    if (array.kind === 'storage' && array.atomic) throw new TensorError('KERNEL', `${array.name} is atomic; use atomicAdd`)
    this.push({ kind: 'store', array, index, value })
  }

  /** Adds to an integer in memory that other threads add to. */
  atomicAdd(array: Storage, index: Expr, value: Expr): void {
    expectIndex(array, index)
    if (!array.atomic) throw new TensorError('KERNEL', `${array.name} is not atomic; declare it so`)
    expectType(`atomicAdd(${array.name})`, array.element, value)
    this.push({ kind: 'atomicAdd', array, index, value })
  }

  /** Combines `x` over the threads of a subgroup, or gives that of the lane whose number differs in the bits of `mask`. */
  subgroup(op: SubgroupOp, x: Expr, mask = 0): Expr {
    if (x.type.lanes !== 1 || x.type.scalar === 'bool') throw new TensorError('KERNEL', `subgroup ${op} does not take ${printType(x.type)}`)
    return this.let(`${op}_of`, new Expr({ kind: 'subgroup', op, x, mask }, x.type))
  }

  /**
   * Four matrices of 8 by 8 halves from shared memory, by all 32 threads of a subgroup together. Thread 8m + r says where row r of matrix m lies, 16 bytes, by its index in an
   * array of `vec4<u32>`, `offset` elements further on. Lane m of what thread 4g + t gets is a word of two neighbours, the first lowest: columns 2t and 2t + 1 of row g of
   * matrix m, or, where `transposed`, rows 2t and 2t + 1 of column g.
   */
  matrices(array: Shared, index: Expr, { offset = 0, transposed = false }: { offset?: number; transposed?: boolean } = {}): Expr {
    expectIndex(array, index)
    if (!sameType(array.element, scalarOf('u32', 4)))
      throw new TensorError('KERNEL', `matrices lie in arrays of vec4<u32>, not in ${array.name} of ${printType(array.element)}`)
    return this.let('matrices', new Expr({ kind: 'matrices', array, index, offset, transposed }, scalarOf('u32', 4)))
  }

  /**
   * sum += a·b by all 32 threads of a subgroup together, with a of 16 by 16 and b of 16 by 8 halves, summed as f32. Of thread 4g + t, `a` holds the words of rows g and g + 8 and
   * columns 2t and 2t + 1 in its first two lanes, of columns 8 further on in the others; `b` those of rows 2t and 2t + 1 and 8 further on, of column g; `sum` the elements
   * (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1). The order of the sums is the device's.
   */
  multiplyMatrices(sum: Cell, a: Expr, b: Expr, of: MatrixElement): void {
    const { node, type } = sum.value
    if (node.kind !== 'variable' || !node.variable.mutable) throw new TensorError('KERNEL', 'products of matrices are added to a variable')
    expectType('the sum of products of matrices', scalarOf('f32', 4), sum.value)
    expectType(`${printType(type)} += a·b: a`, scalarOf('u32', 4), a)
    expectType(`${printType(type)} += a·b: b`, scalarOf('u32', 2), b)
    this.push({ kind: 'multiplyMatrices', sum: node.variable, a, b, of })
  }

  /**
   * Begins to copy 16 bytes, from a multiple of 16 bytes on, to an element of a shared array of `vec4<u32>`; zeros where not `present`, and then nothing is read. They are there
   * for the thread itself behind `waitCopies`, for others behind a barrier after that.
   */
  copyAsync(to: Shared, at: Expr, from: Storage, index: Expr, present: Expr): void {
    expectIndex(to, at)
    expectIndex(from, index)
    expectType('a copy is present', scalarOf('bool'), present)
    if (!sameType(to.element, scalarOf('u32', 4)) || from.element.scalar !== 'u32')
      throw new TensorError(
        'KERNEL',
        `copies go from words to an array of vec4<u32>, not from ${from.name} of ${printType(from.element)} to ${to.name} of ${printType(to.element)}`,
      )
    this.push({ kind: 'copyAsync', to, at, from, index, present })
  }

  /** Two f32 rounded to the nearest halves, to even at a tie, in one word, the first in its low bits. For elements of the matrices that the device multiplies. */
  halves(low: Expr, high: Expr, of: MatrixElement): Expr {
    expectType('the low half', scalarOf('f32'), low)
    expectType('the high half', scalarOf('f32'), high)
    return this.let('halves', new Expr({ kind: 'halves', of, low, high }, scalarOf('u32')))
  }

  groupCopies(): void {
    this.push({ kind: 'groupCopies' })
  }

  waitCopies(left: number): void {
    if (!(Number.isInteger(left) && left >= 0))
      throw new TensorError('KERNEL', `waitCopies leaves a number of groups from 0 on, not ${left}`)
    this.push({ kind: 'waitCopies', left })
  }

  /** Writes the low 16 bits of a word as half number `index` of an array of words, the low half of the first being 0. */
  storeHalf(array: Storage, index: Expr, value: Expr): void {
    expectIndex(array, index)
    expectType(`half of ${array.name} =`, scalarOf('u32'), value)
    if (array.atomic || !sameType(array.element, scalarOf('u32')))
      throw new TensorError('KERNEL', `halves are stored in arrays of u32, not in ${array.name} of ${printType(array.element)}`)
    this.push({ kind: 'storeHalf', array, index, value })
  }

  if(condition: Expr, yes: () => void, no?: () => void): void {
    expectType('if', scalarOf('bool'), condition)
    this.push({ kind: 'if', condition, yes: this.inside(yes), no: no === undefined ? [] : this.inside(no) })
  }

  /** `for (i = from; i < to; i += step)` over i32 or u32. */
  for(name: string, from: Expr, to: Expr | number, step: Expr | number, body: (i: Expr) => void): void {
    const [end, stride] = [from.like(to), from.like(step)]
    if (from.type.lanes !== 1 || (from.type.scalar !== 'i32' && from.type.scalar !== 'u32'))
      throw new TensorError('KERNEL', `for ${name}: counts i32 or u32, not ${printType(from.type)}`)
    expectType(`for ${name}: to`, from.type, end)
    expectType(`for ${name}: step`, from.type, stride)
    const variable = this.variable(name, from.type, false)
    this.push({ kind: 'for', variable, from, to: end, step: stride, body: this.inside(() => body(read(variable))) })
  }

  /** The same written out, for a number of turns known now. */
  unrolled(count: number, body: (i: number) => void): void {
    for (let i = 0; i < count; i++) body(i)
  }

  /** Waits for all threads of the workgroup. Where only some of them come by is an error. */
  barrier(): void {
    this.push({ kind: 'barrier' })
  }

  finish(): Kernel {
    if (this.finished) throw new TensorError('KERNEL', `kernel ${this.options.name} is finished`)
    this.finished = true
    const { name, workgroup } = this.options
    return { name, workgroup, storages: this.storages, uniforms: this.uniforms, shared: this.shared, body: this.block }
  }

  private inside(body: () => void): Stmt[] {
    const outer = this.block
    const own: Stmt[] = []
    this.block = own
    try {
      body()
    } finally {
      this.block = outer
    }
    return own
  }

  private push(statement: Stmt): void {
    if (this.finished) throw new TensorError('KERNEL', `kernel ${this.options.name} is finished`)
    this.block.push(statement)
  }

  private variable = (name: string, type: ValueType, mutable: boolean): Variable => ({ name: this.fresh(name), type, mutable })
  private builtin = (name: Builtin, axis: 0 | 1 | 2): Expr => new Expr({ kind: 'builtin', name, axis }, scalarOf('u32'))

  /** No two things of a kernel have one name. The underscore keeps names apart from the words of both languages. */
  private fresh(name: string): string {
    if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) throw new TensorError('KERNEL', `'${name}' is no name; expected letters, digits and _`)
    const count = this.names.get(name) ?? 0
    this.names.set(name, count + 1)
    return `${name}_${count}`
  }
}

/** Runs a function that builds a kernel. */
export function buildKernel(options: KernelOptions, build: (b: KernelBuilder) => void): Kernel {
  const builder = new KernelBuilder({ workgroup: [64, 1, 1], ...options })
  build(builder)
  return builder.finish()
}

/** Constants of each type. */
export const f32 = (value: number): Expr => constant(value, 'f32')
export const u32 = (value: number): Expr => constant(value, 'u32')
export const i32 = (value: number): Expr => constant(value, 'i32')

const read = (variable: Variable): Expr => new Expr({ kind: 'variable', variable }, variable.type)

function expectType(what: string, wanted: ValueType, value: Expr): void {
  if (!sameType(wanted, value.type)) throw new TensorError('KERNEL', `${what} wants ${printType(wanted)}, got ${printType(value.type)}`)
}

function expectIndex(array: Storage | Shared, index: Expr): void {
  if (index.type.lanes !== 1 || (index.type.scalar !== 'u32' && index.type.scalar !== 'i32'))
    throw new TensorError('KERNEL', `${array.name} is indexed by u32 or i32, not ${printType(index.type)}`)
}
