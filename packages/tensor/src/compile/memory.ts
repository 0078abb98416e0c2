import type { Node } from '../graph/node.js'
import { typeBytes } from './plan.js'
import type { Program } from './program.js'

/** Bytes of one program, symbols at their maximum. */
export interface MemoryPlan {
  /** Inputs, counted once per buffer. */
  readonly inputs: number
  /** Outputs that have memory of their own. */
  readonly outputs: number
  /** Highest sum of values alive at once between inputs and outputs. */
  readonly temporaries: number
  /** Where each temporary lies in one arena: placed by best fit over lifetimes, 256-byte aligned. */
  readonly placements: ReadonlyMap<Node, readonly { readonly offset: number; readonly bytes: number }[]>
  /** Size of that arena. */
  readonly arena: number
}

interface Hole {
  offset: number
  bytes: number
}

/** Offsets at which every device binds memory. */
export const align = (bytes: number): number => Math.ceil(bytes / 256) * 256

export interface TakeOptions {
  /** The offset is a multiple of this. */
  readonly step?: number
  /** The bytes do not go across a multiple of this, which they must fit in. */
  readonly within?: number
}

/** First-come placement into the smallest hole that fits; neighbouring holes are joined. */
export class Arena {
  size = 0
  private holes: Hole[] = []

  take(bytes: number, { step = 1, within = Infinity }: TakeOptions = {}): number {
    /** The first offset from one on where the bytes may lie. */
    const from = (offset: number): number => {
      const first = Math.ceil(offset / step) * step
      return within === Infinity || Math.floor(first / within) === Math.floor((first + bytes - 1) / within)
        ? first
        : Math.ceil(first / within) * within
    }
    let best = -1
    for (let i = 0; i < this.holes.length; i++) {
      const hole = this.holes[i]!
      if (from(hole.offset) + bytes <= hole.offset + hole.bytes && (best < 0 || hole.bytes < this.holes[best]!.bytes)) best = i
    }
    if (best < 0) {
      // The last hole may lie at the end, and then only the difference is new.
      const last = this.holes.at(-1)
      const isLast = last !== undefined && last.offset + last.bytes === this.size
      const start = isLast ? last.offset : this.size
      const offset = from(start)
      if (isLast) this.holes.pop()
      if (offset > start) this.holes.push({ offset: start, bytes: offset - start })
      this.size = offset + bytes
      return offset
    }
    const { offset: start, bytes: room } = this.holes[best]!
    const offset = from(start)
    const rest = [
      { offset: start, bytes: offset - start },
      { offset: offset + bytes, bytes: start + room - offset - bytes },
    ]
    this.holes.splice(best, 1, ...rest.filter((hole) => hole.bytes > 0))
    return offset
  }

  give(offset: number, bytes: number): void {
    if (bytes === 0) return
    const at = this.holes.findIndex((hole) => hole.offset > offset)
    const index = at < 0 ? this.holes.length : at
    this.holes.splice(index, 0, { offset, bytes })
    for (const i of [index, index - 1]) {
      const hole = this.holes[i]
      const next = this.holes[i + 1]
      if (hole !== undefined && next !== undefined && hole.offset + hole.bytes === next.offset) {
        hole.bytes += next.bytes
        this.holes.splice(i + 1, 1)
      }
    }
  }
}

/** Plans a program's memory without a device. */
export function planMemory(program: Program): MemoryPlan {
  const isOutput = new Set(program.outputs.map(({ value }) => value))
  const outputNodes = new Map<Node, Set<number>>()
  for (const { node, index } of isOutput) outputNodes.set(node, (outputNodes.get(node) ?? new Set()).add(index))
  const lastUse = new Map<Node, number>()
  program.nodes.forEach((node, step) => {
    lastUse.set(node, step)
    for (const value of node.inputs) lastUse.set(value.node, step)
  })
  const dying: Node[][] = program.nodes.map(() => [])
  for (const [node, step] of lastUse) if (node.op !== 'input') dying[step]!.push(node)

  const arena = new Arena()
  const placements = new Map<Node, { offset: number; bytes: number }[]>()
  let live = 0
  let peak = 0
  program.nodes.forEach((node, step) => {
    placements.set(
      node,
      node.outputs.map((type, index) => {
        const bytes = outputNodes.get(node)?.has(index) === true ? 0 : align(typeBytes(type))
        live += bytes
        return { offset: bytes === 0 ? 0 : arena.take(bytes), bytes }
      }),
    )
    peak = Math.max(peak, live)
    for (const dead of dying[step]!) {
      for (const { offset, bytes } of placements.get(dead)!) {
        live -= bytes
        arena.give(offset, bytes)
      }
    }
  })
  return {
    inputs: program.inputs.reduce((sum, input) => sum + typeBytes(input), 0),
    outputs: program.outputs.reduce((sum, output) => sum + (output.alias === undefined ? typeBytes(output) : 0), 0),
    temporaries: peak,
    placements,
    arena: arena.size,
  }
}
