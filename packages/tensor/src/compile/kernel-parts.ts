/** What every kernel of a program begins with: its arrays, its numbers, and which thread it is. */
import type { Node, Value } from '../graph/node.js'
import { buildKernel, type KernelBuilder } from '../kernel/builder.js'
import type { Expr, Kernel, Lanes, Storage } from '../kernel/ir.js'
import { Elements } from '../kernel/lib/elements.js'
import { asExpr, SymbolUniforms, type Amount } from '../kernel/lib/indexing.js'
import { elementRules } from '../kernel/lib/rules.js'
import type { Sym } from '../shape.js'
import type { Memory, Place } from './places.js'

/** Threads of a workgroup of kernels of elements. */
export const ELEMENT_GROUP = 64

/** One place was asked for in words and in vectors of words, which no kernel can do. */
class Clash extends Error {}

/** Builds a kernel that reads vectors of four numbers, or single ones where what it reads so is also read otherwise. */
export function inVectors(build: (lanes: 1 | 4) => BuiltKernel): BuiltKernel {
  try {
    return build(4)
  } catch (error) {
    if (error instanceof Clash) return build(1)
    throw error
  }
}

/** The arrays of one kernel, one for each place. */
export class Arrays {
  readonly places: Place[] = []
  private readonly made = new Map<string, Storage>()

  constructor(
    private readonly b: KernelBuilder,
    private readonly memory: Memory,
  ) {}

  at(place: Place, lanes: Lanes = 1): Storage {
    const key = place.kind === 'temporary' ? `t${place.offset}` : `${place.kind}${place.index}`
    let array = this.made.get(key)
    if (array === undefined) {
      array = this.b.storage(place.kind, 'u32', { lanes, ranges: place.ranges, rangeBytes: this.memory.reach.rangeBytes })
      this.made.set(key, array)
      this.places.push(place)
    }
    if (array.element.lanes !== lanes) throw new Clash(`${key} in vectors and in words`)
    return array
  }

  of(value: Value, lanes: Lanes = 1): Storage | undefined {
    const place = this.memory.of(value)
    return place === undefined ? undefined : this.at(place, lanes)
  }
}

export interface KernelParts {
  readonly b: KernelBuilder
  readonly symbols: SymbolUniforms
  readonly arrays: Arrays
  readonly elements: Elements
  /** The workgroup's number, and the thread's among all threads. */
  readonly group: Expr
  readonly thread: Expr
  /** Runs statements where a number is below a count. */
  readonly when: (number: Expr, count: Amount, body: () => void) => void
}

export interface BuiltKernel {
  readonly kernel: Kernel
  readonly places: readonly Place[]
  readonly symbols: readonly Sym[]
}

/** The element with a number in a word. A last word may end behind the last element, and what is behind it need not be memory that can be read: there it is the last again. */
export function placeInWord(b: KernelBuilder, word: Expr, part: number, elementsPerWord: number, total: Expr): Expr {
  if (elementsPerWord === 1) return word
  const own = word.mul(elementsPerWord).add(part)
  return b.let('at', part === 0 ? own : own.min(total.sub(1)))
}

/** What a kernel works out, for people: what goes through many elements, and what ends it. */
export const titleOf = (node: Node, cores: readonly Node[]): string =>
  [...cores.filter((core) => core !== node), node].map(({ op }) => op).join('_')

/** Builds a kernel whose threads are numbered along one axis. */
export function kernelOf(title: string, memory: Memory, threads: number, build: (parts: KernelParts) => void): BuiltKernel {
  let symbols: SymbolUniforms
  let arrays: Arrays
  const kernel = buildKernel({ name: title.replaceAll(/\W/g, '_'), workgroup: [threads, 1, 1] }, (b) => {
    symbols = new SymbolUniforms(b)
    arrays = new Arrays(b, memory)
    const elements = new Elements({ b, symbols, rules: elementRules, stored: (value) => arrays.of(value) })
    // More workgroups than one axis holds go on along the second.
    const group = b.let('group', b.workgroupId(1).mul(b.workgroups(0)).add(b.workgroupId(0)))
    const thread = b.let('thread', group.mul(threads).add(b.localIndex()))
    const when = (number: Expr, count: Amount, body: () => void): void => b.if(number.lt(asExpr(count)), () => elements.inside(body))
    build({ b, symbols, arrays, elements, group, thread, when })
  })
  return { kernel, places: arrays!.places, symbols: symbols!.symbols }
}
