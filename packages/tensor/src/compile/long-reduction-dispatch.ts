import type { Node } from '../graph/node.js'
import { u32 } from '../kernel/builder.js'
import { asExpr } from '../kernel/lib/indexing.js'
import { decodeBits, encodeBits, joinParts, perWord, rounded, wordsOf, wideBits } from '../kernel/lib/pack.js'
import { reduceAlong, reduction } from '../kernel/lib/reductions.js'
import { elementCountAt, type SymValues } from '../shape.js'
import type { Dispatch } from './dispatches.js'
import { ELEMENT_GROUP, kernelOf, placeInWord } from './kernel-parts.js'
import { partsOf } from './long-reductions.js'
import type { Memory } from './places.js'

/** A sum or maximum of many elements that gives few: first of every so many elements, then of what that gave. */
export function longReductionDispatches(node: Node, memory: Memory): Dispatch[] {
  const { shape, dtype } = node.outputs[0]!
  const parts = partsOf(node)
  const results = (values: SymValues): number => elementCountAt(shape, values)
  const between = memory.between(node)!
  // Halves are added up as floats, and rounded once.
  const held = wideBits(dtype)
  const first = kernelOf(`${node.op}_parts`, memory, ELEMENT_GROUP, ({ b, symbols, arrays, elements, thread, when }) => {
    const out = arrays.at(between)
    when(thread, asExpr(symbols.count(shape)).mul(parts), () => {
      const context = elements.contextOf(node)
      const part = b.let('part', thread.rem(parts))
      const wide = { ...context, output: { ...context.output, dtype: held } }
      const value = reduceAlong(node.op, wide, b.let('result', thread.div(parts)), { from: part, step: parts })
      b.store(out, thread, encodeBits(value, held))
    })
  })
  const elementsPerWord = perWord(dtype)
  const second = kernelOf(node.op, memory, ELEMENT_GROUP, ({ b, symbols, arrays, elements, thread, when }) => {
    const out = arrays.of({ node, index: 0 })!
    const from = arrays.at(between)
    const total = asExpr(symbols.count(shape))
    when(thread, total.add(elementsPerWord - 1).div(elementsPerWord), () => {
      const word = joinParts(elementsPerWord, (i) => {
        const index = placeInWord(b, thread, i, elementsPerWord, total)
        const { take, value } = reduction(b, node.op, held)
        b.for('part', u32(0), u32(parts), 1, (part) =>
          elements.inside(() => take(b.let('one', decodeBits(b.load(from, index.mul(parts).add(part)), held)))),
        )
        return b.let('bits', encodeBits(b.let('whole', rounded(b, value(), dtype)), dtype))
      })
      b.store(out, thread, word)
    })
  })
  return [
    {
      kernel: first.kernel,
      places: first.places,
      symbols: first.symbols,
      title: `${node.op} in parts`,
      threads: (values) => results(values) * parts,
    },
    {
      kernel: second.kernel,
      places: second.places,
      symbols: second.symbols,
      title: node.op,
      threads: (values) => wordsOf(dtype, results(values)),
    },
  ]
}
