/** Which dispatches say that they are one product and nothing besides, and what they say of it. */
import { describe, expect, it } from 'vitest'
import type { DType } from '../dtype.js'
import { emit } from '../graph/build.js'
import type { Value } from '../graph/node.js'
import { add, cast, iota, mul, permute, reshape } from '../graph/primitives.js'
import { matrixBlock } from '../kernel/lib/matrix-tuning.js'
import { cudaTuning } from '../kernel/lib/tuning.js'
import { sym, type Dim, type SymValues } from '../shape.js'
import { placeholder } from '../testing/evaluate.js'
import { buildProgram } from './build-program.js'
import { planDispatches } from './dispatches.js'
import { hasKernel } from './kept.js'
import { lower } from './lower.js'
import type { Memory, Place } from './places.js'
import { plainProduct, sizeOfProduct, stepsOf, type PlainProduct } from './plain-product.js'
import '../ops/table.js'

const matrices = matrixBlock.bind(undefined, { mma: ['f16', 'bf16'], copyAsync: true, processors: 8 })
const input = (shape: readonly Dim[], dtype: DType = 'f16'): Value => placeholder({ shape, dtype })
const matmul = (a: Value, b: Value, attrs = {}): Value => emit('matmul', [a, b], attrs)

/** Of each dispatch of what works out some values. */
function productsOf(...values: Value[]): (PlainProduct | undefined)[] {
  const lowered = lower(values, { name: 'cuda', supports: hasKernel })
  const program = buildProgram(lowered.outputs, lowered)
  return planDispatches(program, { maxBindings: 16, tuning: { ...cudaTuning, matrices } }).dispatches.map(({ product }) => product)
}
const keysOf = (value: Value, values: SymValues = new Map()): (string | undefined)[] =>
  productsOf(value).map((product) => product && sizeOfProduct(product, values).key)

describe('a plain product', () => {
  it('says where its matrices lie, and which way', () => {
    const [product] = productsOf(matmul(input([40, 32], 'bf16'), input([48, 40], 'bf16'), { transA: true, transB: true }))
    expect(product).toMatchObject({
      dtype: 'bf16',
      left: { place: { kind: 'input', index: 0 }, transposed: true },
      right: { place: { kind: 'input', index: 1 }, transposed: true },
      result: { kind: 'output', index: 0 },
    })
    const size = sizeOfProduct(product!, new Map())
    expect(size).toMatchObject({ batch: 1, rows: 32, columns: 48, inner: 40 })
    expect(stepsOf(size)).toBe(32 * 48 * 40)
  })
  it('is a batch where the matrices of each operand lie at one distance, or are one', () => {
    expect(keysOf(matmul(input([2, 3, 17, 19]), input([2, 3, 19, 21])))).toEqual(['f16 6 17x19x21 0011'])
    expect(keysOf(matmul(input([3, 24, 20]), input([1, 24, 18]), { transA: true }))).toEqual(['f16 3 20x24x18 1010'])
    expect(keysOf(matmul(input([20, 24]), input([3, 18, 24]), { transB: true }))).toEqual(['f16 3 20x24x18 0101'])
    expect(keysOf(matmul(input([3, 20, 24]), input([24, 18])))).toEqual(['f16 1 60x24x18 0011'])
    expect(keysOf(matmul(input([3, 2, 20, 24]), input([3, 1, 24, 18])))).toEqual([undefined])
    expect(keysOf(matmul(input([3, 1, 20, 24]), input([1, 2, 24, 18])))).toEqual([undefined])
  })
  it('has the sizes that symbols say', () => {
    const [batch, rows, inner] = [sym('batch', { max: 5 }), sym('rows', { max: 64 }), sym('inner', { max: 64 })]
    const values = new Map([
      [batch, 3],
      [rows, 7],
      [inner, 9],
    ])
    const product = matmul(input([batch, inner, rows]), input([batch, inner, 32]), { transA: true })
    expect(keysOf(product, values)).toEqual(['f16 3 7x9x32 1011'])
    expect(keysOf(matmul(input([batch, rows, inner]), input([inner, 32])), values)).toEqual(['f16 1 21x9x32 0011'])
    expect(keysOf(product, new Map([...values, [batch, 0]]))).toEqual(['f16 0 7x9x32 1011'])
  })
  it('reads and writes other shapes of the same elements', () => {
    const [a, b] = [reshape(input([4, 8, 24]), [32, 24]), permute(input([1, 24, 32]), [1, 0, 2])]
    expect(keysOf(reshape(matmul(a, reshape(b, [24, 32])), [32, 1, 32]))).toEqual(['f16 1 32x24x32 0011'])
  })
  it('lies between kernels in the memory of the program', () => {
    const [a, b] = [input([32, 24]), input([24, 32])]
    const products = productsOf(emit('cumsum', [matmul(add(a, a), b)], { axis: 0 }))
    expect(products.map((one) => one !== undefined)).toEqual([false, true, ...products.slice(2).map(() => false)])
    expect([products[1]!.left.place.kind, products[1]!.right.place.kind, products[1]!.result.kind]).toEqual([
      'temporary',
      'input',
      'temporary',
    ])
  })
})

describe('is not', () => {
  const [a, b, c] = [input([32, 24]), input([24, 32]), input([32, 32])]
  it.each([
    ['one of f32', matmul(input([32, 24], 'f32'), input([24, 32], 'f32'))],
    ['one that is added to', add(matmul(a, b), c)],
    ['one with a bias', emit('matmul', [a, b, input([32])], {})],
    ['one with a factor', matmul(a, b, { alpha: 0.5 })],
    ['one with an activation', matmul(a, b, { activation: 'relu' })],
    ['one that is rounded and then made f32', cast(matmul(a, b), 'f32')],
    ['two that are multiplied', mul(matmul(a, b), matmul(b, a, { transA: true, transB: true }))],
    ['one whose matrix is transposed by its axes', reshape(permute(matmul(a, b), [1, 0]), [32, 32])],
    ['one of numbers that are in no memory', matmul(a, cast(iota([24, 32], 0, 'i32'), 'f16'))],
    ['one of few rows', matmul(input([4, 64]), input([64, 64]))],
  ])('%s', (_, value) => {
    expect(productsOf(value).at(-1)).toBeUndefined()
  })

  it('one that is written over what it reads, or whose operands have no memory', () => {
    const { node } = matmul(a, b)
    const place = (kind: 'input' | 'output', index: number): Place => ({ kind, index, ranges: 1 })
    const temporary = (offset: number, bytes: number): Place => ({ kind: 'temporary', offset, bytes, ranges: 1 })
    const found = (left: Place | undefined, right: Place | undefined, result: Place | undefined): PlainProduct | undefined =>
      plainProduct(node, [node], {
        of: (value) => (value.node === node ? result : value.node === a.node ? left : right),
      } as Pick<Memory, 'of'> as Memory)
    const [x, y, out] = [place('input', 0), place('input', 1), place('output', 0)]
    expect(found(x, y, out)).toBeDefined()
    expect(found(x, x, out)).toBeDefined()
    expect(found(x, y, x)).toBeUndefined()
    expect(found(x, y, y)).toBeUndefined()
    expect(found(temporary(0, 256), y, temporary(256, 256))).toBeDefined()
    expect(found(temporary(0, 512), y, temporary(256, 256))).toBeUndefined()
    expect(found(undefined, y, out)).toBeUndefined()
    expect(found(x, undefined, out)).toBeUndefined()
    expect(found(x, y, undefined)).toBeUndefined()
  })
})
