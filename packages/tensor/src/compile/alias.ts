/**
 * Which outputs may be written into a donated input's memory, and whether that takes one program or two.
 *
 * Output O may occupy donated buffer B when both have one type, O's final writer is an op whose row allows it, and
 * every other reader of B's old value is an ancestor of that writer: then the rule holds under any topological order,
 * also the runtime's own. Where a reader is not an ancestor, the writers and what follows them move into a second
 * program, which starts when the first has ended. What still does not fit is copied, and reported.
 */
import { rowOf } from '../graph/build.js'
import type { Node, Value } from '../graph/node.js'
import { dtypeOf, sameValue, shapeOf } from '../graph/node.js'
import { topological } from '../graph/walk.js'
import { sameShape } from '../shape.js'

export interface AliasPlan {
  /** Aliases of the outputs asked for, in their order. */
  readonly aliases: readonly (Value | undefined)[]
  /** Nodes that must run in the second program; empty when one program does. */
  readonly late: ReadonlySet<Node>
  /** Donated inputs that could not be reused although an op would have allowed it, with the reader in the way. */
  readonly copied: readonly { readonly output: number; readonly reader: string }[]
}

interface Candidate {
  readonly output: number
  readonly input: Value
  readonly writer: Node
}

export function planAliases(outputs: readonly Value[], donated: ReadonlySet<Node>): AliasPlan {
  const aliases: (Value | undefined)[] = outputs.map(() => undefined)
  const candidates = findCandidates(outputs, donated)
  if (candidates.length === 0) return { aliases, late: new Set(), copied: [] }

  const nodes = topological(outputs)
  const readers = new Map<Node, Node[]>(candidates.map(({ input }) => [input.node, []]))
  for (const node of nodes) for (const input of new Set(node.inputs.map((value) => value.node))) readers.get(input)?.push(node)
  const returned = new Set(outputs.filter((value) => value.node.op === 'input').map((value) => value.node))

  const ancestors = ancestorSets(nodes, new Set(candidates.map(({ writer }) => writer)))
  const inTheWay = ({ input, writer }: Candidate, ignore?: ReadonlySet<Node>): Node | undefined => {
    const before = ancestors.get(writer)!
    return readers
      .get(input.node)!
      .find((reader) => reader !== writer && !before.has(reader) && (ignore === undefined || ignore.has(reader)))
  }

  const failing = candidates.filter((candidate) => !returned.has(candidate.input.node) && inTheWay(candidate) !== undefined)
  const late = new Set<Node>()
  if (failing.length > 0) {
    for (const { writer } of failing) late.add(writer)
    for (const node of nodes) if (node.inputs.some((value) => late.has(value.node))) late.add(node)
  }
  const copied: { output: number; reader: string }[] = []
  for (const candidate of candidates) {
    if (returned.has(candidate.input.node)) {
      copied.push({ output: candidate.output, reader: 'the input is also returned unchanged' })
      continue
    }
    // Within the second program the same rule; readers in the first have ended by then.
    const reader = inTheWay(candidate, late.has(candidate.writer) ? late : undefined)
    if (reader === undefined) aliases[candidate.output] = candidate.input
    else copied.push({ output: candidate.output, reader: reader.op })
  }
  return { aliases, late, copied }
}

function findCandidates(outputs: readonly Value[], donated: ReadonlySet<Node>): Candidate[] {
  const taken = new Set<Node>()
  const out: Candidate[] = []
  outputs.forEach((value, output) => {
    if (outputs.findIndex((other) => sameValue(other, value)) !== output) return
    for (const [written, from] of value.node.op === 'input' ? [] : (rowOf(value.node.op).alias ?? [])) {
      if (written !== value.index) continue
      const input = value.node.inputs[from]
      if (input === undefined || !donated.has(input.node) || taken.has(input.node)) continue
      if (dtypeOf(input) !== dtypeOf(value) || !sameShape(shapeOf(input), shapeOf(value))) continue
      // Read a second time under another name, the old value may be wanted after it has been overwritten.
      if (value.node.inputs.some((other, k) => k !== from && other.node === input.node)) continue
      taken.add(input.node)
      out.push({ output, input, writer: value.node })
    }
  })
  return out
}

/** All ancestors of some nodes. */
function ancestorSets(nodes: readonly Node[], wanted: ReadonlySet<Node>): Map<Node, Set<Node>> {
  const out = new Map<Node, Set<Node>>()
  for (const node of nodes) {
    if (!wanted.has(node)) continue
    const seen = new Set<Node>()
    const stack = node.inputs.map((value) => value.node)
    while (stack.length > 0) {
      const next = stack.pop()!
      if (seen.has(next)) continue
      seen.add(next)
      const known = out.get(next)
      if (known !== undefined) for (const ancestor of known) seen.add(ancestor)
      else for (const value of next.inputs) stack.push(value.node)
    }
    out.set(node, seen)
  }
  return out
}

/**
 * The values that the second program reads from the first; what is cheap to make again is not handed over, unless it is
 * made of a donated input: the second program overwrites those, in an order that is the runtime's own.
 */
export function crossing(outputs: readonly Value[], late: ReadonlySet<Node>, donated: ReadonlySet<Node>): Value[] {
  const found: Value[] = []
  for (const node of topological(outputs)) {
    if (!late.has(node)) continue
    for (const value of node.inputs) {
      if (late.has(value.node) || isCheap(value.node, donated) || found.some((other) => sameValue(other, value))) continue
      found.push(value)
    }
  }
  return found
}

/** Inputs and constants are available to both programs, and broadcasting them costs nothing. */
const isCheap = (node: Node, donated: ReadonlySet<Node>): boolean =>
  node.op === 'input' ||
  node.op === 'const' ||
  node.op === 'iota' ||
  node.op === 'symScalar' ||
  (node.op === 'expand' && !donated.has(node.inputs[0]!.node) && isCheap(node.inputs[0]!.node, donated))
