import { describe, expect, it } from 'vitest'
import { shapeOf, type Value } from '../graph/node.js'
import { add, concat, expand, flip, mul, pad, permute, reduceSum, reshape, slice, sumTo, updateSlice } from '../graph/primitives.js'
import { sym, type Shape } from '../shape.js'
import { differentiate } from '../transform/backward.js'
import { given, read, readAll } from '../testing/evaluate.js'

const count = (...shape: number[]): Value =>
  given(
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
    shape,
  )
const n = sym('n', { max: 4 })
const position = sym('position', { max: 8 })
const shaped = (shape: Shape, size: number): Value =>
  given(
    Array.from({ length: size }, (_, i) => i + 1),
    shape,
  )

describe('values', () => {
  it('permute, flip, expand and reshape', () => {
    expect(read(permute(count(2, 3), [1, 0]))).toEqual([0, 3, 1, 4, 2, 5])
    expect(read(permute(count(2, 2, 2), [2, 0, 1]))).toEqual([0, 2, 4, 6, 1, 3, 5, 7])
    expect(read(flip(count(2, 3), [0]))).toEqual([3, 4, 5, 0, 1, 2])
    expect(read(expand(count(2, 1), [2, 2, 2]))).toEqual([0, 0, 1, 1, 0, 0, 1, 1])
    expect(read(reshape(count(2, 3), [3, 2]))).toEqual([0, 1, 2, 3, 4, 5])
  })
  it('pad, slice and concat', () => {
    expect(
      read(
        pad(
          count(2, 2),
          [
            [1, 0],
            [0, 1],
          ],
          9,
        ),
      ),
    ).toEqual([9, 9, 9, 0, 1, 9, 2, 3, 9])
    expect(read(slice(count(3, 4), [1, 0], [3, 4], [1, 3]))).toEqual([4, 7, 8, 11])
    expect(read(concat([count(2, 1), count(2, 2)], 1))).toEqual([0, 0, 1, 1, 2, 3])
    expect(read(updateSlice(count(3, 2), given([7, 8], [1, 2]), [1, 0]))).toEqual([0, 1, 7, 8, 4, 5])
  })
})

describe('symbols', () => {
  const at = (value: number, place = 0): ReadonlyMap<typeof n, number> =>
    new Map([
      [n, value],
      [position, place],
    ])

  it.each([0, 1, 4])('slice 0 to a symbol makes a dimension of it (value %d)', (value) => {
    const x = count(4, 2)
    const cut = slice(x, [0, 0], [n, 2])
    expect(shapeOf(cut)).toEqual([n, 2])
    expect(read(cut, at(value))).toEqual([0, 1, 2, 3, 4, 5, 6, 7].slice(0, value * 2))
    const loss = reduceSum(mul(cut, cut), [0, 1])
    expect(read(differentiate([loss], [x]).grads[0]!, at(value))).toEqual(
      [0, 2, 4, 6, 8, 10, 12, 14].map((g, i) => (i < value * 2 ? g : 0)),
    )
  })

  it('slice symbol to symbol + n has n elements, and clamps its start', () => {
    const x = count(8)
    const cut = slice(x, [position], [position.plus(3)])
    expect(shapeOf(cut)).toEqual([3])
    expect(read(cut, at(0, 2))).toEqual([2, 3, 4])
    expect(read(cut, at(0, 8))).toEqual([5, 6, 7])
    const { grads } = differentiate([reduceSum(mul(cut, given([1, 2, 3])), [0])], [x])
    expect(read(grads[0]!, at(0, 2))).toEqual([0, 0, 1, 2, 3, 0, 0, 0])
  })

  it('slice reads the last element before a symbol', () => {
    const x = shaped([n, 2], 6)
    const last = slice(x, [n.plus(-1), 0], [n.plus(0), 2])
    expect(shapeOf(last)).toEqual([1, 2])
    expect(read(last, at(3))).toEqual([5, 6])
  })

  it('updateSlice writes at a symbol, and both gradients are right', () => {
    const x = count(6)
    const update = given([10, 20])
    const out = updateSlice(x, update, [position])
    expect(read(out, at(0, 3))).toEqual([0, 1, 2, 10, 20, 5])
    expect(read(out, at(0, 8))).toEqual([0, 1, 2, 3, 10, 20])
    const weights = given([1, 2, 3, 4, 5, 6])
    const [dx, du] = readAll(differentiate([reduceSum(mul(out, weights), [0])], [x, update]).grads, at(0, 3))
    expect(dx).toEqual([1, 2, 3, 0, 0, 6])
    expect(du).toEqual([4, 5])
  })

  it('stays whole in a reshape, broadcasts with itself and with 1', () => {
    expect(shapeOf(reshape(shaped([2, n, 6], 24), [2, n, 2, 3]))).toEqual([2, n, 2, 3])
    const sum = add(shaped([n, 2], 6), shaped([1, 2], 2))
    expect(shapeOf(sum)).toEqual([n, 2])
    expect(read(sum, at(3))).toEqual([2, 4, 4, 6, 6, 8])
    expect(shapeOf(sumTo(sum, [1, 2]))).toEqual([1, 2])
    expect(read(flip(shaped([n], 3), [0]), at(3))).toEqual([3, 2, 1])
  })
})

describe('errors', () => {
  const symbolic = given([], [n, 2])
  it.each<[string, () => Value, RegExp]>([
    ['reshape to another count', () => reshape(count(2, 3), [4, 2]), /reshape: \[2, 3\] has 6 elements and \[4, 2\] has 8/],
    ['reshape to a negative dimension', () => reshape(count(2, 3), [-1]), /reshape: \[-1\] is not a shape/],
    ['reshape across a symbol', () => reshape(symbolic, [n]), /reshape: \[n, 2\] cannot become \[n\].*mask/],
    ['reshape that merges a symbol away', () => reshape(symbolic, [8]), /a symbol must stay a dimension/],
    ['permute with an axis twice', () => permute(count(2, 3), [0, 0]), /permute: \[0, 0\] is not an order of the axes of \[2, 3\]/],
    [
      'expand of a dimension that is not 1',
      () => expand(count(2, 3), [2, 4]),
      /expand: \[2, 3\] does not broadcast to \[2, 4\]: axis 1 is 3 and cannot become 4/,
    ],
    ['expand to fewer axes', () => expand(count(2, 3), [3]), /fewer axes \(1\) than the tensor \(2\)/],
    ['flip of an axis out of range', () => flip(count(2), [-1]), /flip: axis -1 is out of range for shape \[2\]; expected 0 to 0/],
    ['pad by a negative amount', () => pad(count(2), [[-1, 0]]), /pad: axis 0 of \[2\] has pads \[-1, 0\]/],
    [
      'pad of a symbol',
      () =>
        pad(symbolic, [
          [1, 0],
          [0, 0],
        ]),
      /pad: axis 0 of \[n, 2\] is the symbol n.*mask/,
    ],
    ['pads for too few axes', () => pad(count(2, 2), [[1, 0]]), /2 axes but 1 pads/],
    ['slice outside', () => slice(count(4), [1], [5]), /slice: range 1 to 5 on axis 0 of \[4\]/],
    ['slice backwards', () => slice(count(4), [3], [1]), /ends before it starts/],
    ['slice to a symbol that may be too large', () => slice(count(3), [0], [n]), /n may reach 4 but the axis has 3/],
    ['slice of unknown length', () => slice(count(8), [1], [n]), /a symbol plus a constant; expected 0 to n; .*mask/],
    ['slice between two symbols', () => slice(count(8), [n], [position]), /its length is not known/],
    ['slice longer than the axis', () => slice(count(8), [position], [position.plus(9)]), /it has 9 elements but the axis has at most 8/],
    ['slice of a symbol with a step', () => slice(symbolic, [0, 0], [n, 2], [2, 1]), /a step is not possible where a symbol is involved/],
    [
      'concat of different shapes',
      () => concat([count(2, 3), count(3, 3)], 1),
      /concat: input 0 \[2, 3\] and input 1 \[3, 3\] differ on axis 0/,
    ],
    ['concat along a symbol', () => concat([symbolic, symbolic], 0), /concat: axis 0 of input 0 \[n, 2\] is the symbol n.*mask/],
    ['updateSlice outside', () => updateSlice(count(4), count(2), [3]), /expected a start from 0 to 2/],
    ['updateSlice of another rank', () => updateSlice(count(4, 2), count(2), [0, 0]), /must have the rank/],
    ['updateSlice larger than the axis', () => updateSlice(count(4), count(5), [position]), /5 elements but the axis has at most 4/],
  ])('%s', (_, make, message) => {
    expect(make).toThrow(message)
    expect(make).toThrow(expect.objectContaining({ code: 'SHAPE' }))
  })
})
