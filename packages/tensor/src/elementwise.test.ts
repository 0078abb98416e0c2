import { afterAll, describe, expect, it } from 'vitest'
import { grad, referenceDevice, resolveDevice, setDefaultDevice, tensor, TensorError, type DType, type Tensor } from './index.js'

const reference = referenceDevice()
setDefaultDevice(reference)
const cpu = await resolveDevice('cpu', { threads: 1 })
afterAll(() => cpu.dispose())

const numbers = [-Infinity, -8388609, -3.5, -2.5, -2, -1.5, -0.7, -0.5, -0.3, 0, 0.2, 0.5, 0.9, 1, 1.5, 2.5, 3.5, 1e9, Infinity, NaN]
const halfEven = (x: number): number => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x))

/** Methods by their definition on one number; the precision is in decimal digits. */
const unary: [
  string,
  (x: Tensor) => Tensor,
  (x: number) => number,
  { readonly range?: readonly [number, number]; readonly digits?: number }?,
][] = [
  ['floor', (x) => x.floor(), Math.floor],
  ['ceil', (x) => x.ceil(), Math.ceil],
  ['trunc', (x) => x.trunc(), Math.trunc],
  ['round', (x) => x.round(), halfEven],
  ['sign', (x) => x.sign(), Math.sign],
  ['abs', (x) => x.abs(), Math.abs],
  ['neg', (x) => x.neg(), (x) => -x],
  ['isNaN', (x) => x.isNaN(), (x) => Number(Number.isNaN(x))],
  ['isFinite', (x) => x.isFinite(), (x) => Number(Number.isFinite(x))],
  ['square', (x) => x.square(), (x) => x * x, { range: [-4, 4], digits: 5 }],
  ['log2', (x) => x.log2(), Math.log2, { range: [0.1, 9], digits: 5 }],
  ['log10', (x) => x.log10(), Math.log10, { range: [0.1, 9], digits: 5 }],
  ['rsqrt', (x) => x.rsqrt(), (x) => 1 / Math.sqrt(x), { range: [0.1, 9], digits: 5 }],
  ['logSigmoid', (x) => x.logSigmoid(), (x) => -Math.log1p(Math.exp(-x)), { range: [-9, 9], digits: 5 }],
  ['pow 3', (x) => x.pow(3), (x) => x ** 3, { range: [-4, 4], digits: 3 }],
  ['pow -2', (x) => x.pow(-2), (x) => x ** -2, { range: [0.4, 4], digits: 4 }],
  ['pow 0', (x) => x.pow(0), () => 1, { range: [-4, 4] }],
  ['pow 1', (x) => x.pow(1), (x) => x, { range: [-4, 4] }],
  ['pow 0.5', (x) => x.pow(0.5), Math.sqrt, { range: [0, 4], digits: 5 }],
  ['pow 1.7', (x) => x.pow(1.7), (x) => x ** 1.7, { range: [0.4, 4], digits: 4 }],
  ['pow of a tensor', (x) => x.pow(x), (x) => x ** x, { range: [0.4, 4], digits: 3 }],
  ['clip', (x) => x.clip(-1, 2), (x) => Math.min(2, Math.max(-1, x))],
  ['clip below', (x) => x.clip(-1), (x) => Math.max(-1, x)],
  ['clip above', (x) => x.clip(undefined, 2), (x) => Math.min(2, x)],
  ['clip not', (x) => x.clip(undefined), (x) => x],
]

describe.each([reference, cpu])('elements on $name', (device) => {
  it.each(unary)('%s', async (_, method, definition, options = {}) => {
    const [low, high] = options.range ?? [-Infinity, Infinity]
    const values = numbers.map(Math.fround).filter((x) => options.range === undefined || (x >= low && x <= high))
    const got = await method(tensor(values)).data({ device })
    values.forEach((x, i) => {
      const expected = definition(x)
      if (options.digits !== undefined && Number.isFinite(expected)) expect(got[i]).toBeCloseTo(expected, options.digits)
      else expect(got[i]! + 0, `of ${x}`).toBe(expected + 0) // −0 counts as 0
    })
  })

  it('works on integers where that has a meaning', async () => {
    const i32 = tensor([-3, 0, 5], { dtype: 'i32' })
    const u8 = tensor([0, 200], { dtype: 'u8' })
    const read = (x: Tensor): Promise<unknown> => x.toArray({ device })
    expect(await read(i32.sign())).toEqual([-1, 0, 1])
    expect(await read(i32.clip(-1, 2))).toEqual([-1, 0, 2])
    expect(await read(i32.pow(2))).toEqual([9, 0, 25])
    expect(await read(u8.maximum(7))).toEqual([7, 200])
    expect(await read(i32.isNaN())).toEqual([0, 0, 0])
    expect(await read(tensor([true, false]).not())).toEqual([0, 1])
    expect(await read(i32.maskedFill(i32.lt(0), 9))).toEqual([9, 0, 5])
    expect(await read(tensor([1, 2]).maskedFill(tensor([true, false]), tensor(-Infinity)))).toEqual([-Infinity, 2])
  })
})

describe('rounding', () => {
  it('has the gradient 0', async () => {
    for (const name of ['floor', 'ceil', 'trunc', 'round', 'sign'] as const) {
      const g = grad((x: Tensor) => x[name]().mul(3).add(x).sum())(tensor([-1.5, 2, 0.3]))
      expect([...(await g.data())], name).toEqual([1, 1, 1])
    }
  })
})

describe('handles', () => {
  it('are new ones also where nothing changes', async () => {
    const x = await tensor([1, 2]).add(0).realize()
    for (const same of [x.cast('f32'), x.bitcast('f32'), x.pow(1), x.clip(undefined), x.flatten(), x.flatten(0, 0)]) {
      expect(same).not.toBe(x)
      same.dispose()
    }
    expect([...(await x.data())]).toEqual([1, 2])
  })
})

describe('errors', () => {
  const x = tensor([[1, 2, 3]])
  const bool = tensor([true, false])
  const i32 = tensor([1], { dtype: 'i32' })
  const other = tensor([1, 2])
  const message = (run: () => unknown): string => {
    try {
      run()
    } catch (error) {
      if (error instanceof TensorError) return error.message
    }
    return 'no TensorError'
  }

  it.each([
    ['add', () => x.add(other)],
    ['maximum', () => x.maximum(other)],
    ['minimum', () => x.minimum(other)],
    ['clip', () => bool.clip(0, 1)],
    ['pow', () => i32.pow(0.5)],
    ['gt', () => x.gt(other)],
    ['ge', () => x.ge(other)],
    ['le', () => x.le(other)],
    ['ne', () => x.ne(other)],
    ['ne', () => x.ne(i32)],
    ['not', () => x.not()],
    ['isFinite', () => bool.isFinite()],
    ['log2', () => i32.log2()],
    ['log10', () => bool.log10()],
    ['rsqrt', () => i32.rsqrt()],
    ['square', () => bool.square()],
    ['sign', () => bool.sign()],
    ['ceil', () => i32.ceil()],
    ['trunc', () => i32.trunc()],
    ['round', () => i32.round()],
    ['logSigmoid', () => i32.logSigmoid()],
    ['maskedFill', () => x.maskedFill(x, 0)],
    ['maskedFill', () => i32.maskedFill(bool, 0.5)],
    ['sum', () => bool.sum()],
    ['mean', () => bool.mean()],
    ['mean', () => i32.mean()],
    ['max', () => bool.max()],
    ['min', () => bool.min()],
    ['variance', () => bool.variance()],
    ['std', () => i32.std()],
    ['any', () => x.any(2)],
    ['all', () => x.all([0, 0])],
    ['argMin', () => bool.argMin()],
    ['bitcast', () => x.bitcast('u8')],
  ])('%s names itself', (name, run) => {
    expect(message(run)).toMatch(new RegExp(`^${name}: `))
  })

  it('keep their cause, code and the rest of what they say', () => {
    try {
      bool.sum()
    } catch (error) {
      expect(error).toMatchObject({
        code: 'DTYPE',
        message: expect.stringMatching(/^sum: takes floats and integers, got bool \[2\]; cast it to i32 to count/),
        cause: { message: expect.stringMatching(/^reduceSum/) },
      })
    }
    expect(message(() => x.gt(other))).toMatch(/^gt: shapes \[2\] and \[1, 3\] do not broadcast/)
  })

  it('say which number a dtype cannot hold', () => {
    for (const [dtype, value] of [
      ['i32', 0.5],
      ['u8', 256],
      ['u32', -1],
      ['i8', 128],
      ['bool', 2],
    ] satisfies [DType, number][])
      expect(message(() => tensor([1], { dtype }).eq(value))).toMatch(
        new RegExp(`^eq: the number ${value} cannot be held by ${dtype}; cast`),
      )
  })
})
