/** Kernels of elements: values of one order, of which each thread works out a word or some that lie side by side. */
import type { Node, TensorType, Value } from '../graph/node.js'
import { typeOf } from '../graph/node.js'
import { u32 } from '../kernel/builder.js'
import type { Expr } from '../kernel/ir.js'
import type { Elements } from '../kernel/lib/elements.js'
import { asExpr } from '../kernel/lib/indexing.js'
import { encodeBits, joinParts, perWord, storeRun, wordsOf } from '../kernel/lib/pack.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { elementCountAt, type Shape, type SymValues } from '../shape.js'
import type { Dispatch } from './dispatches.js'
import { kernelOf, placeInWord, titleOf, type BuiltKernel } from './kernel-parts.js'
import type { Memory, Place } from './places.js'
import type { Part } from './units.js'

/** Operations that one thread works out, each counted for each of its elements: beyond these a kernel takes long to compile, and gains nothing. */
const MOST_OPERATIONS = 256

export interface Written {
  readonly type: TensorType
  /** Where it is written; nowhere where only what follows asks for it. */
  readonly place: Place | undefined
  readonly element: (elements: Elements, index: Expr) => Expr
}

export interface WriteOptions {
  /** Of a workgroup. */
  readonly threads: number
  /** Of each value, that a thread writes where the number of them is known to be a multiple. */
  readonly words: 1 | 2 | 4
}

/** Words that each thread of a kernel of elements writes, at most as many as are wanted. */
export function wordsOfThread(shape: Shape, elementsPerWord: number, most: 1 | 2 | 4): 1 | 2 | 4 {
  const known = shape.reduce<number>((product, dim) => (typeof dim === 'number' ? product * dim : product), 1)
  for (const words of [4, 2] as const) if (words <= most && known > 0 && known % (words * elementsPerWord) === 0) return words
  return 1
}

/** Works out values of one order and writes them. */
export function writeDispatch(
  title: string,
  written: readonly Written[],
  memory: Memory,
  { threads, words: most }: WriteOptions,
): Dispatch {
  const { type } = written[0]!
  const elementsPerWord = perWord(type.dtype)
  const words = wordsOfThread(type.shape, elementsPerWord, most)
  const built = words === 1 ? ofWords(title, written, memory, threads) : ofRuns(title, written, memory, { threads, words })
  const count = (values: SymValues): number => wordsOf(type.dtype, elementCountAt(type.shape, values))
  return { ...built, threads: (values) => Math.ceil(count(values) / words), title }
}

/** Each thread a word of each, which holds up to four elements. */
function ofWords(title: string, written: readonly Written[], memory: Memory, threads: number): BuiltKernel {
  const { type } = written[0]!
  const elementsPerWord = perWord(type.dtype)
  return kernelOf(title, memory, threads, ({ b, symbols, arrays, elements, thread, when }) => {
    const total = asExpr(symbols.count(type.shape))
    // Bound first, so that what is written into an input's memory is that input's array.
    const outs = written.map(({ place }) => place && arrays.at(place))
    when(thread, total.add(elementsPerWord - 1).div(elementsPerWord), () => {
      const words: Expr[] = written.map(() => u32(0))
      for (let i = 0; i < elementsPerWord; i++) {
        const index = placeInWord(b, thread, i, elementsPerWord, total)
        written.forEach(({ type: own, place, element }, which) => {
          const value = b.let('element', element(elements, index))
          if (place === undefined) return
          const bits = b.let('bits', encodeBits(value, own.dtype))
          words[which] = i === 0 ? bits : words[which]!.or(bits.shl((32 / elementsPerWord) * i))
        })
      }
      outs.forEach((out, which) => out && b.store(out, thread, words[which]!))
    })
  })
}

/** Each thread several words side by side: what lies in memory in the same order is loaded and stored as vectors. */
function ofRuns(title: string, written: readonly Written[], memory: Memory, { threads, words }: WriteOptions): BuiltKernel {
  const { type } = written[0]!
  const elementsPerWord = perWord(type.dtype)
  const size = words * elementsPerWord
  return kernelOf(title, memory, threads, ({ b, symbols, arrays, elements, thread, when }) => {
    const outs = written.map(({ place }) => place && arrays.preferably(place, words))
    when(thread, asExpr(symbols.count(type.shape)).div(size), () => {
      const run = elements.run(thread.mul(size), size)
      const bits = written.map((): Expr[] => [])
      for (const index of run.members)
        written.forEach(({ type: own, place, element }, which) => {
          const value = b.let('element', element(elements, index))
          if (place !== undefined) bits[which]!.push(b.let('bits', encodeBits(value, own.dtype)))
        })
      outs.forEach((out, which) => {
        if (out === undefined) return
        const joined = Array.from({ length: words }, (_, word) =>
          joinParts(elementsPerWord, (part) => bits[which]![word * elementsPerWord + part]!),
        )
        storeRun(b, out, run.members[0]!, joined, elementsPerWord)
      })
    })
  })
}

const writtenOf = (node: Node, memory: Memory): Written => ({
  type: node.outputs[0]!,
  place: memory.of({ node, index: 0 }),
  element: (elements, index) => elements.own({ node, index: 0 }, index),
})

export function elementsDispatch(parts: readonly Part[], memory: Memory, { elements }: Tuning): Dispatch {
  const title = parts.length === 1 ? titleOf(parts[0]!.node, parts[0]!.cores) : parts.map(({ node }) => node.op).join('_')
  // What goes through many elements for each of its own is better spread over threads.
  const loops = parts.some(({ cores }) => cores.length > 0)
  const operations = parts.reduce((sum, { size }) => sum + size, 0)
  const fits = (words: number): boolean => operations * words * perWord(parts[0]!.node.outputs[0]!.dtype) <= MOST_OPERATIONS
  const most = loops ? 1 : ([4, 2, 1] as const).find((words) => words <= elements.words && fits(words))
  return writeDispatch(
    title,
    parts.map(({ node }) => writtenOf(node, memory)),
    memory,
    { threads: elements.threads, words: most ?? 1 },
  )
}

export const copyDispatch = (value: Value, place: Place, memory: Memory, { elements: options }: Tuning): Dispatch =>
  writeDispatch('copy', [{ type: typeOf(value), place, element: (elements, index) => elements.at(value, index) }], memory, options)
