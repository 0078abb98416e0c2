/**
 * What an emitter works with: the values of the graph in whichever element type is at hand, shapes and symbols as
 * tensors, and the builder.
 *
 * Every value has a storage type (its dtype's own) and any number of carriers: the half types are computed in f32,
 * integers in another integer type where ONNX Runtime has no kernel for theirs. A carrier is *exact* when each element
 * is one that the dtype holds, and *raw* before rounding or wrapping; raw becomes exact by a cast to storage, which
 * ONNX Runtime rounds (half types) or wraps (integers), and a cast back. Casts are made once, when first asked for.
 */
import { castNumber, type DType } from '../../../dtype.js'
import { TensorError } from '../../../errors.js'
import { dtypeOf, shapeOf, type Node, type Value } from '../../../graph/node.js'
import { ValueMap } from '../../../graph/walk.js'
import { isSym, printShape, sameShape, type Dim, type Index, type Shape, type Sym } from '../../../shape.js'
import { elementTypeOf } from '../element-type.js'
import { ModelBuilder, type Name, type NodeOptions } from './model-builder.js'
import { FLOAT, INT64, type OnnxType } from './onnx-type.js'

/** What an emitter returns for an output: a name, the element type it is in, and whether it needs rounding yet. */
export interface Result {
  readonly name: Name
  readonly type: OnnxType
  /** Every element is one that the dtype holds. Default: true when `type` is the storage type. */
  readonly exact?: boolean
}

/** A result, or how to make it once something reads it: some readers can do without. */
export type Output = Result | (() => Result)

interface Held {
  raw?: Result
  readonly exact: Map<OnnxType, Name>
  /** Makes the value on first use: constants, and what consumers may be able to do without. */
  lazy?: () => Result
}

/** The type that a dtype is computed in. */
export const computeType = (dtype: DType): OnnxType => (dtype === 'f16' || dtype === 'bf16' ? FLOAT : elementTypeOf(dtype))

export type Target = 'node' | 'web'

/** What emitters may know of the program around a node. */
export interface ProgramFacts {
  /** Whether anything reads the value. */
  readonly isUsed: (value: Value) => boolean
  readonly isInitializer: (value: Value) => boolean
  /** One of the slices of a frozen weight along its first axis, as a constant of its own. */
  readonly partOf: (value: Value, index: number) => Name
  /** Frozen weights one below the other, as one constant. */
  readonly joined: (values: readonly Value[]) => Name
  readonly isAliased: (value: Value) => boolean
  /** Whether an addition is read by a norm, which can add as well. */
  readonly isNormed: (value: Value) => boolean
}

export class EmitContext {
  readonly builder = new ModelBuilder()
  /** Symbols whose value some node reads, with the names of their inputs. */
  readonly symbolInputs = new Map<Sym, Name>()
  /** First outputs of nodes that are also known as [B, T, H·W], the layout of attention kernels. */
  readonly tokenMajor = new Map<Node, { readonly name: Name; readonly type: OnnxType }>()
  /** Whether sizes of temporaries depend on values, and are larger each time. */
  grows = false
  private readonly held = new ValueMap<Held>()
  private readonly cache = new Map<string, Name>()
  /** Shapes of some names, and of which other name some are reshapes. */
  private readonly shapes = new Map<Name, Shape>()
  private readonly viewed = new Map<Name, Name>()
  /** What was cut into parts along its last axis, by their names. */
  private readonly wholes = new Map<string, Name>()

  constructor(
    readonly target: Target,
    private readonly facts: ProgramFacts,
  ) {}

  /** Whether a value is a constant of the model: a frozen weight emitted as initializer. */
  isInitializer(value: Value): boolean {
    return this.facts.isInitializer(value)
  }

  /** Slice `index` of such a constant along its first axis, which stays where it lies. */
  partOf(value: Value, index: number): Name {
    return this.facts.partOf(value, index)
  }

  /** Such constants one below the other, along their first axis, as one; programs have it where `EmitOptions.joins` says so. */
  joined(values: readonly Value[]): Name {
    return this.facts.joined(values)
  }

  /** A name cut into parts of so many along its last axis. */
  cut(whole: Name, sizes: readonly number[]): readonly Name[] {
    const wanted = sizes.map(() => true)
    const parts = this.builder.nodeWith('Split', [whole, this.ints(sizes)], wanted, { attributes: { axis: -1 } })
    this.wholes.set(parts.join(), whole)
    return parts
  }

  /** What {@link cut} cut into these parts, and no others. */
  wholeOf(parts: readonly Name[]): Name | undefined {
    return this.wholes.get(parts.join())
  }

  /** Whether an output is written into an input's memory. */
  aliased(node: Node, index: number): boolean {
    return this.facts.isAliased({ node, index })
  }

  /** Whether an addition is read by a norm, which can add as well. */
  normed(node: Node): boolean {
    return this.facts.isNormed({ node, index: 0 })
  }

  // ---- Nodes and constants ----

  node(opType: string, inputs: readonly Name[], options?: NodeOptions): Name {
    return this.builder.node(opType, inputs, options)
  }

  /** One number, in a type of ONNX. */
  scalar(value: number, type: OnnxType): Name {
    return this.builder.scalar(value, type)
  }

  /** A float constant. */
  float(value: number): Name {
    return this.builder.scalar(value, FLOAT)
  }

  ints(values: readonly number[]): Name {
    return this.builder.ints(values)
  }

  cast(name: Name, to: OnnxType): Name {
    return this.node('Cast', [name], { attributes: { to } })
  }

  /** A name made once per key, for small tensors that many nodes need. */
  once(key: string, make: () => Name): Name {
    let name = this.cache.get(key)
    if (name === undefined) this.cache.set(key, (name = make()))
    return name
  }

  // ---- Values ----

  define(value: Value, output: Output): void {
    const held: Held = { exact: new Map() }
    if (typeof output === 'function') held.lazy = output
    else this.fill(held, value, output)
    this.held.set(value, held)
  }

  /** The value in some element type, exactly (an integer beyond the type's range wraps: u32 as INT32 is its bits). */
  as(value: Value, type: OnnxType): Name {
    const held = this.hold(value)
    const known = held.exact.get(type)
    if (known !== undefined) return known
    const dtype = dtypeOf(value)
    if (value.node.op === 'const') {
      const name = this.scalar(constantIn(castNumber(dtype, value.node.attrs['value'] as number), dtype, type), type)
      held.exact.set(type, name)
      return name
    }
    this.force(held, value)
    const made = held.exact.get(type)
    if (made !== undefined) return made
    const storageType = elementTypeOf(dtype)
    let storage = held.exact.get(storageType)
    if (storage === undefined) {
      const from = held.raw?.name ?? held.exact.values().next().value!
      storage = this.cast(from, storageType)
      held.exact.set(storageType, storage)
    }
    if (type === storageType) return storage
    const name = this.cast(storage, type)
    held.exact.set(type, name)
    return name
  }

  /** The value in its dtype's own type. */
  storage(value: Value): Name {
    return this.as(value, elementTypeOf(dtypeOf(value)))
  }

  /** The value in the type that its dtype is computed in: FLOAT for the half types. */
  compute(value: Value): Name {
    return this.as(value, computeType(dtypeOf(value)))
  }

  /** Some type among those given in which the value is at hand, else the first of them. */
  atHand(value: Value, types: readonly OnnxType[]): Result {
    const held = this.hold(value)
    if (value.node.op !== 'const') this.force(held, value)
    const type = types.find((candidate) => held.exact.has(candidate)) ?? types[0]!
    return { name: this.as(value, type), type, exact: true }
  }

  /** The value itself as a result, for operations that change nothing. */
  forward(value: Value): Result {
    const held = this.hold(value)
    if (value.node.op !== 'const') this.force(held, value)
    const first = held.exact.entries().next().value
    if (first !== undefined) return { name: first[1], type: first[0], exact: true }
    return held.raw ?? { name: this.storage(value), type: elementTypeOf(dtypeOf(value)), exact: true }
  }

  /** Whether a value is only going to be made when something reads it. */
  isPending(value: Value): boolean {
    return this.held.get(value)?.lazy !== undefined
  }

  /** Whether anything reads an output. */
  used(node: Node, index: number): boolean {
    return this.facts.isUsed({ node, index })
  }

  /**
   * Operands of an elementwise node with broadcasts left to ONNX Runtime: an `expand` is looked through wherever the
   * shape of the result stays the same.
   */
  operands(node: Node): readonly Value[] {
    const target = node.outputs[0]!.shape
    const values = [...node.inputs]
    for (let i = 0; i < values.length; i++) {
      for (let from = values[i]!; from.node.op === 'expand';) {
        from = from.node.inputs[0]!
        const shapes = values.map((value, j) => shapeOf(j === i ? from : value))
        if (!broadcastsTo(shapes, target)) break
        values[i] = from
      }
    }
    return values
  }

  // ---- Shapes and symbols ----

  /** A runtime integer as an int64 [1] tensor. */
  index(index: Index): Name {
    if (typeof index === 'number') return this.ints([index])
    if (index.kind === 'sym') return this.symbol(index)
    if (index.offset === 0) return this.symbol(index.sym)
    const symbol = this.symbol(index.sym)
    return this.once(`index|${symbol}|${index.offset}`, () => this.node('Add', [symbol, this.ints([index.offset])]))
  }

  /** A shape as an int64 vector. */
  shape(shape: Shape): Name {
    if (!shape.some(isSym)) return this.ints(shape as readonly number[])
    const parts: Name[] = []
    let run: number[] = []
    const flush = (): void => {
      if (run.length > 0) parts.push(this.ints(run))
      run = []
    }
    for (const dim of shape) {
      if (typeof dim === 'number') run.push(dim)
      else {
        flush()
        parts.push(this.symbol(dim))
      }
    }
    flush()
    if (parts.length === 1) return parts[0]!
    return this.once(`shape|${parts.join()}`, () => this.node('Concat', parts, { attributes: { axis: 0 } }))
  }

  /** A size as an int64 [1] tensor. */
  size(dim: Dim): Name {
    return this.index(dim)
  }

  /**
   * The same elements under another shape. Chains of reshapes become one, and none where they lead back; a shape that the
   * caller knows of `name` is remembered.
   */
  reshape(name: Name, shape: Shape, from?: Shape): Name {
    if (from !== undefined) this.shapes.set(name, from)
    const source = this.viewed.get(name) ?? name
    const known = this.shapes.get(source)
    if (known !== undefined && sameShape(known, shape)) return source
    const target = this.shape(shape)
    return this.once(`reshape|${source}|${target}`, () => {
      const allowzero = shape.includes(0) ? 1 : undefined
      const view = this.node('Reshape', [source, target], { attributes: { allowzero } })
      this.viewed.set(view, source)
      this.shapes.set(view, shape)
      return view
    })
  }

  private symbol(symbol: Sym): Name {
    let name = this.symbolInputs.get(symbol)
    if (name === undefined) {
      name = `symbol_${this.builder.symbolName(symbol)}`
      this.symbolInputs.set(symbol, name)
      this.builder.input(name, INT64, [1])
    }
    return name
  }

  private hold(value: Value): Held {
    const held = this.held.get(value)
    if (held === undefined)
      throw new TensorError(
        'UNSUPPORTED',
        `onnx: output ${value.index} of ${value.node.op} ${printShape(shapeOf(value))} is read before it was emitted; the program is not in topological order`,
      )
    return held
  }

  private force(held: Held, value: Value): void {
    if (held.lazy === undefined) return
    const lazy = held.lazy
    delete held.lazy
    const op = this.builder.currentOp
    this.builder.currentOp = value.node.op
    this.fill(held, value, lazy())
    this.builder.currentOp = op
  }

  private fill(held: Held, value: Value, result: Result): void {
    // The first value of a name is the one that it was made for.
    if (!this.shapes.has(result.name)) this.shapes.set(result.name, shapeOf(value))
    if (result.exact ?? result.type === elementTypeOf(dtypeOf(value))) held.exact.set(result.type, result.name)
    else held.raw = result
  }
}

/** A constant of a dtype in a carrier; only u32 and i32 share bits across types. */
function constantIn(value: number, dtype: DType, type: OnnxType): number {
  return dtype === 'u32' && type === elementTypeOf('i32') ? value | 0 : value
}

/** Whether shapes broadcast to exactly `target`. */
function broadcastsTo(shapes: readonly Shape[], target: Shape): boolean {
  const rank = Math.max(...shapes.map((shape) => shape.length))
  if (rank !== target.length) return false
  const result: Dim[] = new Array<Dim>(rank).fill(1)
  for (const shape of shapes)
    shape.forEach((dim, i) => {
      if (dim !== 1) result[i + rank - shape.length] = dim
    })
  return sameShape(result, target)
}

export const isHalf = (dtype: DType): boolean => dtype === 'f16' || dtype === 'bf16'
