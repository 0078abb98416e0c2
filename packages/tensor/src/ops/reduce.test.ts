import { describe, expect, it } from 'vitest'
import type { Value } from '../graph/node.js'
import {
  argMax,
  cumsum,
  gather,
  gatherAlong,
  iota,
  mul,
  reduceMax,
  reduceSum,
  scatterAdd,
  scatterAddAlong,
  sort,
  symScalar,
} from '../graph/primitives.js'
import { sym } from '../shape.js'
import { differentiate } from '../transform/backward.js'
import { given, read, readAll } from '../testing/evaluate.js'

const i32 = (values: number[], shape = [values.length]): Value => given(values, shape, 'i32')

describe('reductions', () => {
  it('sum in float64 and wrap integers', () => {
    expect(read(reduceSum(given([1e8, 1, -1e8, 1]), [0]))).toEqual([2])
    expect(read(reduceSum(i32([2147483647, 2]), [0]))).toEqual([-2147483647])
    expect(read(reduceSum(given([1, 2, 3, 4, 5, 6], [2, 3]), [0]))).toEqual([5, 7, 9])
    expect(read(reduceSum(given([1, 2, 3, 4, 5, 6], [1, 2, 3]), [0, 2], true))).toEqual([6, 15])
  })
  it('have their identity over nothing', () => {
    const nothing = given([], [2, 0])
    expect(read(reduceSum(nothing, [1]))).toEqual([0, 0])
    expect(read(reduceMax(nothing, [1]))).toEqual([-Infinity, -Infinity])
    expect(read(reduceMax(given([], [0], 'i32'), [0]))).toEqual([-2147483648])
    expect(read(reduceMax(given([], [0], 'u32'), [0]))).toEqual([0])
    expect(read(argMax(nothing, 1))).toEqual([0, 0])
  })
  it('let NaN win, the first one in argMax', () => {
    expect(read(reduceMax(given([1, NaN, 3, NaN, 1, 3], [2, 3]), [1]))).toEqual([NaN, NaN])
    expect(read(argMax(given([1, NaN, Infinity, NaN], [4]), 0))).toEqual([1])
    expect(read(argMax(given([-Infinity, -Infinity], [2]), 0))).toEqual([0])
    expect(read(argMax(given([1, 5, 5, 2], [2, 2]), 0, true))).toEqual([1, 0])
  })
  it('split the gradient of a maximum evenly, also beyond what bf16 counts', () => {
    const x = given([3, 1, 3, 3])
    expect(read(differentiate([reduceMax(x, [0])], [x]).grads[0]!).map((g) => Math.fround(g * 3))).toEqual([1, 0, 1, 1])
    const equal = given(new Array<number>(1024).fill(1), [1024], 'bf16')
    expect(new Set(read(differentiate([reduceMax(equal, [0])], [equal]).grads[0]!))).toEqual(new Set([1 / 1024]))
  })
  it('run along an axis', () => {
    const x = given([1, 2, 3, 4, 5, 6], [2, 3])
    expect(read(cumsum(x, 1))).toEqual([1, 3, 6, 4, 9, 15])
    expect(read(cumsum(x, 0, { reverse: true }))).toEqual([5, 7, 9, 4, 5, 6])
    expect(read(cumsum(x, 1, { exclusive: true, reverse: true }))).toEqual([5, 3, 0, 11, 6, 0])
  })
  it('ignore what lies past a symbol', () => {
    const n = sym('n', { max: 4 })
    const x = given([1, 2, 3], [n])
    expect(read(reduceSum(x, [0]), new Map([[n, 3]]))).toEqual([6])
    expect(read(differentiate([reduceSum(mul(x, x), [0])], [x]).grads[0]!, new Map([[n, 3]]))).toEqual([2, 4, 6])
    expect(read(iota([n, 2], 0, 'i32'), new Map([[n, 2]]))).toEqual([0, 0, 1, 1])
    expect(read(symScalar(n.plus(-5)), new Map([[n, 2]]))).toEqual([-3])
  })
})

describe('indices', () => {
  const table = given([0, 1, 10, 11, 20, 21], [3, 2])
  it('are clamped', () => {
    expect(read(gather(table, i32([-4, 1, 99])))).toEqual([0, 1, 10, 11, 20, 21])
    expect(read(gatherAlong(table, i32([7, -7, 1], [3, 1]), 1))).toEqual([1, 10, 21])
    expect(read(gather(table, given([4294967295], [1], 'u32')))).toEqual([20, 21])
  })
  it('read slices along any axis', () => {
    expect(read(gather(table, i32([1, 0, 1]), 1))).toEqual([1, 0, 1, 11, 10, 11, 21, 20, 21])
    expect(read(gather(table, i32([2], []), 0))).toEqual([20, 21])
  })
  it('accumulate where they repeat, without losing small parts', () => {
    expect(read(scatterAdd(table, i32([1, 1]), given([1, 2, 3, 4], [2, 2])))).toEqual([0, 1, 14, 17, 20, 21])
    expect(read(scatterAddAlong(given([1e8], [1]), i32([0, 0, 0]), given([1, 1, -1e8]), 0))).toEqual([2])
  })
  it('of an axis without elements read 0 and write nothing', () => {
    const empty = given([], [0, 2])
    expect(read(gather(empty, i32([0])))).toEqual([0, 0])
    expect(read(scatterAdd(empty, i32([0]), given([1, 2], [1, 2])))).toEqual([])
  })
})

describe('sort', () => {
  const ordered = (values: number[], descending = false): number[][] => readAll(sort(given(values), 0, descending))
  it('is stable in both directions', () => {
    expect(ordered([2, 1, 2, 1])).toEqual([
      [1, 1, 2, 2],
      [1, 3, 0, 2],
    ])
    expect(ordered([2, 1, 2, 1], true)).toEqual([
      [2, 2, 1, 1],
      [0, 2, 1, 3],
    ])
  })
  it('counts NaN as the largest', () => {
    expect(ordered([NaN, 1, Infinity, -Infinity])).toEqual([
      [-Infinity, 1, Infinity, NaN],
      [3, 1, 2, 0],
    ])
    expect(ordered([1, NaN, 2], true)).toEqual([
      [NaN, 2, 1],
      [1, 2, 0],
    ])
  })
  it('works along inner axes', () => {
    expect(readAll(sort(given([3, 1, 2, 5, 1, 4], [3, 2]), 0))).toEqual([
      [1, 1, 2, 4, 3, 5],
      [2, 0, 1, 2, 0, 1],
    ])
  })
})

describe('errors', () => {
  const x = given([1, 2, 3, 4, 5, 6], [2, 3])
  const bool = given([1, 0], [2], 'bool')
  it.each<[string, () => unknown, string, RegExp]>([
    ['an axis out of range', () => reduceSum(x, [2]), 'SHAPE', /reduceSum: axis 2 is out of range for shape \[2, 3\]; expected 0 to 1/],
    ['an axis twice', () => reduceMax(x, [1, 1]), 'SHAPE', /reduceMax: axes \[1, 1\] of shape \[2, 3\] name an axis twice/],
    ['an axis of a scalar', () => cumsum(given([1], []), 0), 'SHAPE', /cumsum: axis 0 .*a scalar has no axes/],
    ['a sum of bools', () => reduceSum(bool, [0]), 'DTYPE', /reduceSum: .*bool \[2\]; cast it to i32 to count/],
    ['sorting bools', () => sort(bool, 0), 'DTYPE', /sort: /],
    ['float indices', () => gather(x, given([0])), 'DTYPE', /gather: indices must be i32 or u32, got f32 \[1\]/],
    [
      'updates of the wrong shape',
      () => scatterAdd(x, i32([0]), given([1, 2], [1, 2])),
      'SHAPE',
      /scatterAdd: updates \[1, 2\] and the expected \[1, 3\] differ on axis 1: 2 and 3/,
    ],
    [
      'updates of another dtype',
      () => scatterAdd(x, i32([0]), i32([1, 2, 3], [1, 3])),
      'DTYPE',
      /scatterAdd: operands must have one dtype/,
    ],
    [
      'indices of another rank',
      () => gatherAlong(x, i32([0]), 1),
      'SHAPE',
      /gatherAlong: x \[2, 3\] and indices \[1\] must have equal rank/,
    ],
    [
      'indices that differ on another axis',
      () => gatherAlong(x, i32([0, 0, 0], [3, 1]), 1),
      'SHAPE',
      /differ on axis 0: 2 and 3; only axis 1 may differ/,
    ],
  ])('%s', (_, make, code, message) => {
    expect(make).toThrow(message)
    expect(make).toThrow(expect.objectContaining({ code }))
  })
})
