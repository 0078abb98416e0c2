/** Products with some of several block-quantised weights, as mixtures of experts have them. */
import { TensorError } from '../errors.js'
import { dtypeOf, shapeOf, type Value } from '../graph/node.js'
import { concat, constant, eq, expand, gather, like, max, min, reshape, slice, where } from '../graph/primitives.js'
import { printShape, type Dim, type Shape } from '../shape.js'
import { checkFloat, checkIndices } from './check.js'
import { blockBytes, blockSize, checkPacked, qmatmul, type QuantAttrs, type QuantBits, type QuantBlock } from './quant.js'
import { defineOp, type OpRow, type Sample } from './row.js'
import { checkCount, checkRank, describe, given, knownLast, narrow, widen } from './wide.js'

/** Up to so many products each read the blocks of their own weight alone; more go through all of them. */
const MOST_READ_ALONE = 16

/** x [M, 1 or A, K] by the weights that `chosen` i32 [M, A] names of those packed [E, N, K/block, bytes] → [M, A, N]. */
const qmatmulChosenOp = defineOp<QuantAttrs>({
  name: 'qmatmulChosen',
  kind: 'composite',
  summary: 'x · W[chosen]ᵀ with some of several block-quantised W [E, N, K] for each row of x. Differentiates by x only.',
  infer: (inputs, attrs) => {
    checkCount('qmatmulChosen', inputs, 4, 5, 'x, chosen, packed, scales, mins')
    const [x, chosen, packed] = inputs as [(typeof inputs)[0], (typeof inputs)[0], (typeof inputs)[0]]
    checkFloat('qmatmulChosen', x)
    checkRank('qmatmulChosen', 'x', x, 3, '[M, 1 or A, K]')
    checkIndices('qmatmulChosen', chosen)
    checkRank('qmatmulChosen', 'chosen', chosen, 2, '[M, A]')
    const [rows, columns] = checkPacked('qmatmulChosen', inputs.slice(2), attrs, ['E'])
    const [tokens, active] = chosen.shape as readonly [Dim, Dim]
    if (typeof active !== 'number' || typeof packed.shape[0] !== 'number' || packed.shape[0] < 1 || typeof rows !== 'number')
      throw new TensorError(
        'SHAPE',
        `qmatmulChosen: the sizes A of chosen ${printShape(chosen.shape)}, E and N of packed ${printShape(packed.shape)} must be known, E at least 1`,
      )
    if (x.shape[0] !== tokens || (x.shape[1] !== 1 && x.shape[1] !== active) || knownLast('qmatmulChosen', 'x', x) !== columns)
      throw new TensorError(
        'SHAPE',
        `qmatmulChosen: x ${describe(x)} must be [M, 1 or A, ${columns}], with M and A of chosen ${printShape(chosen.shape)} and the columns of the weights packed as ${printShape(packed.shape)}`,
      )
    return [{ shape: [tokens, active, rows], dtype: x.dtype }]
  },
  decompose: ([x, chosen, packed, scales, mins], attrs) => {
    const [tokens, active] = shapeOf(chosen!) as readonly [Dim, number]
    const weights: Weights = { packed: packed!, scales: scales!, ...(mins === undefined ? {} : { mins }), attrs }
    const few = typeof tokens === 'number' && tokens * active <= MOST_READ_ALONE
    const y = few ? readAlone(widen(x!), chosen!, weights, tokens * active) : throughAll(widen(x!), chosen!, weights)
    return [narrow(y, x!)]
  },
  differentiable: [0],
  samples: samples(),
})

interface Weights {
  readonly packed: Value
  readonly scales: Value
  readonly mins?: Value
  readonly attrs: QuantAttrs
}

/** A product with one of the weights, each part of which `pick` takes [1, …] out. */
function product(x: Value, { packed, scales, mins, attrs }: Weights, pick: (stacked: Value) => Value): Value {
  const one = (stacked: Value): Value => reshape(pick(stacked), shapeOf(stacked).slice(1))
  return qmatmul(x, one(packed), one(scales), { ...attrs, ...given({ mins: mins && one(mins) }) })
}

function readAlone(x: Value, chosen: Value, weights: Weights, count: number): Value {
  const [tokens, own, columns] = shapeOf(x) as readonly [number, number, number]
  const [, active] = shapeOf(chosen) as readonly [number, number]
  const rows = shapeOf(weights.scales)[1] as number
  if (count === 0) return expand(constant(0, dtypeOf(x)), [tokens, active, rows])
  const [flat, ids] = [reshape(x, [tokens * own, columns]), reshape(chosen, [count])]
  const products = Array.from({ length: count }, (_, i) => {
    const row = own === 1 ? Math.floor(i / active) : i
    const id = slice(ids, [i], [i + 1])
    return product(slice(flat, [row, 0], [row + 1, columns]), weights, (stacked) => gather(stacked, id, 0))
  })
  return reshape(concat(products, 0), [tokens, active, rows])
}

function throughAll(x: Value, chosen: Value, weights: Weights): Value {
  const [tokens, active] = shapeOf(chosen) as readonly [Dim, number]
  const [experts, rows] = shapeOf(weights.scales) as readonly [number, number]
  const shape: Shape = [tokens, active, rows]
  // As reads do, which take the nearest weight for a number outside.
  const ids = reshape(min(max(chosen, like(chosen, 0)), like(chosen, experts - 1)), [tokens, active, 1])
  let y = expand(constant(0, dtypeOf(x)), shape)
  for (let i = 0; i < experts; i++) {
    const own = product(x, weights, (stacked) => {
      const [, ...rest] = shapeOf(stacked) as number[]
      return slice(stacked, [i, ...rest.map(() => 0)], [i + 1, ...rest])
    })
    y = where(expand(eq(ids, like(ids, i)), shape), expand(own, shape), y)
  }
  return y
}

function samples(): Sample[] {
  const sample = (
    name: string,
    bits: QuantBits,
    x: readonly [number, number, number],
    chosen: readonly (readonly number[])[],
    more: { mins?: boolean; dtype?: 'f16'; block?: QuantBlock } = {},
  ): Sample => {
    const [experts, rows] = [3, 5]
    const attrs: QuantAttrs = { bits, ...(more.block === undefined ? {} : { block: more.block }) }
    const perBlock = { shape: [experts, rows, x[2] / blockSize(attrs)], range: [-0.2, 0.2] as const }
    return {
      name,
      inputs: [
        { shape: x, ...(more.dtype === undefined ? {} : { dtype: more.dtype }) },
        { shape: [x[0], chosen[0]?.length ?? 2], dtype: 'i32', values: chosen.flat() },
        { shape: [...perBlock.shape, blockBytes(attrs)], dtype: 'u8', range: [0, 255] },
        perBlock,
        ...(more.mins === true ? [perBlock] : []),
      ],
      attrs,
    }
  }
  const many = Array.from({ length: 9 }, (_, i) => [i % 3, (i + 1 + (i % 2)) % 3])
  return [
    sample('one row', 4, [1, 1, 64], [[2, 0]]),
    sample('8 bits', 8, [2, 1, 64], [[1], [0]]),
    sample(
      'rows of their own',
      4,
      [2, 2, 32],
      [
        [1, 1],
        [2, 0],
      ],
      { mins: true },
    ),
    sample('blocks of 16', 8, [2, 1, 48], [[1], [2]], { block: 16, mins: true }),
    sample('many rows', 4, [9, 1, 32], many),
    sample('many rows of their own', 8, [9, 2, 32], many),
    sample('a number outside', 4, [1, 1, 32], [[7, -2]]),
    sample(
      'many with numbers outside',
      4,
      [9, 1, 32],
      many.map(([a, b]) => [a! - 2, b! + 2]),
    ),
    sample('no rows', 4, [0, 1, 32], []),
    sample('f16', 4, [2, 1, 32], [[1], [0]], { dtype: 'f16' }),
  ]
}

export const chosenQuantOps: readonly OpRow[] = [qmatmulChosenOp]
