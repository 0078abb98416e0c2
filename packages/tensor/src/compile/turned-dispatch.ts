/** Elements that are read in another order than they are written in: blocks of them go through shared memory, so that both are of neighbours. */
import type { Node, Value } from '../graph/node.js'
import { dtypeOf, shapeOf, typeOf } from '../graph/node.js'
import { u32 } from '../kernel/builder.js'
import type { Expr } from '../kernel/ir.js'
import { asExpr, coordinatesOf, flatIndex, sameOrder, times, type Amount, type SymbolUniforms } from '../kernel/lib/indexing.js'
import { computedAs, encodeBits, joinParts, perWord } from '../kernel/lib/pack.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { dimMax, elementCountAt, type Dim, type Shape, type SymValues } from '../shape.js'
import type { Dispatch } from './dispatches.js'
import { kernelOf, titleOf, type KernelParts } from './kernel-parts.js'
import { isAligned } from './kept.js'
import type { Memory } from './places.js'
import type { Part } from './units.js'

/** Elements of a block along each of its axes. */
const SIDE = 32
/** One more for each line, so that those below each other lie in different banks. */
const PITCH = SIDE + 1
const THREADS = 256
/** Axes that are shorter would leave most of a block empty. */
const LEAST = 16

interface Turned {
  /** The permutations, all of one form. */
  readonly nodes: readonly Node[]
  /** The axis along which results lie side by side, and the one along which what is read does. */
  readonly along: number
  readonly across: number
}

/** Values that are made of one permutation that moves the last axis, with what follows it; undefined for others. */
export function turnedDispatch(parts: readonly Part[], memory: Memory, tuning: Tuning): Dispatch | undefined {
  if (tuning.rowThreads === 1 || parts.some(({ cores }) => cores.length > 0)) return undefined
  const turned = turnedIn(
    parts.map(({ node }) => node),
    memory,
  )
  if (turned === undefined) return undefined
  const { nodes, along, across } = turned
  const { shape } = nodes[0]!.outputs[0]!
  const elementsPerWord = perWord(parts[0]!.node.outputs[0]!.dtype)
  const [width, height] = [shape[along]!, shape[across]!]
  if (dimMax(width) < LEAST || dimMax(height) < LEAST) return undefined
  if (elementsPerWord > 1 && (typeof width !== 'number' || width % elementsPerWord !== 0)) return undefined
  const title = parts.length === 1 ? titleOf(parts[0]!.node, []) : parts.map(({ node }) => node.op).join('_')
  const others = shape.map((dim, axis): Dim => (axis === along || axis === across ? 1 : dim))
  const built = kernelOf(title, memory, THREADS, (kernel) => {
    const { b, symbols, group, when } = kernel
    const [blocksAlong, blocksAcross] = [blocksOf(symbols, width), blocksOf(symbols, height)]
    when(group, times(times(blocksAlong, blocksAcross), symbols.count(others)), () => {
      const rest = b.let('rest', group.div(asExpr(blocksAlong)))
      const place = coordinatesOf(b, symbols, others, b.let('block', rest.div(asExpr(blocksAcross))))
      const corner = {
        along: b.let('left', group.rem(asExpr(blocksAlong)).mul(SIDE)),
        across: b.let('top', rest.rem(asExpr(blocksAcross)).mul(SIDE)),
      }
      writeBlock(turned, parts, kernel, { place, corner, elementsPerWord })
    })
  })
  const blocks = (dim: Dim, values: SymValues): number => Math.ceil(elementCountAt([dim], values) / SIDE)
  const threads = (values: SymValues): number => blocks(width, values) * blocks(height, values) * elementCountAt(others, values) * THREADS
  return { ...built, threads, title }
}

const blocksOf = (symbols: SymbolUniforms, dim: Dim): Amount => {
  const size = symbols.dim(dim)
  return typeof size === 'number' ? Math.ceil(size / SIDE) : size.add(SIDE - 1).div(SIDE)
}

/** The permutations that some values are made of, element by element; undefined where there are none, or several forms of them. */
function turnedIn(nodes: readonly Node[], memory: Memory): Turned | undefined {
  const found = new Set<Node>()
  const seen = new Set<Node>()
  const visit = (node: Node): boolean => {
    if (seen.has(node)) return true
    seen.add(node)
    if (node.op === 'permute' && lastAxes(node) !== undefined) {
      found.add(node)
      return true
    }
    return node.inputs.every((value) => {
      if (value.node.op === 'input' || memory.of(value) !== undefined) return true
      return isAligned(node, value.node) ? visit(value.node) : true
    })
  }
  if (!nodes.every(visit)) return undefined
  const [first, ...others] = found
  if (first === undefined || !nodes.every((node) => sameOrder(node.outputs[0]!.shape, first.outputs[0]!.shape))) return undefined
  const form = ({ inputs, attrs }: Node): string => `${shapeOf(inputs[0]!).map(String).join()} ${String(attrs['perm'])}`
  const same = (node: Node): boolean =>
    form(node) === form(first) && shapeOf(node.inputs[0]!).every((dim, axis) => dim === shapeOf(first.inputs[0]!)[axis])
  return others.every(same) ? { nodes: [...found], ...lastAxes(first)! } : undefined
}

/** The last axis of a permutation's output, and the one that was the last of its input; undefined where it is the same. */
function lastAxes({ attrs, inputs, outputs }: Node): { readonly along: number; readonly across: number } | undefined {
  const last = (shape: Shape): number => shape.findLastIndex((dim) => dim !== 1)
  const along = last(outputs[0]!.shape)
  const across = (attrs['perm'] as readonly number[]).indexOf(last(shapeOf(inputs[0]!)))
  return along < 0 || along === across ? undefined : { along, across }
}

interface Block {
  /** Coordinates of the results along the other axes. */
  readonly place: readonly Amount[]
  readonly corner: { readonly along: Expr; readonly across: Expr }
  readonly elementsPerWord: number
}

function writeBlock(
  { nodes, along, across }: Turned,
  parts: readonly Part[],
  kernel: KernelParts,
  { place, corner, elementsPerWord }: Block,
): void {
  const { b, symbols, arrays, elements } = kernel
  const { shape } = nodes[0]!.outputs[0]!
  const perm = nodes[0]!.attrs['perm'] as readonly number[]
  const source = symbols.strides(shapeOf(nodes[0]!.inputs[0]!))
  const [width, height] = [asExpr(symbols.dim(shape[along]!)), asExpr(symbols.dim(shape[across]!))]
  const local = b.localIndex()
  const at = (alongAt: Expr, acrossAt: Expr): Amount[] =>
    place.map((own, axis) => (axis === along ? alongAt : axis === across ? acrossAt : own))
  const blocks = nodes.map((node) => {
    const scalar = computedAs(dtypeOf(node.inputs[0]!))
    return b.sharedArray('block', scalar === 'bool' ? 'u32' : scalar, SIDE * PITCH)
  })
  const [x, y] = [b.let('x', local.rem(SIDE)), b.let('y', local.div(SIDE))]
  const lines = THREADS / SIDE
  // What is beyond the edge is the edge again, which nobody asks for; so that all loads are under way together.
  const acrossAt = b.let('from', corner.across.add(x).min(height.sub(1)))
  const loaded = Array.from({ length: SIDE / lines }, (_, turn) => {
    const line = turn === 0 ? y : b.let('line', y.add(turn * lines))
    const alongAt = b.let('row', corner.along.add(line).min(width.sub(1)))
    const index = flatIndex(
      b,
      at(alongAt, acrossAt),
      perm.map((axis) => source[axis]!),
    )
    return { line, values: nodes.map((node) => elements.at(node.inputs[0]!, index)) }
  })
  for (const { line, values } of loaded)
    values.forEach((value, which) =>
      b.store(blocks[which]!, b.let('to', line.mul(PITCH).add(x)), value.type.scalar === 'bool' ? value.select(u32(1), u32(0)) : value),
    )
  b.barrier()
  const words = SIDE / elementsPerWord
  const strides = symbols.strides(shape)
  const [word, first] = [b.let('word', local.rem(words)), b.let('first', local.div(words))]
  const alongAt = b.let('column', corner.along.add(word.mul(elementsPerWord)))
  for (let turn = 0; turn < SIDE; turn += THREADS / words) {
    const line = turn === 0 ? first : b.let('line', first.add(turn))
    const row = b.let('row', corner.across.add(line))
    b.if(row.lt(height).and(alongAt.lt(width)), () =>
      elements.inside(() => {
        const index = flatIndex(b, at(alongAt, row), strides)
        const indices = Array.from({ length: elementsPerWord }, (_, part) => (part === 0 ? index : b.let('at', index.add(part))))
        indices.forEach((own, part) =>
          nodes.forEach((node, which) => {
            const value = b.load(blocks[which]!, b.let('from', word.mul(elementsPerWord).add(part).mul(PITCH).add(line)))
            elements.know({ node, index: 0 }, own, dtypeOf(node.inputs[0]!) === 'bool' ? b.let('value', value.ne(0)) : value)
          }),
        )
        for (const { node } of parts) {
          const value: Value = { node, index: 0 }
          const bits = joinParts(elementsPerWord, (part) =>
            b.let('bits', encodeBits(b.let('element', elements.own(value, indices[part]!)), typeOf(value).dtype)),
          )
          const out = arrays.of(value)
          if (out !== undefined) b.store(out, elementsPerWord === 1 ? index : b.let('to', index.div(elementsPerWord)), bits)
        }
      }),
    )
  }
}
