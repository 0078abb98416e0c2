/** Which kept values are worked out by one kernel, and in which order. */
import type { Node } from '../graph/node.js'
import { sameOrder } from '../kernel/lib/indexing.js'
import { perWord } from '../kernel/lib/pack.js'
import { rowOps } from '../kernel/lib/rows.js'
import { loopingOps } from '../kernel/lib/rules.js'
import { insideOf, MOST_NODES, readsOf } from './kept.js'
import type { Program } from './program.js'

/** Values that one dispatch works out: of one shape, where there are several. */
export interface Unit {
  readonly kind: 'sort' | 'products' | 'rows' | 'elements'
  readonly nodes: readonly Node[]
  /** What goes through many elements inside it: rows where there are rows, else products where there are products, else others. */
  readonly cores: readonly Node[]
}

interface Open {
  readonly kind: Unit['kind']
  readonly nodes: Node[]
  readonly cores: readonly Node[]
  /** Of all its nodes. */
  readonly reads: Map<Node, boolean>
  size: number
}

/** Dispatches that are looked at for room, from the last. */
const LOOK_BACK = 16

export function chooseUnits(program: Program, kept: ReadonlySet<Node>, maxBindings: number): Unit[] {
  const overwritten = new Map<Node, Node>()
  for (const { value, alias } of program.outputs) if (alias !== undefined) overwritten.set(program.inputs[alias]!.value.node, value.node)
  const units: Open[] = []
  const unitOf = new Map<Node, Open>()
  for (const node of program.nodes) {
    if (!kept.has(node)) continue
    const inside = insideOf(node, kept)
    const rows = inside.filter(({ op }) => rowOps.has(op))
    const products = inside.filter(({ op }) => op === 'matmul')
    const kind = node.op === 'sort' ? 'sort' : rows.length > 0 ? 'rows' : products.length > 0 ? 'products' : 'elements'
    const cores = rows.length > 0 ? rows : products.length > 0 ? products : inside.filter(({ op }) => loopingOps.has(op))
    const reads = readsOf(node, kept)
    const room = kind === 'elements' ? roomFor(node, reads, inside.length, { units, unitOf, overwritten, maxBindings }) : undefined
    if (room === undefined) {
      const unit: Open = { kind, nodes: [node], cores, reads: new Map(reads), size: inside.length }
      units.push(unit)
      unitOf.set(node, unit)
    } else {
      room.nodes.push(node)
      room.size += inside.length
      reads.forEach((aligned, read) => room.reads.set(read, aligned && room.reads.get(read) !== false))
      unitOf.set(node, room)
    }
  }
  return units
}

interface Search {
  readonly units: readonly Open[]
  readonly unitOf: ReadonlyMap<Node, Open>
  /** The node that writes over each input that is given away. */
  readonly overwritten: ReadonlyMap<Node, Node>
  readonly maxBindings: number
}

/** The last unit that a node can be worked out in together with others. */
function roomFor(
  node: Node,
  reads: ReadonlyMap<Node, boolean>,
  size: number,
  { units, unitOf, overwritten, maxBindings }: Search,
): Open | undefined {
  const { shape, dtype } = node.outputs[0]!
  for (let i = units.length - 1; i >= Math.max(0, units.length - LOOK_BACK); i--) {
    const unit = units[i]!
    const own = unit.nodes[0]!.outputs[0]!
    // What an element is made of has to be there: worked out before, or by the same thread.
    const made = [...reads].filter(([read]) => unitOf.get(read) === unit)
    const fits =
      unit.kind === 'elements' &&
      sameOrder(own.shape, shape) &&
      perWord(own.dtype) === perWord(dtype) &&
      unit.size + size <= MOST_NODES &&
      made.every(([, aligned]) => aligned) &&
      new Set([...unit.reads.keys(), ...reads.keys(), ...unit.nodes, node]).size <= maxBindings - 1 &&
      keepsOld([...unit.nodes, node], [unit.reads, reads], overwritten)
    if (fits) return unit
    // Before a unit that it reads from there is no place for it.
    if (made.length > 0) return undefined
  }
  return undefined
}

/** An input that is written over by one of the nodes is read by no other thread than the one that writes. */
function keepsOld(nodes: readonly Node[], reads: readonly ReadonlyMap<Node, boolean>[], overwritten: ReadonlyMap<Node, Node>): boolean {
  for (const own of reads)
    for (const [read, aligned] of own) {
      const writer = overwritten.get(read)
      if (!aligned && writer !== undefined && nodes.includes(writer)) return false
    }
  return true
}
