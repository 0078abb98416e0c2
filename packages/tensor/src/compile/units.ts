/** Which kept values are worked out by one kernel, and in which order. */
import type { Node } from '../graph/node.js'
import { sameOrder } from '../kernel/lib/indexing.js'
import { perWord } from '../kernel/lib/pack.js'
import { productOps } from '../kernel/lib/products.js'
import { rowOps } from '../kernel/lib/rows.js'
import { loopingOps } from '../kernel/lib/rules.js'
import { insideOf, isOwn, MOST_NODES, readsOf } from './kept.js'
import type { Program } from './program.js'
import { rangesOfNodes, type Reach } from './reach.js'

/** Values that one dispatch works out: of one shape, where there are several. */
export interface Unit {
  readonly kind: 'own' | 'products' | 'rows' | 'elements'
  readonly parts: readonly Part[]
}

/** One of them. */
export interface Part {
  readonly node: Node
  /** What goes through many elements inside it: rows where there are rows, else products where there are products, else others. */
  readonly cores: readonly Node[]
  readonly reads: Reads
  /** Operations that are worked out for each of its elements. */
  readonly size: number
}

/** What a kernel reads of memory, and whether only at the place of the element that it works out. */
type Reads = ReadonlyMap<Node, boolean>

interface Open extends Unit {
  readonly parts: Part[]
  size: number
}

/** Dispatches that are looked at for room, from the last. */
const LOOK_BACK = 16

/** Products of so few rows are worked out side by side: each alone would keep too few threads busy. */
const FEW_ROWS = 4

export function chooseUnits(program: Program, kept: ReadonlySet<Node>, reach: Reach): Unit[] {
  const parts = program.nodes.filter((node) => kept.has(node)).map((node) => partOf(node, kept))
  const search = new Search(program, parts, reach)
  for (const part of parts) search.add(part)
  return search.units
}

function partOf(node: Node, kept: ReadonlySet<Node>): Part {
  const inside = insideOf(node, kept)
  const those = (isOne: (op: string) => boolean): Node[] => inside.filter(({ op }) => isOne(op))
  const rows = those((op) => rowOps.has(op))
  const products = those((op) => productOps.has(op))
  const cores = rows.length > 0 ? rows : products.length > 0 ? products : those((op) => loopingOps.has(op))
  return { node, cores, reads: readsOf(node, kept), size: inside.length }
}

/** Puts kept values into units, one after another. */
class Search {
  readonly units: Open[] = []
  private readonly unitOf = new Map<Node, Open>()
  /** The node that writes over each input that is given away. */
  private readonly writers = new Map<Node, Node>()
  private readonly outputs: ReadonlySet<Node>
  private readonly readers = new Map<Node, Node[]>()

  constructor(
    program: Program,
    parts: readonly Part[],
    private readonly reach: Reach,
  ) {
    this.outputs = new Set(program.outputs.map(({ value }) => value.node))
    for (const { value, alias } of program.outputs) if (alias !== undefined) this.writers.set(program.inputs[alias]!.value.node, value.node)
    for (const { node, reads } of parts) for (const read of reads.keys()) this.readers.set(read, [...(this.readers.get(read) ?? []), node])
  }

  add(part: Part): void {
    const kind = this.kindOf(part)
    const found = this.roomFor(part, kind)
    const unit: Open = found ?? { kind, parts: [], size: 0 }
    if (found === undefined) this.units.push(unit)
    unit.parts.push(part)
    unit.size += part.size
    this.unitOf.set(part.node, unit)
  }

  private kindOf({ node, cores }: Part): Unit['kind'] {
    if (isOwn(node, this.reach)) return 'own'
    if (cores.some(({ op }) => rowOps.has(op))) return 'rows'
    return cores.some(({ op }) => productOps.has(op)) ? 'products' : 'elements'
  }

  /** The last unit that a value can be worked out in together with others. */
  private roomFor(part: Part, kind: Unit['kind']): Open | undefined {
    if (kind === 'own' || kind === 'rows' || (kind === 'products' && !hasFewRows(part))) return undefined
    for (let i = this.units.length - 1; i >= Math.max(0, this.units.length - LOOK_BACK); i--) {
      const unit = this.units[i]!
      // What an element is made of has to be there: worked out before, or by the same thread.
      const made = [...part.reads].filter(([read]) => this.unitOf.get(read) === unit)
      if (unit.kind === kind && unit.size + part.size <= MOST_NODES && this.fits(unit, part, made)) return unit
      // Before a unit that it reads from there is no place for it.
      if (made.length > 0) return undefined
    }
    return undefined
  }

  private fits(unit: Open, part: Part, made: readonly (readonly [Node, boolean])[]): boolean {
    const [first, type] = [unit.parts[0]!, part.node.outputs[0]!]
    const own = first.node.outputs[0]!
    const parts = [...unit.parts, part]
    const joins =
      unit.kind === 'products'
        ? made.length === 0 && hasFewRows(first)
        : sameOrder(own.shape, type.shape) && made.every(([, aligned]) => aligned)
    return joins && perWord(own.dtype) === perWord(type.dtype) && this.bindingsOf(parts) <= this.reach.maxBindings && this.keepsOld(parts)
  }

  /** Bindings of the arrays that a kernel reaches: what it reads and what it writes, an input that it writes over being one, what only it reads being none. */
  private bindingsOf(parts: readonly Part[]): number {
    const nodes = new Set(parts.map(({ node }) => node))
    const isInside = (node: Node): boolean => !this.outputs.has(node) && (this.readers.get(node) ?? []).every((reader) => nodes.has(reader))
    const arrays = new Set([...nodes].filter((node) => !isInside(node)))
    for (const { reads } of parts)
      for (const read of reads.keys()) {
        const writer = this.writers.get(read)
        if (!nodes.has(read) && (writer === undefined || !nodes.has(writer))) arrays.add(read)
      }
    return rangesOfNodes(arrays, this.reach)
  }

  /** An input that is written over by one of the nodes is read by no other thread than the one that writes. */
  private keepsOld(parts: readonly Part[]): boolean {
    return parts.every(({ reads }) =>
      [...reads].every(([read, aligned]) => {
        const writer = this.writers.get(read)
        return aligned || writer === undefined || !parts.some(({ node }) => node === writer)
      }),
    )
  }
}

/** Whether a value is made of products of few rows, so many of them. */
function hasFewRows({ node, cores }: Part): boolean {
  const { shape } = node.outputs[0]!
  const rows = shape.slice(0, -1).reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : Infinity), 1)
  return rows <= FEW_ROWS && cores.every(({ outputs }) => sameOrder(outputs[0]!.shape, shape))
}
