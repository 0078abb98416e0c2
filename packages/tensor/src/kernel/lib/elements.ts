/**
 * Kernels that work out one element at a time. For every operation there is a function from the index of an element to its value, given the elements of its inputs by
 * the same kind of function; what is not kept in memory is worked out where it is needed, so chains of operations become one kernel.
 */
import { TensorError } from '../../errors.js'
import type { Attrs, Node, TensorType, Value } from '../../graph/node.js'
import { dtypeOf, typeOf } from '../../graph/node.js'
import type { KernelBuilder } from '../builder.js'
import type { Expr, Storage } from '../ir.js'
import type { SymbolUniforms } from './indexing.js'
import { loadElement, rounded } from './pack.js'

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
  /** The array that holds a value, for those that are kept in memory. */
  readonly stored: (value: Value) => Storage | undefined
}

/** The elements of values in one kernel, each worked out at most once where it is asked for again. */
export class Elements {
  /** What is known in each block that is open, by value and index. */
  private readonly known: Map<Node, Map<number, Map<Expr, Expr>>>[] = [new Map()]
  private readonly sums: Map<Expr, Map<Expr, Expr>>[] = [new Map()]

  constructor(private readonly options: ElementsOptions) {}

  at(value: Value, index: Expr): Expr {
    const found = this.found(value, index)
    if (found !== undefined) return found
    const { b } = this.options
    const array = this.options.stored(value)
    const dtype = dtypeOf(value)
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

  /** A sum of two numbers as one expression, the same for the same two until the block ends, so that what lies there is found again. */
  index(start: Expr, offset: Expr): Expr {
    for (const scope of this.sums) {
      const found = scope.get(start)?.get(offset)
      if (found !== undefined) return found
    }
    const sum = this.options.b.let('at', start.add(offset))
    const scope = this.sums.at(-1)!
    scope.set(start, (scope.get(start) ?? new Map<Expr, Expr>()).set(offset, sum))
    return sum
  }

  private found(value: Value, index: Expr): Expr | undefined {
    for (const scope of this.known) {
      const found = scope.get(value.node)?.get(value.index)?.get(index)
      if (found !== undefined) return found
    }
    return undefined
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
    this.sums.push(new Map())
    try {
      body()
    } finally {
      this.known.pop()
      this.sums.pop()
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
