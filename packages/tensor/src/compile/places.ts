/** Where the values of a program lie on a device with kernels. */
import { elementCount } from '../shape.js'
import type { Node, TensorType, Value } from '../graph/node.js'

import { wordsOf } from '../kernel/lib/pack.js'
import { align, Arena } from './memory.js'
import type { Program } from './program.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { scratchWords } from './scratch.js'
import type { Part, Unit } from './units.js'

/** Memory that a dispatch reaches. */
export type Place =
  | { readonly kind: 'input' | 'output'; readonly index: number }
  /** Bytes of the memory that the program's temporaries share. */
  | { readonly kind: 'temporary'; readonly offset: number; readonly bytes: number }

export interface Memory {
  readonly of: (value: Value) => Place | undefined
  /** What a unit's dispatches hand to each other, by the first of its nodes. */
  readonly between: (node: Node) => Place | undefined
  /** Bytes of the memory that temporaries share. */
  readonly arena: number
}

const bytesOf = ({ shape, dtype }: TensorType): number => wordsOf(dtype, elementCount(shape)) * 4

/** Inputs and outputs in memory of their own, the others in one block, in which what is no longer read makes room. What only its own dispatch reads has no memory. */
export function placeUnits(program: Program, units: readonly Unit[], tuning: Tuning): Memory {
  const places = new Map<Node, (Place | undefined)[]>()
  const placesOf = (node: Node): (Place | undefined)[] => {
    const own = places.get(node) ?? node.outputs.map(() => undefined)
    places.set(node, own)
    return own
  }
  program.inputs.forEach(({ value }, index) => places.set(value.node, [{ kind: 'input', index }]))
  program.outputs.forEach(({ value, alias }, index) => {
    if (value.node.op === 'input') return
    // One buffer must not be bound twice, so an output in an input's memory is that input.
    placesOf(value.node)[value.index] ??= alias === undefined ? { kind: 'output', index } : { kind: 'input', index: alias }
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
  const ending = new Map<number, { offset: number; bytes: number }[]>()
  units.forEach((unit, i) => {
    for (const { node } of unit.parts) {
      const own = placesOf(node)
      node.outputs.forEach((type, index) => {
        const readLater = (lastRead.get(node) ?? -1) > step.get(node)!
        // The second of its dispatches reads what the first wrote.
        const between = node.op === 'sort' || (node.op === 'attendCached' && index > 0)
        const needed = between || (wanted.get(node)?.has(index) === true && readLater)
        if (own[index] !== undefined || !needed) return
        const bytes = align(Math.max(4, bytesOf(type)))
        const offset = arena.take(bytes)
        own[index] = { kind: 'temporary', offset, bytes }
        const end = Math.max(i, lastRead.get(node) ?? i)
        ending.set(end, [...(ending.get(end) ?? []), { offset, bytes }])
      })
    }
    const [{ node: first }] = unit.parts as readonly [Part]
    const hands = unit.kind === 'own' || unit.kind === 'long'
    const words = hands ? unit.parts.reduce((sum, { node }) => sum + scratchWords(node, tuning), 0) : 0
    if (words > 0) {
      const bytes = align(words * 4)
      const offset = arena.take(bytes)
      between.set(first, { kind: 'temporary', offset, bytes })
      ending.set(i, [...(ending.get(i) ?? []), { offset, bytes }])
    }
    for (const { offset, bytes } of ending.get(i) ?? []) arena.give(offset, bytes)
  })
  return { of: ({ node, index }) => places.get(node)?.[index], between: (node) => between.get(node), arena: arena.size }
}
