/**
 * Products of the same rows with several frozen weights as one product with all of them, one below the other: queries, keys and values of a layer, or gate and up. A kernel for one token ends within tens of
 * microseconds, of which waking its threads and rounding its input are a good part.
 */
import { dtypeOf, sameValue, shapeOf, type Node, type Value } from '../../../graph/node.js'
import type { Program } from '../../../compile/program.js'
import { isSym, sameShape } from '../../../shape.js'
import type { QuantAttrs } from '../../../ops/quant.js'
import type { EmitContext, Result } from './context.js'
import { attrsOf } from './emitter.js'
import type { Name } from './model-builder.js'
import { constantProduct } from './quant.js'
import { FLOAT } from './onnx-type.js'

/** One of the products, and what is added to it, where nothing else is done with it. */
interface Member {
  readonly product: Node
  readonly bias?: { readonly value: Value; readonly sum: Node }
}

export class JointProducts {
  private readonly groups = new Map<Node, readonly Member[]>()
  private readonly made = new Map<Node, Name>()

  constructor(program: Program, isFrozen: (value: Value) => boolean) {
    const byRows = new Map<Node, Node[][]>()
    for (const node of program.nodes) {
      if (node.op !== 'qmatmul' || !node.inputs.slice(1).every(isFrozen) || shapeOf(node.inputs[0]!).length < 2) continue
      const of = byRows.get(node.inputs[0]!.node) ?? []
      byRows.set(node.inputs[0]!.node, of)
      const alike = of.find(([first]) => fitTogether(first!, node))
      if (alike === undefined) of.push([node])
      else alike.push(node)
    }
    const readers = readersOf(program)
    for (const group of [...byRows.values()].flat()) {
      if (group.length < 2) continue
      const members = group.map((product): Member => ({ product, ...biasOf(product, readers, isFrozen) }))
      const all = members.every(({ bias }) => bias !== undefined) ? members : group.map((product): Member => ({ product }))
      for (const { product, bias } of all) {
        this.groups.set(product, all)
        if (bias !== undefined) this.groups.set(bias.sum, all)
      }
    }
  }

  /** What a node gives where it is one of such products, or the sum with its bias. */
  resultOf(context: EmitContext, node: Node): Result | undefined {
    const group = this.groups.get(node)
    if (group === undefined) return undefined
    if (!this.made.has(node)) this.make(context, group)
    return { name: this.made.get(node)!, type: FLOAT }
  }

  private make(context: EmitContext, group: readonly Member[]): void {
    const [first] = group as readonly [Member]
    const { inputs } = first.product
    const [packed, scales, mins] = inputs.slice(1).map((_, i) => context.joined(group.map(({ product }) => product.inputs[i + 1]!))) as [
      Name,
      Name,
      Name | undefined,
    ]
    const biases = group.flatMap(({ bias }) => (bias === undefined ? [] : [bias.value]))
    const sizes = group.map(({ product }) => shapeOf(product.inputs[2]!)[0] as number)
    const y = constantProduct(context, inputs[0]!, attrsOf<QuantAttrs>(first.product), {
      packed,
      scales,
      ...(mins === undefined ? {} : { mins }),
      ...(biases.length === 0 ? {} : { bias: context.joined(biases) }),
      rows: sizes.reduce((a, b) => a + b),
      blocks: shapeOf(inputs[2]!)[1] as number,
    })
    const parts = context.cut(y, sizes)
    for (const [i, { product, bias }] of group.entries()) {
      this.made.set(product, parts[i]!)
      if (bias !== undefined) this.made.set(bias.sum, parts[i]!)
    }
  }
}

/** Whether two products differ in nothing but the rows of their weights. */
function fitTogether(a: Node, b: Node): boolean {
  const [left, right] = [a, b].map((node) => attrsOf<QuantAttrs>(node)) as [QuantAttrs, QuantAttrs]
  return (
    sameValue(a.inputs[0]!, b.inputs[0]!) &&
    left.bits === right.bits &&
    left.block === right.block &&
    left.inputs === right.inputs &&
    a.inputs.length === b.inputs.length &&
    a.inputs.every(
      (value, i) =>
        i === 0 || (dtypeOf(value) === dtypeOf(b.inputs[i]!) && sameShape(shapeOf(value).slice(1), shapeOf(b.inputs[i]!).slice(1))),
    )
  )
}

/** Nodes that read a node's first output; those of which an output is one of the program's, twice. */
function readersOf({ nodes, outputs }: Program): ReadonlyMap<Node, readonly (Node | undefined)[]> {
  const readers = new Map<Node, (Node | undefined)[]>()
  const add = (value: Value, reader: Node | undefined): void => {
    const list = readers.get(value.node)
    if (list === undefined) readers.set(value.node, [reader])
    else list.push(reader)
  }
  for (const node of nodes) for (const value of node.inputs) add(value, node)
  for (const { value } of outputs) add(value, undefined)
  return readers
}

/** The frozen vector that is added to a product, by the only node that reads it. */
function biasOf(
  product: Node,
  readers: ReadonlyMap<Node, readonly (Node | undefined)[]>,
  isFrozen: (value: Value) => boolean,
): Pick<Member, 'bias'> {
  const [sum, ...others] = readers.get(product) ?? []
  if (sum === undefined || others.length > 0 || sum.op !== 'add' || attrsOf<QuantAttrs>(product).inputs === 'f32') return {}
  let other = sum.inputs.find(({ node }) => node !== product)
  while (other !== undefined && (other.node.op === 'expand' || other.node.op === 'reshape')) other = other.node.inputs[0]
  if (other === undefined || !isFrozen(other) || dtypeOf(other) !== 'f32' || dtypeOf({ node: sum, index: 0 }) !== 'f32') return {}
  const [{ shape }, width] = [sum.outputs[0]!, shapeOf({ node: product, index: 0 }).at(-1)]
  const fits = shapeOf(other).length === 1 && shapeOf(other)[0] === width && sameShape(shape, product.outputs[0]!.shape) && !isSym(width!)
  return fits ? { bias: { value: other, sum } } : {}
}
