import { describe, expect, it } from 'vitest'
import type { DType } from '../dtype.js'
import type { Value } from '../graph/node.js'
import {
  add,
  and,
  bitcast,
  cast,
  constant,
  div,
  eq,
  exp,
  lt,
  max,
  min,
  mod,
  mul,
  neg,
  or,
  reduceSum,
  shl,
  shr,
  sub,
  tanh,
  where,
  xor,
} from '../graph/primitives.js'
import { sym } from '../shape.js'
import { differentiate } from '../transform/backward.js'
import { given, read, readAll } from '../testing/evaluate.js'

const i32 = (...values: number[]): Value => given(values, [values.length], 'i32')
const u32 = (...values: number[]): Value => given(values, [values.length], 'u32')
const f32 = (...values: number[]): Value => given(values)
const bool = (...values: number[]): Value => given(values, [values.length], 'bool')

describe('integers', () => {
  it('divide toward zero, and by zero to 0', () => {
    expect(read(div(i32(7, -7, 7, -7, 5, -2147483648), i32(2, 2, -2, 0, 0, -1)))).toEqual([3, -3, -3, 0, 0, -2147483648])
    expect(read(div(u32(4294967295, 1), u32(2, 0)))).toEqual([2147483647, 0])
  })
  it('take the sign of the divisor in mod, and give 0 modulo zero', () => {
    expect(read(mod(i32(7, -7, 7, -7, 6, 7), i32(3, 3, -3, -3, -3, 0)))).toEqual([1, 2, -2, -1, 0, 0])
    expect(read(mod(u32(4294967295), u32(10)))).toEqual([5])
  })
  it('wrap around', () => {
    expect(read(add(i32(2147483647), i32(1)))).toEqual([-2147483648])
    expect(read(sub(u32(0), u32(1)))).toEqual([4294967295])
    expect(read(mul(u32(4294967295, 123456789), u32(4294967295, 987654321)))).toEqual([1, 4227814277])
    expect(read(neg(i32(-2147483648)))).toEqual([-2147483648])
    expect(read(add(given([100], [1], 'i8'), given([100], [1], 'i8')))).toEqual([-56])
  })
  it('shift by the amount modulo 32: arithmetic for i32, logical for u32', () => {
    expect(read(shl(i32(1, 1, 1), i32(31, 32, 33)))).toEqual([-2147483648, 1, 2])
    expect(read(shr(i32(-8, -8), i32(1, 33)))).toEqual([-4, -4])
    expect(read(shr(u32(4294967288, 4294967288), u32(1, 33)))).toEqual([2147483644, 2147483644])
  })
  it('combine bits', () => {
    expect(read(and(u32(0xf0f0f0f0), u32(0xff00ff00)))).toEqual([0xf000f000])
    expect(read(or(i32(-2), i32(1)))).toEqual([-1])
    expect(read(xor(bool(0, 1, 1), bool(1, 1, 0)))).toEqual([1, 0, 1])
  })
})

describe('floats', () => {
  it('divide by zero as IEEE 754 says', () => {
    expect(read(div(f32(1, -1, 0), f32(0, 0, 0)))).toEqual([Infinity, -Infinity, NaN])
  })
  it('take the sign of the divisor in mod', () => {
    expect(read(mod(f32(5.5, -5.5, 5.5, -5.5, 1), f32(2, 2, -2, -2, 0)))).toEqual([1.5, 0.5, -0.5, -1.5, NaN])
  })
  it('hand NaN on through min and max', () => {
    expect(read(max(f32(NaN, 1, -1), f32(1, NaN, 2)))).toEqual([NaN, NaN, 2])
    expect(read(min(f32(NaN, 1, -1), f32(1, NaN, 2)))).toEqual([NaN, NaN, -1])
  })
  it('compare false with NaN', () => {
    expect(read(eq(f32(NaN, 0), f32(NaN, -0)))).toEqual([0, 1])
    expect(read(lt(f32(NaN, 1), f32(1, NaN)))).toEqual([0, 0])
  })
  it('round half types at the end of a node', () => {
    expect(read(add(given([2048], [1], 'f16'), given([1], [1], 'f16')))).toEqual([2048])
    expect(read(add(given([256], [1], 'bf16'), given([1], [1], 'bf16')))).toEqual([256])
    expect(read(mul(given([60000], [1], 'f16'), given([2], [1], 'f16')))).toEqual([Infinity])
  })
})

describe('cast', () => {
  it('saturates, truncates and turns NaN into 0', () => {
    const x = f32(1.9, -1.9, 3e9, -3e9, 1e30, NaN, -Infinity)
    expect(read(cast(x, 'i32'))).toEqual([1, -1, 2147483647, -2147483648, 2147483647, 0, -2147483648])
    expect(read(cast(x, 'u32'))).toEqual([1, 0, 3000000000, 0, 4294967295, 0, 0])
    expect(read(cast(x, 'i8'))).toEqual([1, -1, 127, -128, 127, 0, -128])
    expect(read(cast(x, 'u8'))).toEqual([1, 0, 255, 0, 255, 0, 0])
    expect(read(cast(i32(-1, 300), 'u8'))).toEqual([0, 255])
  })
  it('to bool asks whether something is not 0', () => {
    expect(read(cast(f32(0, -0, 0.5, NaN), 'bool'))).toEqual([0, 0, 1, 1])
  })
  it('rounds to the nearest value a float holds', () => {
    expect(read(cast(i32(16777217), 'f32'))).toEqual([16777216])
    expect(read(cast(f32(65519, 65520), 'f16'))).toEqual([65504, Infinity])
  })
  it('casts gradients back, and stops them at integers', () => {
    const x = given([1, 2], [2], 'f16')
    const { grads } = differentiate([reduceSum(mul(cast(x, 'f32'), f32(3, 4)), [0])], [x])
    expect(grads[0]!.node.outputs[0]!.dtype).toBe('f16')
    expect(read(grads[0]!)).toEqual([3, 4])
    const y = f32(1.5, 2.5)
    const stopped = differentiate([reduceSum(cast(cast(y, 'i32'), 'f32'), [0])], [y])
    expect(read(stopped.grads[0]!)).toEqual([0, 0])
  })
})

it('bitcast reads the bits', () => {
  expect(read(bitcast(f32(1, -0), 'u32'))).toEqual([0x3f800000, 0x80000000])
  expect(read(bitcast(given([1], [1], 'f16'), 'bf16'))).toEqual([0.0078125])
})

it('where takes no part of what it does not choose', () => {
  expect(read(where(bool(1, 0), f32(1, NaN), f32(NaN, 2)))).toEqual([1, 2])
})

describe('ties of max and min', () => {
  it('give each operand half of the gradient', () => {
    for (const op of [max, min]) {
      const a = f32(1, 2, 3)
      const b = f32(3, 2, 1)
      const [da, db] = readAll(differentiate([reduceSum(op(a, b), [0])], [a, b]).grads)
      const winner = op === max ? 1 : 0
      expect(da).toEqual([1 - winner, 0.5, winner])
      expect(db).toEqual([winner, 0.5, 1 - winner])
    }
  })
})

describe('errors', () => {
  const zeros = (dtype: DType, ...shape: number[]): Value =>
    given(new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0), shape, dtype)
  it.each<[string, () => Value, string, RegExp]>([
    [
      'shapes that do not broadcast',
      () => add(zeros('f32', 2, 3), zeros('f32', 2, 4)),
      'SHAPE',
      /add: shapes \[2, 3\] and \[2, 4\].*axis -1 is 3 in one and 4/,
    ],
    ['mixed dtypes', () => mul(zeros('f32', 2), zeros('i32', 2)), 'DTYPE', /mul: .*f32 \[2\] and i32 \[2\]; cast/],
    ['arithmetic on bool', () => mul(zeros('bool', 2), zeros('bool', 2)), 'DTYPE', /mul: .*bool \[2\]; use and/],
    ['bits of floats', () => and(zeros('f32', 2), zeros('f32', 2)), 'DTYPE', /and: takes bool and integers, got f32/],
    ['shifts of floats', () => shl(zeros('f32', 2), zeros('f32', 2)), 'DTYPE', /shl: takes integers/],
    ['functions of integers', () => exp(zeros('i32', 2)), 'DTYPE', /exp: takes floats .*got i32 \[2\]; cast/],
    ['tanh of bool', () => tanh(zeros('bool', 2)), 'DTYPE', /tanh: takes floats/],
    [
      'a condition that is not bool',
      () => where(zeros('i32', 2), zeros('f32', 2), zeros('f32', 2)),
      'DTYPE',
      /where: the condition must be bool, got i32/,
    ],
    [
      'a bitcast between sizes',
      () => bitcast(zeros('f32', 2), 'f16'),
      'DTYPE',
      /bitcast: f32 \[2\] cannot be read as f16; expected a dtype of 4 bytes/,
    ],
    ['a constant the dtype does not hold', () => constant(0.5, 'i32'), 'VALUE', /const: 0.5 is not a value of i32/],
    [
      'a symbol against a number',
      () => add(given([0], [sym('n', { max: 4 })]), zeros('f32', 4)),
      'SHAPE',
      /axis -1 is n in one and 4 in the other/,
    ],
  ])('%s', (_, make, code, message) => {
    expect(make).toThrow(message)
    expect(make).toThrow(expect.objectContaining({ code }))
  })
})
