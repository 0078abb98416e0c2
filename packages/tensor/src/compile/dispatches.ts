/**
 * A program as dispatches of kernels, for devices that run kernels. A value is kept in memory where others would ask for it again: outputs, sums and what else goes
 * through many elements, what has several readers or is broadcast. Everything between is worked out inside the kernels that need it.
 */
import { TensorError } from '../errors.js'
import type { Node, TensorType, Value } from '../graph/node.js'
import { shapeOf, typeOf } from '../graph/node.js'
import { buildKernel, u32, type KernelBuilder } from '../kernel/builder.js'
import type { Expr, Kernel, Storage } from '../kernel/ir.js'
import { Elements, type ElementContext, type ElementRule } from '../kernel/lib/elements.js'
import { asExpr, mostElements, SymbolUniforms, type Amount } from '../kernel/lib/indexing.js'
import { encodeBits, perWord, wordsOf } from '../kernel/lib/pack.js'
import { sortedPlace } from '../kernel/lib/reductions.js'
import { elementRules, loopingOps } from '../kernel/lib/rules.js'
import { resolveShape, type Sym, type SymValues } from '../shape.js'
import { align, Arena } from './memory.js'
import type { Program } from './program.js'

/** Memory that a dispatch reaches. */
export type Place =
  | { readonly kind: 'input' | 'output'; readonly index: number }
  /** Bytes of the memory that the program's temporaries share. */
  | { readonly kind: 'temporary'; readonly offset: number; readonly bytes: number }

export interface Dispatch {
  readonly kernel: Kernel
  /** What the kernel's arrays are bound to. */
  readonly places: readonly Place[]
  /** What its numbers are. */
  readonly symbols: readonly Sym[]
  /** Threads along the one axis that kernels of elements have. */
  readonly threads: (values: SymValues) => number
  /** The operation whose elements it works out, for people. */
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
}

/** Threads of a workgroup of kernels of elements. */
export const ELEMENT_GROUP = 64
/** Operations worked out in one kernel, beyond which compilers take long. */
const MOST_NODES = 48

/** Whether kernels of elements can be made of an operation. */
export function hasElements(op: string, inputs: readonly TensorType[], outputs: readonly TensorType[]): boolean {
  if (op !== 'sort' && !elementRules.has(op)) return false
  return [...inputs, ...outputs].every(({ dtype, shape }) => dtype !== 'f64' && mostElements(shape) < 2 ** 32)
}

/** Values that take nothing to work out again. */
const cheapOps = new Set(['input', 'const', 'symScalar', 'iota', 'reshape'])
/** Operations that read elements of the inputs named again and again. */
const rereading: Readonly<Record<string, readonly number[]>> = {
  cumsum: [0],
  sort: [0],
  scatterAdd: [1, 2],
  scatterAddAlong: [1, 2],
  gather: [0, 1],
  gatherAlong: [0],
  randomBits: [0, 1],
  expand: [0],
}

/** Their inputs are parts of their outputs, where others repeat what has fewer elements. */
const parts = new Set(['updateSlice', 'pad', 'concat'])

export function planDispatches(program: Program, { maxBindings }: DispatchOptions): DispatchPlan {
  const kept = chooseKept(program, maxBindings)
  const memory = placeKept(program, kept)
  const dispatches: Dispatch[] = []
  for (const node of program.nodes) {
    if (!kept.has(node)) continue
    const places = node.outputs.map((_, index) => memory.places.get(node)?.[index])
    if (node.op === 'sort') dispatches.push(...sortDispatches(node, memory, places as readonly Place[]))
    else if (places[0] !== undefined) dispatches.push(elementDispatch({ node, index: 0 }, places[0], memory))
  }
  // Outputs that are inputs, or the same value as another output.
  program.outputs.forEach(({ value, alias }, index) => {
    const own = memory.places.get(value.node)?.[value.index]
    if (own?.kind === 'output' && own.index === index) return
    if (alias !== undefined && own?.kind === 'input' && own.index === alias) return
    dispatches.push(copyDispatch(value, { kind: 'output', index }, memory))
  })
  return { dispatches, arena: memory.arena }
}

/** The nodes whose values are in memory. */
function chooseKept(program: Program, maxBindings: number): Set<Node> {
  const kept = new Set<Node>()
  const uses = new Map<Node, number>()
  const overwritten = new Set(program.outputs.flatMap(({ alias }) => (alias === undefined ? [] : [program.inputs[alias]!.value.node])))
  for (const node of program.nodes) for (const { node: read } of node.inputs) uses.set(read, (uses.get(read) ?? 0) + 1)
  const keep = (node: Node): void => {
    if (node.op !== 'input') kept.add(node)
  }
  for (const { value } of program.outputs) keep(value.node)
  for (const node of program.nodes) {
    if (loopingOps.has(node.op) || node.op === 'sort') keep(node)
    // What an input held has to be read before it is written over.
    if (node.inputs.some((value) => overwritten.has(value.node))) keep(node)
    if (!cheapOps.has(node.op) && (uses.get(node) ?? 0) > 1) keep(node)
    node.inputs.forEach((value, which) => {
      const again =
        rereading[node.op]?.includes(which) === true ||
        (!parts.has(node.op) && mostElements(shapeOf(value)) < mostElements(node.outputs[0]!.shape))
      if (again && !cheapOps.has(value.node.op)) keep(value.node)
    })
  }
  // Kernels that would reach too many arrays or grow too long are cut at their inputs.
  const reach = new Map<Node, { readonly arrays: Set<Value['node']>; readonly size: number }>()
  const reachOf = (node: Node): { readonly arrays: ReadonlySet<Node>; readonly size: number } =>
    node.op === 'input' || kept.has(node) ? { arrays: new Set([node]), size: 0 } : reach.get(node)!
  for (const node of program.nodes) {
    const join = () => {
      const arrays = new Set<Node>()
      let size = 1
      for (const { node: read } of node.inputs) {
        const own = reachOf(read)
        own.arrays.forEach((array) => arrays.add(array))
        size += own.size
      }
      return { arrays, size }
    }
    let joined = join()
    if (joined.arrays.size > maxBindings - 1 - node.outputs.length || joined.size > MOST_NODES) {
      for (const { node: read } of node.inputs) if (read.inputs.length > 0) keep(read)
      joined = join()
      if (joined.arrays.size > maxBindings - 1 - node.outputs.length)
        throw new TensorError(
          'UNSUPPORTED',
          `${node.op} reads ${joined.arrays.size} tensors; the device reaches ${maxBindings - 1 - node.outputs.length} at a time. Put them together in parts`,
        )
    }
    reach.set(node, joined)
  }
  return kept
}

interface Memory {
  readonly places: ReadonlyMap<Node, readonly (Place | undefined)[]>
  readonly arena: number
}

const bytesOf = ({ shape, dtype }: TensorType): number => wordsOf(dtype, mostElements(shape)) * 4

/** Where values lie: inputs and outputs in memory of their own, the others in one block, in which what is no longer read makes room. */
function placeKept(program: Program, kept: ReadonlySet<Node>): Memory {
  const places = new Map<Node, (Place | undefined)[]>()
  program.inputs.forEach(({ value }, index) => places.set(value.node, [{ kind: 'input', index }]))
  program.outputs.forEach(({ value, alias }, index) => {
    if (value.node.op === 'input') return
    const own = places.get(value.node) ?? value.node.outputs.map(() => undefined)
    // One buffer must not be bound twice, so an output in an input's memory is that input.
    own[value.index] ??= alias === undefined ? { kind: 'output', index } : { kind: 'input', index: alias }
    places.set(value.node, own)
  })
  // The last node in whose kernel each kept node is read: readers that are not kept pass it on to theirs.
  const step = new Map(program.nodes.map((node, i) => [node, i]))
  const lastRead = new Map<Node, number>()
  for (let i = program.nodes.length - 1; i >= 0; i--) {
    const node = program.nodes[i]!
    const at = kept.has(node) ? step.get(node)! : (lastRead.get(node) ?? i)
    for (const { node: read } of node.inputs) lastRead.set(read, Math.max(lastRead.get(read) ?? 0, at))
  }
  const arena = new Arena()
  const ending = new Map<number, { offset: number; bytes: number }[]>()
  program.nodes.forEach((node, i) => {
    if (!kept.has(node)) return
    const own = places.get(node) ?? node.outputs.map(() => undefined)
    node.outputs.forEach((type, index) => {
      if (own[index] !== undefined) return
      const bytes = align(Math.max(4, bytesOf(type)))
      const offset = arena.take(bytes)
      own[index] = { kind: 'temporary', offset, bytes }
      const end = Math.max(i, lastRead.get(node) ?? i)
      ending.set(end, [...(ending.get(end) ?? []), { offset, bytes }])
    })
    places.set(node, own)
    for (const { offset, bytes } of ending.get(i) ?? []) arena.give(offset, bytes)
  })
  return { places, arena: arena.size }
}

/** The arrays of one kernel, one for each place. */
class Arrays {
  readonly places: Place[] = []
  private readonly made = new Map<string, Storage>()

  constructor(
    private readonly b: KernelBuilder,
    private readonly program: Memory,
  ) {}

  at(place: Place): Storage {
    const key = place.kind === 'temporary' ? `t${place.offset}` : `${place.kind}${place.index}`
    let array = this.made.get(key)
    if (array === undefined) {
      array = this.b.storage(place.kind, 'u32')
      this.made.set(key, array)
      this.places.push(place)
    }
    return array
  }

  of(value: Value): Storage | undefined {
    const place = this.program.places.get(value.node)?.[value.index]
    return place === undefined ? undefined : this.at(place)
  }
}

/** Builds a kernel in which each thread has a number; `threads` says how many do something. */
function kernelOf(
  title: string,
  memory: Memory,
  build: (
    parts: { b: KernelBuilder; symbols: SymbolUniforms; arrays: Arrays; elements: Elements; thread: Expr },
    when: (count: Amount, body: () => void) => void,
  ) => void,
): Omit<Dispatch, 'threads' | 'title'> {
  let symbols: SymbolUniforms
  let arrays: Arrays
  const kernel = buildKernel({ name: title.replaceAll(/\W/g, '_'), workgroup: [ELEMENT_GROUP, 1, 1] }, (b) => {
    symbols = new SymbolUniforms(b)
    arrays = new Arrays(b, memory)
    const elements = new Elements({ b, symbols, rules: elementRules, stored: (value) => arrays.of(value) })
    // More workgroups than one axis holds go on along the second.
    const thread = b.let('thread', b.workgroupId(1).mul(b.workgroups(0)).add(b.workgroupId(0)).mul(ELEMENT_GROUP).add(b.localIndex()))
    build({ b, symbols, arrays, elements, thread }, (count, body) => b.if(thread.lt(asExpr(count)), () => elements.inside(body)))
  })
  return { kernel, places: arrays!.places, symbols: symbols!.symbols }
}

const countOf =
  ({ shape }: TensorType) =>
  (values: SymValues): number =>
    resolveShape(shape, values).reduce((a, b) => a * b, 1)

/** Works out a value and writes it: each thread a word, which holds up to four elements. */
function writeDispatch(
  title: string,
  type: TensorType,
  place: Place,
  memory: Memory,
  element: (elements: Elements, index: Expr, b: KernelBuilder, symbols: SymbolUniforms) => Expr,
): Dispatch {
  const elementsPerWord = perWord(type.dtype)
  const count = countOf(type)
  return {
    ...kernelOf(title, memory, ({ b, symbols, arrays, elements, thread }, when) => {
      const total = asExpr(symbols.count(type.shape))
      const out = arrays.at(place)
      when(total.add(elementsPerWord - 1).div(elementsPerWord), () => {
        let word: Expr = u32(0)
        for (let i = 0; i < elementsPerWord; i++) {
          const own = thread.mul(elementsPerWord).add(i)
          // The last word may hold more elements than there are: it repeats the last, as nothing lies behind the inputs' own.
          const index = b.let('at', i === 0 ? own : own.min(total.sub(1)))
          const bits = b.let('bits', encodeBits(b.let('element', element(elements, index, b, symbols)), type.dtype))
          word = i === 0 ? bits : word.or(bits.shl((32 / elementsPerWord) * i))
        }
        b.store(out, thread, word)
      })
    }),
    threads: (values) => wordsOf(type.dtype, count(values)),
    title,
  }
}

const elementDispatch = (value: Value, place: Place, memory: Memory): Dispatch =>
  writeDispatch(value.node.op, typeOf(value), place, memory, (elements, index) => elements.compute(value.node, index))

const copyDispatch = (value: Value, place: Place, memory: Memory): Dispatch =>
  writeDispatch('copy', typeOf(value), place, memory, (elements, index) => elements.at(value, index))

/** First where each element goes, by a thread for each; then the elements from there. */
function sortDispatches(node: Node, memory: Memory, [values, positions]: readonly Place[]): Dispatch[] {
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
  const first: Dispatch = {
    ...kernelOf('sort', memory, ({ b, symbols, arrays, elements, thread }, when) => {
      const out = arrays.at(positions!)
      when(symbols.count(type.shape), () => {
        const { to, from } = sortedPlace(contextOf(b, symbols, elements), thread)
        b.store(out, to, from.bits('u32'))
      })
    }),
    threads: countOf(positionType),
    title: 'sort',
  }
  const along: ElementRule = (context, index) => elementRules.get('gatherAlong')!(context, index)
  const second = writeDispatch('sorted', type, values!, memory, (elements, index, b, symbols) => {
    const context = contextOf(b, symbols, elements)
    return along(
      {
        ...context,
        inputs: [type, positionType],
        input: (which, at) => elements.at(which === 0 ? node.inputs[0]! : { node, index: 1 }, at),
      },
      index,
    )
  })
  return [first, second]
}
