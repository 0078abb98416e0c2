/** Which kept values are worked out by one kernel, and in which order. */
import type { Node } from '../graph/node.js'
import { shapeOf } from '../graph/node.js'
import { sameOrder } from '../kernel/lib/indexing.js'
import { perWord } from '../kernel/lib/pack.js'
import { productOps } from '../kernel/lib/products.js'
import { rowOps } from '../kernel/lib/rows.js'
import { loopingOps } from '../kernel/lib/rules.js'
import { isSym } from '../shape.js'
import { insideOf, isOwn, MOST_NODES, readsOf } from './kept.js'
import { isLong } from './long-reductions.js'
import type { Program } from './program.js'
import { rangesOfNodes, type Reach } from './reach.js'
import { axesOf } from './reductions-dispatch.js'

/** Values that one dispatch works out: of one shape, where there are several. Long reductions are of any, and take two. */
export interface Unit {
  readonly kind: 'own' | 'products' | 'rows' | 'long' | 'elements'
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

/** @param joinsLong whether long reductions share their dispatches */
export function chooseUnits(program: Program, kept: ReadonlySet<Node>, reach: Reach, joinsLong: boolean): Unit[] {
  const inOrder = program.nodes.filter((node) => kept.has(node)).map((node) => partOf(node, kept))
  const parts = joinsLong ? withLateReductions(inOrder, program) : inOrder
  const search = new Search(program, parts, reach, joinsLong)
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

/**
 * Long reductions right before they are first asked for, where what they read is in memory until then anyway: so those of many tensors come to stand side by side, as the
 * norm of all gradients needs them.
 */
function withLateReductions(parts: readonly Part[], program: Program): Part[] {
  const last = new Map<Node, number>()
  const first = new Map<Node, number>()
  const places = new Map(parts.map(({ node }, i) => [node, i] as const))
  parts.forEach(({ reads }, i) => {
    for (const read of reads.keys()) {
      last.set(read, i)
      if (!first.has(read)) first.set(read, i)
    }
  })
  for (const { value } of program.outputs) last.set(value.node, parts.length)
  const before = Array.from({ length: parts.length + 1 }, (): Part[] => [])
  const stays = parts.map((part, i) => {
    if (!isLong(part.node)) return true
    const ends = [...part.reads.keys()].map((read) =>
      read.op === 'input' ? (overwrittenAt(read, program, places) ?? parts.length) : last.get(read)!,
    )
    const to = Math.min(first.get(part.node) ?? parts.length, ...ends)
    if (to <= i + 1) return true
    before[to]!.push(part)
    return false
  })
  return [...parts.flatMap((part, i) => [...before[i]!, ...(stays[i] === true ? [part] : [])]), ...before[parts.length]!]
}

/** Where an input is written over. */
function overwrittenAt(input: Node, program: Program, places: ReadonlyMap<Node, number>): number | undefined {
  const output = program.outputs.find(({ alias }) => alias !== undefined && program.inputs[alias]!.value.node === input)
  return output === undefined ? undefined : places.get(output.value.node)
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
    private readonly joinsLong: boolean,
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
    if (isLong(node)) return 'long'
    if (isOwn(node, this.reach)) return 'own'
    if (cores.some(({ op }) => rowOps.has(op))) return 'rows'
    return cores.some(({ op }) => productOps.has(op)) ? 'products' : 'elements'
  }

  /** The last unit that a value can be worked out in together with others. */
  private roomFor(part: Part, kind: Unit['kind']): Open | undefined {
    if (kind === 'own' || kind === 'rows' || (kind === 'products' && !hasFewRows(part))) return undefined
    if (kind === 'long' && !(this.joinsLong && standsBeside(part))) return undefined
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
    if (unit.kind === 'long')
      return made.length === 0 && standsBeside(unit.parts[0]!) && this.bindingsOfLong([...unit.parts, part]) < this.reach.maxBindings
    const [first, type] = [unit.parts[0]!, part.node.outputs[0]!]
    const own = first.node.outputs[0]!
    const parts = [...unit.parts, part]
    const joins =
      unit.kind === 'products'
        ? made.length === 0 && hasFewRows(first)
        : sameOrder(own.shape, type.shape) && made.every(([, aligned]) => aligned)
    return joins && perWord(own.dtype) === perWord(type.dtype) && this.bindingsOf(parts) <= this.reach.maxBindings && this.keepsOld(parts)
  }

  /** Bindings of what the first dispatch of long reductions reads, or the second writes, whichever are more; each has one more for what is handed on. */
  private bindingsOfLong(parts: readonly Part[]): number {
    const read = new Set(parts.flatMap(({ reads }) => [...reads.keys()]))
    return Math.max(parts.length, rangesOfNodes(read, this.reach))
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

/** Whether a long reduction can share dispatches: it is cut into workgroups, of which the number is known. */
function standsBeside({ node }: Part): boolean {
  return axesOf(node) !== undefined && ![...shapeOf(node.inputs[0]!), ...node.outputs[0]!.shape].some(isSym)
}

/** Whether a value is made of products of few rows, so many of them. */
function hasFewRows({ node, cores }: Part): boolean {
  const { shape } = node.outputs[0]!
  const rows = shape.slice(0, -1).reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : Infinity), 1)
  return rows <= FEW_ROWS && cores.every(({ outputs }) => sameOrder(outputs[0]!.shape, shape))
}
