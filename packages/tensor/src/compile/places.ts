/** Where the values of a program lie on a device with kernels. */
import { TensorError } from '../errors.js'
import type { Node, Value } from '../graph/node.js'
import { align, Arena } from './memory.js'
import type { Program } from './program.js'
import { bytesInWords, MOST_BYTES, rangesOfBytes, rangesOfValue, type Reach } from './reach.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { scratchWords } from './scratch.js'
import type { Part, Unit } from './units.js'

/** Memory that a dispatch reaches. */
export type Place = (
  | { readonly kind: 'input' | 'output'; readonly index: number }
  /** Bytes of the memory that the program's temporaries share. */
  | { readonly kind: 'temporary'; readonly offset: number; readonly bytes: number }
) & {
  /** Bindings that it takes. */
  readonly ranges: number
}

export interface Memory {
  readonly of: (value: Value) => Place | undefined
  /** What a unit's dispatches hand to each other, by the first of its nodes. */
  readonly between: (node: Node) => Place | undefined
  /** Where the program's output with a number is written. */
  readonly output: (index: number) => Place
  /** Bytes of the memory that temporaries share. */
  readonly arena: number
  /** What a kernel reaches of all this. */
  readonly reach: Reach
}

/** Inputs and outputs in memory of their own, the others in one block, in which what is no longer read makes room. What only its own dispatch reads has no memory. */
export function placeUnits(program: Program, units: readonly Unit[], tuning: Tuning, reach: Reach): Memory {
  const places = new Map<Node, (Place | undefined)[]>()
  const placesOf = (node: Node): (Place | undefined)[] => {
    const own = places.get(node) ?? node.outputs.map(() => undefined)
    places.set(node, own)
    return own
  }
  const inputs = program.inputs.map(({ value }, index): Place => ({ kind: 'input', index, ranges: rangesOfValue(value, reach) }))
  const outputs = program.outputs.map(({ value }, index): Place => ({ kind: 'output', index, ranges: rangesOfValue(value, reach) }))
  program.inputs.forEach(({ value }, index) => places.set(value.node, [inputs[index]]))
  program.outputs.forEach(({ value, alias }, index) => {
    if (value.node.op === 'input') return
    // One buffer must not be bound twice, so an output in an input's memory is that input.
    placesOf(value.node)[value.index] ??= alias === undefined ? outputs[index] : inputs[alias]
  })
  const wanted = new Map<Node, Set<number>>()
  const isWanted = ({ node, index }: Value): void => void wanted.set(node, (wanted.get(node) ?? new Set()).add(index))
  for (const node of program.nodes) node.inputs.forEach(isWanted)
  /** The last unit that reads each kept node, and whether another than its own does. */
  const lastRead = new Map<Node, number>()
  const step = new Map(units.flatMap((unit, i) => unit.parts.map(({ node }) => [node, i] as const)))
  units.forEach((unit, i) => {
    for (const { reads } of unit.parts) for (const read of reads.keys()) lastRead.set(read, Math.max(lastRead.get(read) ?? 0, i))
  })
  const between = new Map<Node, Place>()
  const arena = new Arena()
  const take = (size: number): Place & { readonly kind: 'temporary' } => {
    const bytes = align(Math.max(4, size))
    if (bytes > MOST_BYTES)
      throw new TensorError('OUT_OF_MEMORY', `${bytes} bytes between dispatches; kernels reach ${MOST_BYTES}. Use smaller batches`)
    const ranges = rangesOfBytes(bytes, reach)
    // Ranges are counted from where the array begins, and none of them goes from one block of memory to the next.
    const offset = arena.take(bytes, ranges > 1 ? { step: reach.rangeBytes } : { within: reach.blockBytes })
    return { kind: 'temporary', offset, bytes, ranges }
  }
  const ending = new Map<number, { offset: number; bytes: number }[]>()
  units.forEach((unit, i) => {
    for (const { node } of unit.parts) {
      const own = placesOf(node)
      node.outputs.forEach((type, index) => {
        const readLater = (lastRead.get(node) ?? -1) > step.get(node)!
        // The second of its dispatches reads what the first wrote.
        const between = (node.op === 'sort' && index === 1) || ((node.op === 'attendCached' || node.op === 'attendPaged') && index > 0)
        const needed = between || (wanted.get(node)?.has(index) === true && readLater)
        if (own[index] !== undefined || !needed) return
        const place = (own[index] = take(bytesInWords(type)))
        const end = Math.max(i, lastRead.get(node) ?? i)
        ending.set(end, [...(ending.get(end) ?? []), place])
      })
    }
    const [{ node: first }] = unit.parts as readonly [Part]
    const hands = unit.kind === 'own' || unit.kind === 'long'
    const words = hands ? unit.parts.reduce((sum, { node }) => sum + scratchWords(node, tuning, reach), 0) : 0
    if (words > 0) {
      const place = take(words * 4)
      between.set(first, place)
      ending.set(i, [...(ending.get(i) ?? []), place])
    }
    for (const { offset, bytes } of ending.get(i) ?? []) arena.give(offset, bytes)
  })
  return {
    of: ({ node, index }) => places.get(node)?.[index],
    between: (node) => between.get(node),
    output: (index) => outputs[index]!,
    arena: arena.size,
    reach,
  }
}
