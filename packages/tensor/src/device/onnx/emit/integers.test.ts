import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { integerRange, type DType } from '../../../dtype.js'
import { emit } from '../../../graph/build.js'
import type { Value } from '../../../graph/node.js'
import { argMax, cast, constant, cumsum, neg, reduceMax, reduceSum, sort, where } from '../../../graph/primitives.js'
import { given } from '../../../testing/evaluate.js'
import { numbers } from '../../../testing/samples.js'
import type { OnnxDevice } from '../node/device.js'
import { expectedOf, openDevice, programOf, runProgram } from './__fixtures__/run.js'

let device: OnnxDevice
beforeAll(async () => {
  device = await openDevice()
})
afterAll(() => device.dispose())

const random = numbers(31)
/** Numbers of every size that a dtype has, its ends among them: vectorised loops differ from what they do with their rest. */
function values(dtype: DType, count: number): number[] {
  const [low, high] = integerRange(dtype)
  const ends = [low, high, 0, 1, low + 1, high - 1, Math.max(low, -1)]
  return Array.from({ length: count }, (_, i) => {
    if (i % 5 === 0) return ends[(i / 5) % ends.length]!
    const scale = 2 ** Math.floor(random() * 33)
    return Math.max(low, Math.min(high, Math.floor((random() * 2 - (low < 0 ? 1 : 0)) * scale)))
  })
}
const tensor = (dtype: DType, shape: readonly number[]): Value =>
  given(
    values(
      dtype,
      shape.reduce((a, b) => a * b, 1),
    ),
    shape,
    dtype,
  )

async function check(named: Readonly<Record<string, Value>>): Promise<void> {
  const outputs = Object.values(named)
  const expected = expectedOf(outputs)
  const actual = await runProgram(device, programOf(outputs))
  Object.keys(named).forEach((name, i) => expect([...actual[i]!], name).toEqual([...expected[i]!]))
}

const integers = ['i32', 'u32', 'i8', 'u8'] as const

describe.each(integers)('%s', (dtype) => {
  it('arithmetic', async () => {
    const [a, b] = [tensor(dtype, [37, 11]), tensor(dtype, [37, 11])]
    const binary = ['add', 'sub', 'mul', 'div', 'mod', 'max', 'min', 'and', 'or', 'xor', 'shl', 'shr', 'lt', 'eq']
    await check(Object.fromEntries(binary.map((op) => [op, emit(op, [a, b])])))
  })

  it('arithmetic with constants', async () => {
    const a = tensor(dtype, [203])
    const [, high] = integerRange(dtype)
    const numbers = [0, 1, 3, high, ...(integerRange(dtype)[0] < 0 ? [-1, -3] : [])]
    const ops = ['div', 'mod', 'mul', 'shl', 'shr', 'max', 'min']
    await check(Object.fromEntries(ops.flatMap((op) => numbers.map((n) => [`${op} ${n}`, emit(op, [a, constant(n, dtype)])]))))
  })

  it('selection, reduction and order', async () => {
    const [a, b] = [tensor(dtype, [9, 67]), tensor(dtype, [9, 67])]
    await check({
      neg: neg(a),
      where: where(emit('lt', [a, b]), a, b),
      sum: reduceSum(a, [1]),
      sumAll: reduceSum(a, [0, 1]),
      max: reduceMax(a, [1]),
      maxFirst: reduceMax(a, [0]),
      argMax: argMax(a, 1),
      cumsum: cumsum(a, 1),
      sorted: sort(a, 1)[0]!,
      order: sort(a, 1, true)[1]!,
    })
  })

  it('conversion', async () => {
    const a = tensor(dtype, [301])
    const floats = given(
      Array.from({ length: 301 }, (_, i) =>
        i % 9 === 0 ? [NaN, Infinity, -Infinity, 4294967040, 2147483520][(i / 9) % 5]! : (random() - 0.5) * 2 ** Math.floor(random() * 40),
      ),
      [301],
    )
    const targets = ['i32', 'u32', 'i8', 'u8', 'bool', 'f32'] as const
    await check({
      ...Object.fromEntries(targets.map((to) => [to, cast(a, to)])),
      float: cast(floats, dtype),
      half: cast(cast(floats, 'bf16'), dtype),
    })
  })
})
