import { dtypeOf, shapeOf, typeOf, type TensorType, type Value } from '../graph/node.js'
import { u32 } from '../kernel/builder.js'
import type { Expr } from '../kernel/ir.js'
import { asExpr, coordinatesOf, flatIndex } from '../kernel/lib/indexing.js'
import { encodeBits, joinParts, perWord, wordsOf } from '../kernel/lib/pack.js'
import { elementCount, elementCountAt, type Dim, type SymValues } from '../shape.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import type { Dispatch } from './dispatches.js'
import { copyDispatch } from './elements-dispatch.js'
import { ELEMENT_GROUP, kernelOf, placeInWord } from './kernel-parts.js'
import type { Memory, Place } from './places.js'
import { rangesOf } from './reach.js'

/** Rows that are written into a cache. */
export interface CacheWrite {
  readonly cache: Value
  readonly rows: Value
  readonly out: Value
}

const samePlace = (a: Place | undefined, b: Place | undefined): boolean => a?.kind === 'input' && b?.kind === 'input' && a.index === b.index

/** Writes rows into caches that are written in place, and caches with rows in them where they are not; caches of one form by one dispatch. */
export function writesDispatch(writes: readonly CacheWrite[], positions: Value, memory: Memory): Dispatch[] {
  const inPlace = writes.filter(
    ({ cache, rows, out }) =>
      samePlace(memory.of(cache), memory.of(out)) &&
      Number(shapeOf(rows)[3]) % perWord(dtypeOf(rows)) === 0 &&
      dtypeOf(rows) === dtypeOf(writes[0]!.rows),
  )
  const others = writes.filter((write) => !inPlace.includes(write))
  const together = [positions, ...inPlace.flatMap(({ rows, out }) => [rows, out])]
  return [
    ...(inPlace.length === 0 ? [] : groupsOf(inPlace, together, memory)).map((group) => rowsOnly(group, positions, memory)),
    ...others.map((write) => wholeCache(write, positions, memory)),
  ]
}

export const positionIndex = (positions: Value, batch: Expr): Expr => (shapeOf(positions).length === 0 ? u32(0) : batch)

/** Whether rows of pools can be written: as whole words. */
export const writesPages = ([pool, rows]: readonly TensorType[]): boolean =>
  [pool!, rows!].every(({ shape }) => elementCount(shape) > 0) && Number(pool!.shape[3]) % perWord(pool!.dtype) === 0

/** Copies of what caches held that are not written in place. */
export const copiesOf = (caches: readonly Pick<CacheWrite, 'cache' | 'out'>[], memory: Memory, tuning: Tuning): Dispatch[] =>
  caches
    .filter(({ cache, out }) => !samePlace(memory.of(cache), memory.of(out)))
    .map(({ cache, out }) => copyDispatch(cache, memory.of(out)!, memory, tuning))

/** All by one dispatch where as much as that binds can be bound, else each by its own. */
export const groupsOf = <Write>(writes: readonly Write[], bound: readonly Value[], { reach }: Memory): (readonly Write[])[] =>
  rangesOf(bound.map(typeOf), reach) <= reach.maxBindings ? [writes] : writes.map((write) => [write])

/** The same for pools of blocks; what a pool held is copied first where it is not written in place. */
export function pageWritesDispatches(writes: readonly CacheWrite[], pages: readonly Value[], memory: Memory, tuning: Tuning): Dispatch[] {
  const [table, positions] = pages as readonly [Value, Value]
  const groups = groupsOf(writes, [table, positions, ...writes.flatMap(({ rows, out }) => [rows, out])], memory)
  return [...copiesOf(writes, memory, tuning), ...groups.map((group) => rowsOnly(group, positions, memory, table))]
}

/** A thread for each word of the rows; what lies beyond the capacity, or with a table in no block of the pool, is dropped. */
function rowsOnly(writes: readonly CacheWrite[], positions: Value, memory: Memory, table?: Value): Dispatch {
  const { rows, cache } = writes[0]!
  const { shape, dtype } = typeOf(rows)
  const elementsPerWord = perWord(dtype)
  const built = kernelOf('cacheWrite', memory, ELEMENT_GROUP, ({ b, symbols, arrays, elements, thread, when }) => {
    const total = asExpr(symbols.count(shape))
    when(thread, elementsPerWord === 1 ? total : total.div(elementsPerWord), () => {
      const index = elementsPerWord === 1 ? thread : b.let('index', thread.mul(elementsPerWord))
      const [batch, head, token, w] = coordinatesOf(b, symbols, shape, index).map(asExpr) as [Expr, Expr, Expr, Expr]
      const position = elements.at(positions, positionIndex(positions, batch))
      const slot = b.let('slot', position.bits('u32').add(token))
      const caches = shapeOf(cache)
      const store = (to: Expr): void => {
        for (const write of writes) {
          const word = joinParts(elementsPerWord, (part) => {
            const element = elements.at(write.rows, part === 0 ? index : b.let('at', index.add(part)))
            return b.let('bits', encodeBits(element, dtype))
          })
          b.store(arrays.of(write.out)!, elementsPerWord === 1 ? to : b.let('to', to.div(elementsPerWord)), word)
        }
      }
      // What is before the beginning wraps around to something large.
      if (table === undefined)
        return when(slot, symbols.dim(caches[2]!), () => store(flatIndex(b, [batch, head, slot, w], symbols.strides(caches))))
      const [blocks, , size] = caches as readonly [number, number, number]
      const most = shapeOf(table)[1] as number
      when(slot, most * size, () => {
        const place = b.let('place', batch.mul(most).add(slot.div(size)))
        const block = b.let('block', elements.at(table, place).bits('u32'))
        when(block, blocks, () => store(flatIndex(b, [block, head, b.let('row', slot.rem(size)), w], symbols.strides(caches))))
      })
    })
  })
  const { kernel, places, symbols } = built
  return { kernel, places, symbols, threads: (values) => wordsOf(dtype, count(shape, values)), title: 'cacheWrite' }
}

const count = (shape: readonly Dim[], values: SymValues): number => elementCountAt(shape, values)

/** A thread for each word of the cache. */
function wholeCache({ cache, rows, out }: CacheWrite, positions: Value, memory: Memory): Dispatch {
  const { shape, dtype } = typeOf(cache)
  const elementsPerWord = perWord(dtype)
  const { kernel, places, symbols } = kernelOf('cacheCopy', memory, ELEMENT_GROUP, ({ b, symbols, arrays, elements, thread, when }) => {
    const target = arrays.of(out)!
    const total = asExpr(symbols.count(shape))
    when(thread, total.add(elementsPerWord - 1).div(elementsPerWord), () => {
      const word = joinParts(elementsPerWord, (part) => {
        const index = placeInWord(b, thread, part, elementsPerWord, total)
        const [batch, head, slot, w] = coordinatesOf(b, symbols, shape, index).map(asExpr) as [Expr, Expr, Expr, Expr]
        const position = elements.at(positions, positionIndex(positions, batch))
        const token = b.let('token', slot.sub(position.bits('u32')))
        const bits = b.var('bits', u32(0))
        b.if(
          token.lt(asExpr(symbols.dim(shapeOf(rows)[2]!))),
          () =>
            elements.inside(() => {
              const from = flatIndex(b, [batch, head, token, w], symbols.strides(shapeOf(rows)))
              bits.set(encodeBits(elements.at(rows, from), dtype))
            }),
          () => elements.inside(() => bits.set(encodeBits(elements.at(cache, index), dtype))),
        )
        return bits.value
      })
      b.store(target, thread, word)
    })
  })
  return { kernel, places, symbols, threads: (values) => wordsOf(dtype, count(shape, values)), title: 'cacheWrite' }
}
