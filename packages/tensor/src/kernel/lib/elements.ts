/**
 * Kernels that work out one element at a time. For every operation there is a function from the index of an element to its value, given the elements of its inputs by
 * the same kind of function; what is not kept in memory is worked out where it is needed, so chains of operations become one kernel.
 */
import { TensorError } from '../../errors.js'
import type { Attrs, Node, TensorType, Value } from '../../graph/node.js'
import { dtypeOf, typeOf } from '../../graph/node.js'
import type { KernelBuilder } from '../builder.js'
import type { Expr, Lanes, Storage } from '../ir.js'
import type { SymbolUniforms } from './indexing.js'
import { decodeBits, loadElement, perWord, rounded } from './pack.js'
import { isMultiple, makeRun, nameOf, placeInRun, Scopes, type Run } from './runs.js'

/** How the elements of one operation are worked out. */
export interface ElementContext<A extends Attrs = Attrs> {
  readonly b: KernelBuilder
  readonly symbols: SymbolUniforms
  readonly attrs: A
  readonly inputs: readonly TensorType[]
  /** Of the output asked for. */
  readonly output: TensorType
  /** The element of an input. */
  readonly input: (which: number, index: Expr) => Expr
  /** Runs statements of a loop or branch: what they name is forgotten behind it. */
  readonly inside: (body: () => void) => void
}

export type ElementRule = (context: ElementContext, index: Expr) => Expr

export interface ElementsOptions {
  readonly b: KernelBuilder
  readonly symbols: SymbolUniforms
  readonly rules: ReadonlyMap<string, ElementRule>
  /** The array that holds a value, for those that are kept in memory: of vectors where they are asked for and may be had. */
  readonly stored: (value: Value, lanes?: Lanes) => Storage | undefined
}

/** The elements of values in one kernel, each worked out at most once where it is asked for again. */
export class Elements {
  /** What is known in each block that is open, by value and index. */
  private readonly known: Map<Node, Map<number, Map<Expr, Expr>>>[] = [new Map()]
  private readonly scopes = new Scopes()

  constructor(private readonly options: ElementsOptions) {}

  at(value: Value, index: Expr): Expr {
    const found = this.found(value, index)
    if (found !== undefined) return found
    const { b } = this.options
    const dtype = dtypeOf(value)
    const run = placeInRun(index)?.run
    if (run !== undefined && run.size >= perWord(dtype) && this.loadRun(value, run)) return this.found(value, index)!
    const array = this.options.stored(value)
    const computed = array === undefined ? this.compute(value.node, index) : loadElement(b, array, dtype, index)
    const element = computed.node.kind === 'const' || computed.node.kind === 'variable' ? computed : b.let(value.node.op, computed)
    this.know(value, index, element)
    return element
  }

  /** The element of a value that this kernel works out, whether or not it has memory: what others of the kernel ask for is not read back. */
  own(value: Value, index: Expr): Expr {
    const found = this.found(value, index)
    if (found !== undefined) return found
    const computed = this.compute(value.node, index)
    const element =
      computed.node.kind === 'const' || computed.node.kind === 'variable' ? computed : this.options.b.let(value.node.op, computed)
    this.know(value, index, element)
    return element
  }

  /** Says what an element is, until the block ends. */
  know(value: Value, index: Expr, element: Expr): void {
    const scope = this.known.at(-1)!
    const outputs = scope.get(value.node) ?? new Map<number, Map<Expr, Expr>>()
    const indices = outputs.get(value.index) ?? new Map<Expr, Expr>()
    scope.set(value.node, outputs.set(value.index, indices.set(index, element)))
  }

  /** The indices from `first` on, which must be a multiple of their number. */
  run(first: Expr, size: number): Run {
    return makeRun(this.options.b, this.scopes, first, size)
  }

  /** A sum of two numbers as one expression, the same for the same two until the block ends, so that what lies there is found again. */
  index(start: Expr, offset: Expr): Expr {
    const { b } = this.options
    const place = placeInRun(offset)
    if (place === undefined || !isMultiple(start, place.run.size))
      return this.scopes.once(`sum ${nameOf(start)} ${nameOf(offset)}`, () => b.let('at', start.add(offset)))
    const { run, at } = place
    return this.scopes.once(`sum ${nameOf(start)} ${nameOf(run)}`, () => this.run(start.add(run.members[0]!), run.size)).members[at]!
  }

  private found(value: Value, index: Expr): Expr | undefined {
    for (const scope of this.known) {
      const found = scope.get(value.node)?.get(value.index)?.get(index)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Loads the elements of a run where they are in memory. */
  private loadRun(value: Value, run: Run): boolean {
    const { b } = this.options
    const dtype = dtypeOf(value)
    const count = perWord(dtype)
    const words = run.size / count
    const array = this.options.stored(value, Math.min(4, words) as Lanes)
    if (array === undefined) return false
    const { lanes } = array.element
    const first = count * lanes === 1 ? run.members[0]! : b.let('place', run.members[0]!.shr(Math.log2(count * lanes)))
    for (let at = 0; at < words; at += lanes) {
      const vector = b.load(array, at === 0 ? first : first.add(at / lanes))
      for (let lane = 0; lane < lanes; lane++) {
        const word = lanes === 1 ? vector : b.let('word', vector.lane(lane))
        for (let part = 0; part < count; part++) {
          const bits = count === 1 ? word : word.shr((32 / count) * part).and(count === 2 ? 0xffff : 0xff)
          const element = b.let('value', decodeBits(count === 1 ? bits : b.let('bits', bits), dtype))
          this.know(value, run.members[(at + lane) * count + part]!, element)
        }
      }
    }
    return true
  }

  /** The element as an operation gives it, also where it is kept in memory. */
  compute(node: Node, index: Expr): Expr {
    const rule = this.options.rules.get(node.op)
    if (rule === undefined) throw new TensorError('KERNEL', `${node.op} has no rule for its elements`)
    const value = rule(this.contextOf(node), index)
    return exact.has(node.op) ? value : rounded(this.options.b, value, node.outputs[0]!.dtype)
  }

  /** What rules are given of an operation. */
  contextOf(node: Node): ElementContext {
    const { b, symbols } = this.options
    return {
      b,
      symbols,
      attrs: node.attrs,
      inputs: node.inputs.map(typeOf),
      output: node.outputs[0]!,
      input: (which, at) => this.at(node.inputs[which]!, at),
      inside: (body) => this.inside(body),
    }
  }

  inside(body: () => void): void {
    this.known.push(new Map())
    try {
      this.scopes.inside(body)
    } finally {
      this.known.pop()
    }
  }
}

/** These give elements of their inputs, or what their dtype holds as it is. */
const exact = new Set([
  'input',
  'reshape',
  'permute',
  'expand',
  'flip',
  'slice',
  'concat',
  'updateSlice',
  'gather',
  'gatherAlong',
  'where',
  'barrier',
  'bitcast',
])
