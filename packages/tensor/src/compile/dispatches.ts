/** A program as dispatches of kernels, for devices that run kernels: which values they work out together is decided in `units.ts`, where these lie in `places.ts`. */
import type { Node, TensorType, Value } from '../graph/node.js'
import { typeOf } from '../graph/node.js'
import { u32, type KernelBuilder } from '../kernel/builder.js'
import type { Expr, Kernel } from '../kernel/ir.js'
import type { ElementContext, Elements } from '../kernel/lib/elements.js'
import { asExpr, sameOrder, type SymbolUniforms } from '../kernel/lib/indexing.js'
import { encodeBits, perWord, wordsOf } from '../kernel/lib/pack.js'
import { productOf } from '../kernel/lib/products.js'
import { sortedPlace } from '../kernel/lib/reductions.js'
import { elementRules } from '../kernel/lib/rules.js'
import { softwareTuning, type Tuning } from '../kernel/lib/tuning.js'
import { resolveShape, type Sym, type SymValues } from '../shape.js'
import { ELEMENT_GROUP, kernelOf, titleOf, type BuiltKernel } from './kernel-parts.js'
import { chooseKept } from './kept.js'
import { placeUnits, type Memory, type Place } from './places.js'
import { productsDispatch } from './products-dispatch.js'
import type { Program } from './program.js'
import { rowsDispatch } from './rows-dispatch.js'
import { chooseUnits, type Unit } from './units.js'

export type { Place } from './places.js'

export interface Dispatch {
  readonly kernel: Kernel
  /** What the kernel's arrays are bound to. */
  readonly places: readonly Place[]
  /** What its numbers are. */
  readonly symbols: readonly Sym[]
  /** Threads in all; workgroups are numbered along the first axis, and go on along the second. */
  readonly threads: (values: SymValues) => number
  /** The operations whose elements it works out, for people. */
  readonly title: string
}

export interface DispatchPlan {
  readonly dispatches: readonly Dispatch[]
  /** Bytes of the memory that temporaries share. */
  readonly arena: number
}

export interface DispatchOptions {
  /** Arrays that one kernel may reach. */
  readonly maxBindings: number
  /** How kernels are cut for the processor underneath. Default: for adapters in software. */
  readonly tuning?: Tuning
}

/** Workgroups of a dispatch. */
export const groupsOf = ({ kernel, threads }: Dispatch, values: SymValues): number => Math.ceil(threads(values) / kernel.workgroup[0])

export function planDispatches(program: Program, { maxBindings, tuning = softwareTuning }: DispatchOptions): DispatchPlan {
  const kept = chooseKept(program, maxBindings)
  const units = chooseUnits(program, kept, maxBindings)
  const memory = placeUnits(program, units, kept)
  const dispatches = units.flatMap((unit) => dispatchesOf(unit, memory, tuning))
  // Outputs that are inputs, or the same value as another output.
  program.outputs.forEach(({ value, alias }, index) => {
    const own = memory.of(value)
    if (own?.kind === 'output' && own.index === index) return
    if (alias !== undefined && own?.kind === 'input' && own.index === alias) return
    dispatches.push(copyDispatch(value, { kind: 'output', index }, memory))
  })
  return { dispatches, arena: memory.arena }
}

function dispatchesOf(unit: Unit, memory: Memory, tuning: Tuning): Dispatch[] {
  const [node] = unit.nodes as readonly [Node]
  switch (unit.kind) {
    case 'sort':
      return sortDispatches(node, memory)
    case 'rows':
      return [rowsDispatch(node, unit.cores[0]!, memory, tuning)]
    case 'products':
      return [
        (fitsTiles(node, unit.cores) ? productsDispatch(node, unit.cores, memory, tuning) : undefined) ?? elementsDispatch(unit, memory),
      ]
    case 'elements':
      return [elementsDispatch(unit, memory)]
    default:
      return unit.kind satisfies never
  }
}

/** Tiles are written in whole words, and all products of a kernel are cut alike. */
function fitsTiles(node: Node, products: readonly Node[]): boolean {
  const { shape, dtype } = node.outputs[0]!
  const shapes = products.map((product) => productOf(product.inputs.map(typeOf), product.outputs[0]!, product.attrs))
  const same = (a: readonly unknown[], b: readonly unknown[]): boolean => a.length === b.length && a.every((dim, i) => dim === b[i])
  const words = perWord(dtype) === 1 || (perWord(dtype) === 2 && Number(shapes[0]!.columns) % 2 === 0)
  return (
    words &&
    products.every((product) => sameOrder(product.outputs[0]!.shape, shape)) &&
    shapes.every(
      ({ rows, batch, columns }) => same(rows, shapes[0]!.rows) && same(batch, shapes[0]!.batch) && columns === shapes[0]!.columns,
    )
  )
}

const countOf =
  ({ shape }: TensorType) =>
  (values: SymValues): number =>
    resolveShape(shape, values).reduce((a, b) => a * b, 1)

const asDispatch = ({ kernel, places, symbols }: BuiltKernel): Omit<Dispatch, 'threads' | 'title'> => ({ kernel, places, symbols })

interface Written {
  readonly type: TensorType
  /** Where it is written; nowhere where only what follows asks for it. */
  readonly place: Place | undefined
  readonly element: (elements: Elements, index: Expr, b: KernelBuilder, symbols: SymbolUniforms) => Expr
}

/** Works out values of one order and writes them: each thread a word of each, which holds up to four elements. */
function writeDispatch(title: string, written: readonly Written[], memory: Memory): Dispatch {
  const { type } = written[0]!
  const elementsPerWord = perWord(type.dtype)
  const count = countOf(type)
  const built = kernelOf(title, memory, ELEMENT_GROUP, ({ b, symbols, arrays, elements, thread, when }) => {
    const total = asExpr(symbols.count(type.shape))
    // Bound first, so that what is written into an input's memory is that input's array.
    const outs = written.map(({ place }) => place && arrays.at(place))
    when(thread, total.add(elementsPerWord - 1).div(elementsPerWord), () => {
      const words: Expr[] = written.map(() => u32(0))
      for (let i = 0; i < elementsPerWord; i++) {
        const index = elementsPerWord === 1 ? thread : b.let('at', thread.mul(elementsPerWord).add(i))
        written.forEach(({ type: own, place, element }, which) => {
          const value = b.let('element', element(elements, index, b, symbols))
          if (place === undefined) return
          const bits = b.let('bits', encodeBits(value, own.dtype))
          words[which] = i === 0 ? bits : words[which]!.or(bits.shl((32 / elementsPerWord) * i))
        })
      }
      outs.forEach((out, which) => out && b.store(out, thread, words[which]!))
    })
  })
  return { ...asDispatch(built), threads: (values) => wordsOf(type.dtype, count(values)), title }
}

const elementsDispatch = ({ nodes, cores }: Unit, memory: Memory): Dispatch =>
  writeDispatch(
    nodes.length === 1 ? titleOf(nodes[0]!, cores) : nodes.map(({ op }) => op).join('_'),
    nodes.map((node) => ({
      type: node.outputs[0]!,
      place: memory.of({ node, index: 0 }),
      element: (elements, index) => elements.own({ node, index: 0 }, index),
    })),
    memory,
  )

const copyDispatch = (value: Value, place: Place, memory: Memory): Dispatch =>
  writeDispatch('copy', [{ type: typeOf(value), place, element: (elements, index) => elements.at(value, index) }], memory)

/** First where each element goes, by a thread for each; then the elements from there. */
function sortDispatches(node: Node, memory: Memory): Dispatch[] {
  const [type, positionType] = node.outputs as readonly [TensorType, TensorType]
  const contextOf = (b: KernelBuilder, symbols: SymbolUniforms, elements: Elements): ElementContext => ({
    b,
    symbols,
    attrs: node.attrs,
    inputs: node.inputs.map(typeOf),
    output: type,
    input: (which, index) => elements.at(node.inputs[which]!, index),
    inside: (body) => elements.inside(body),
  })
  const first = kernelOf('sort', memory, ELEMENT_GROUP, ({ b, symbols, arrays, elements, thread, when }) => {
    const out = arrays.of({ node, index: 1 })!
    when(thread, symbols.count(type.shape), () => {
      const { to, from } = sortedPlace(contextOf(b, symbols, elements), thread)
      b.store(out, to, from.bits('u32'))
    })
  })
  const element: Written['element'] = (elements, index, b, symbols) => {
    const input: ElementContext['input'] = (which, at) => elements.at(which === 0 ? node.inputs[0]! : { node, index: 1 }, at)
    return elementRules.get('gatherAlong')!({ ...contextOf(b, symbols, elements), inputs: [type, positionType], input }, index)
  }
  return [
    { ...asDispatch(first), threads: countOf(positionType), title: 'sort' },
    writeDispatch('sorted', [{ type, place: memory.of({ node, index: 0 }), element }], memory),
  ]
}
