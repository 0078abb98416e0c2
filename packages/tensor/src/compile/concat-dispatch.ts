import type { Node, Value } from '../graph/node.js'
import { shapeOf } from '../graph/node.js'
import { u32 } from '../kernel/builder.js'
import type { Expr } from '../kernel/ir.js'
import { asExpr, coordinatesOf, flatIndex, type Amount } from '../kernel/lib/indexing.js'
import { encodeBits, perWord, wordsOf } from '../kernel/lib/pack.js'
import { elementCountAt } from '../shape.js'
import type { Dispatch } from './dispatches.js'
import { ELEMENT_GROUP, kernelOf, placeInWord } from './kernel-parts.js'
import type { Memory } from './places.js'
import { rangesOf, rangesOfValue, type Reach } from './reach.js'

/** A concatenation of more tensors than a kernel reaches: some at a time, each dispatch leaving what others write. */
export function concatDispatches(node: Node, memory: Memory): Dispatch[] {
  const axis = node.attrs['axis'] as number
  const { shape, dtype } = node.outputs[0]!
  const elementsPerWord = perWord(dtype)
  const dispatches: Dispatch[] = []
  let start = 0
  for (const [turn, chosen] of groupsOf(node, memory.reach).entries()) {
    const from = start
    const { kernel, places, symbols } = kernelOf(
      'concat',
      memory,
      ELEMENT_GROUP,
      ({ b, symbols: sizes, arrays, elements, thread, when }) => {
        const out = arrays.of({ node, index: 0 })!
        const total = asExpr(sizes.count(shape))
        when(thread, elementsPerWord === 1 ? total : total.add(elementsPerWord - 1).div(elementsPerWord), () => {
          const word = b.var('word', turn === 0 ? u32(0) : b.load(out, thread))
          for (let part = 0; part < elementsPerWord; part++) {
            const shift = (32 / elementsPerWord) * part
            const index = placeInWord(b, thread, part, elementsPerWord, total)
            const place = coordinatesOf(b, sizes, shape, index)
            const at = b.let('along', asExpr(place[axis]!))
            let begin = from
            for (const value of chosen) {
              const own = shapeOf(value)
              const [low, size] = [begin, own[axis] as number]
              begin += size
              if (size === 0) continue
              // What is before the beginning wraps around to something large.
              b.if(at.sub(low).lt(size), () =>
                elements.inside(() => {
                  const coordinates = place.map((coordinate, i): Amount => (i === axis ? at.sub(low) : coordinate))
                  const bits: Expr = encodeBits(elements.at(value, flatIndex(b, coordinates, sizes.strides(own))), dtype)
                  const others =
                    elementsPerWord === 1 ? u32(0) : word.value.and(~(((2 ** (32 / elementsPerWord) - 1) << shift) >>> 0) >>> 0)
                  word.set(elementsPerWord === 1 ? bits : others.or(b.let('bits', bits).shl(shift)))
                }),
              )
            }
          }
          b.store(out, thread, word.value)
        })
      },
    )
    start += chosen.reduce((sum, value) => sum + (shapeOf(value)[axis] as number), 0)
    dispatches.push({
      kernel,
      places,
      symbols,
      threads: (values) => wordsOf(dtype, elementCountAt(shape, values)),
      title: 'concat',
    })
  }
  return dispatches
}

/** Inputs that a kernel reaches at a time, in their order. */
function groupsOf(node: Node, reach: Reach): Value[][] {
  const most = reach.maxBindings - 1 - rangesOf(node.outputs, reach)
  const groups: Value[][] = []
  let bindings = Infinity
  for (const value of node.inputs) {
    const own = rangesOfValue(value, reach)
    if (bindings + own > most) {
      groups.push([])
      bindings = 0
    }
    groups.at(-1)!.push(value)
    bindings += own
  }
  return groups
}
