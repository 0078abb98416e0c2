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
/** A place that was read as vectors, for speed alone, is asked for otherwise: the kernel is built again with words there. */
class Mixed extends Error {
  constructor(readonly key: string) {
    super(`${key} in vectors and otherwise`)
  }
}

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
  /** Made as vectors where words would do. */
  private readonly asVectors = new Set<string>()

  constructor(
    private readonly b: KernelBuilder,
    private readonly memory: Memory,
    /** Places that are asked for in words somewhere. */
    private readonly inWords: ReadonlySet<string> = new Set(),
  ) {}

  at(place: Place, lanes: Lanes = 1): Storage {
    const key = keyOf(place)
    let array = this.made.get(key)
    if (array === undefined) {
      array = this.b.storage(place.kind, 'u32', { lanes, ranges: place.ranges, rangeBytes: this.memory.reach.rangeBytes })
      this.made.set(key, array)
      this.places.push(place)
    }
    if (array.element.lanes === lanes) return array
    throw this.asVectors.has(key) ? new Mixed(key) : new Clash(`${key} in vectors and in words`)
  }

  /** A place in vectors if nothing else of the kernel asks for it otherwise, else in words. */
  preferably(place: Place, lanes: Lanes): Storage {
    const key = keyOf(place)
    const array = this.made.get(key)
    if (lanes === 1 || this.inWords.has(key) || array?.element.lanes === 1) return this.at(place)
    if (array === undefined) this.asVectors.add(key)
    return this.at(place, lanes)
  }

  /** The array of a value, as `preferably`. */
  preferred(value: Value, lanes: Lanes): Storage | undefined {
    const place = this.memory.of(value)
    return place === undefined ? undefined : this.preferably(place, lanes)
  }

  /** Whether a value is in memory. */
  has = (value: Value): boolean => this.memory.of(value) !== undefined

  of(value: Value, lanes: Lanes = 1): Storage | undefined {
    const place = this.memory.of(value)
    return place === undefined ? undefined : this.at(place, lanes)
  }
}

const keyOf = (place: Place): string => (place.kind === 'temporary' ? `t${place.offset}` : `${place.kind}${place.index}`)

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
  const inWords = new Set<string>()
  for (;;) {
    try {
      return builtOnce(title, memory, threads, build, inWords)
    } catch (error) {
      if (!(error instanceof Mixed)) throw error
      inWords.add(error.key)
    }
  }
}

function builtOnce(
  title: string,
  memory: Memory,
  threads: number,
  build: (parts: KernelParts) => void,
  inWords: ReadonlySet<string>,
): BuiltKernel {
  let symbols: SymbolUniforms
  let arrays: Arrays
  const kernel = buildKernel({ name: title.replaceAll(/\W/g, '_'), workgroup: [threads, 1, 1] }, (b) => {
    symbols = new SymbolUniforms(b)
    arrays = new Arrays(b, memory, inWords)
    const stored = (value: Value, lanes: Lanes = 1): Storage | undefined => arrays.preferred(value, lanes)
    const elements = new Elements({ b, symbols, rules: elementRules, stored })
    // More workgroups than one axis holds go on along the second.
    const group = b.let('group', b.workgroupId(1).mul(b.workgroups(0)).add(b.workgroupId(0)))
    const thread = b.let('thread', group.mul(threads).add(b.localIndex()))
    const when = (number: Expr, count: Amount, body: () => void): void => b.if(number.lt(asExpr(count)), () => elements.inside(body))
    build({ b, symbols, arrays, elements, group, thread, when })
  })
  return { kernel, places: arrays!.places, symbols: symbols!.symbols }
}
