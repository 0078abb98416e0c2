import { describe, expect, it } from 'vitest'
import { dtypeOf, shapeOf, type Value } from './graph/node.js'
import { cast, constant, randomBits, reduceSum } from './graph/primitives.js'
import { given, read, readAll } from './testing/evaluate.js'
import { bernoulli, dropout, foldKey, hashName, normal, seedWords, uniform } from './random.js'
import { sym } from './shape.js'
import { differentiate } from './transform/backward.js'

const key = (seed: number | bigint = 42): Value => given([...seedWords(seed)], [2], 'u32')
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length

describe('randomBits', () => {
  it('is Philox4x32-10: the answers published by Random123', () => {
    const bits = (words: number[], stream: number, domain: number): number[] =>
      read(randomBits(given(words, [2], 'u32'), constant(stream, 'u32'), { shape: [4], domain }))
    expect(bits([0, 0], 0, 0)).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8])
  })
  it('numbers elements by flat index, four to a block', () => {
    const draw = (shape: number[]): number[] => read(randomBits(key(), constant(3, 'u32'), { shape, domain: 0 }))
    expect(draw([3, 3])).toEqual(draw([16]).slice(0, 9))
    expect(new Set(draw([16])).size).toBe(16)
  })
  it('refuses keys, streams and shapes it cannot use', () => {
    const stream = constant(0, 'u32')
    expect(() => randomBits(given([1, 2, 3], [3], 'u32'), stream, { shape: [2], domain: 0 })).toThrow(
      /the key must be u32 \[2\], got u32 \[3\]/,
    )
    expect(() => randomBits(key(), given([1]), { shape: [2], domain: 0 })).toThrow(/the stream must be a u32 scalar, got f32 \[1\]/)
    expect(() => randomBits(key(), stream, { shape: [sym('n', { max: 2 })], domain: 0 })).toThrow(/draw at its maximum and slice/)
    expect(() => randomBits(key(), stream, { shape: [2], domain: -1 })).toThrow(/domain -1/)
  })
})

describe('keys', () => {
  it('come from the low and high words of a seed', () => {
    expect([...seedWords(5)]).toEqual([5, 0])
    expect([...seedWords(2 ** 32 + 7)]).toEqual([7, 1])
    expect([...seedWords((1n << 64n) - 1n)]).toEqual([0xffffffff, 0xffffffff])
    for (const seed of [-1, 1.5, NaN, 2 ** 53, -1n, 1n << 64n]) expect(() => seedWords(seed)).toThrow(/the seed/)
  })
  it('hash names with FNV-1a and the finaliser of MurmurHash3', () => {
    // Computed with Python integers from the published definitions.
    expect(['', 'a', 'dropout', 'größe'].map(hashName)).toEqual([0xab3e7c0b, 0x1a80b1b3, 0xebe801de, 0xcda1b73c])
  })
  it('fold data into independent keys, numbers and scalars alike', () => {
    const at = (data: Parameters<typeof foldKey>[1]): string => read(foldKey(key(), data)).join()
    expect(new Set([at(0), at(1), at('0'), at('attention'), at('mlp')]).size).toBe(5)
    expect(at(7)).toBe(at(given([7], [], 'u32')))
    expect(at(7)).toBe(at(given([7], [], 'i32')))
    expect(at(7)).toBe(at(given([7], [], 'f32')))
    expect(at(4294967295)).toBe(at(given([-1], [], 'i32')))
    expect(() => foldKey(key(), -1)).toThrow(/fold: -1 must be an integer from 0/)
    expect(() => foldKey(key(), given([1, 2]))).toThrow(/must be a scalar, got f32 \[2\]/)
  })
  it('never repeat bits between draws and folds', () => {
    const [draw, folded] = readAll([randomBits(key(), constant(0, 'u32'), { shape: [2], domain: 0 }), foldKey(key(), 0)])
    expect(folded).not.toEqual(draw)
  })
})

describe('draws', () => {
  it('uniform lies in [0, 1), on multiples of 2^-24, with the right moments', () => {
    const x = uniform(key(), [100, 100])
    expect([dtypeOf(x), shapeOf(x)]).toEqual(['f32', [100, 100]])
    const values = read(x)
    expect(values.every((value) => value >= 0 && value < 1 && Number.isInteger(value * 2 ** 24))).toBe(true)
    expect(mean(values)).toBeCloseTo(0.5, 2)
    expect(mean(values.map((v) => (v - 0.5) ** 2))).toBeCloseTo(1 / 12, 2)
  })
  it('normal has mean 0, variance 1 and kurtosis 3', () => {
    const values = read(normal(key(1), [20000]))
    expect(Math.abs(mean(values))).toBeLessThan(0.03)
    expect(Math.abs(mean(values.map((v) => v * v)) - 1)).toBeLessThan(0.03)
    expect(Math.abs(mean(values.map((v) => v ** 4)) - 3)).toBeLessThan(0.25)
    expect(values.every(Number.isFinite)).toBe(true)
  })
  it('gives an element the same number at any length', () => {
    const n = sym('n', { max: 8 })
    expect(read(normal(key(), [5]))).toEqual(read(normal(key(), [8])).slice(0, 5))
    expect(read(uniform(key(), [n]), new Map([[n, 3]]))).toEqual(read(uniform(key(), [8])).slice(0, 3))
  })
  it('bernoulli is true as often as asked', () => {
    const often = (p: number | Value): number => mean(read(cast(bernoulli(key(), p, [10000]), 'f32')))
    expect(often(0.3)).toBeCloseTo(0.3, 1)
    expect(often(given([0.8], []))).toBeCloseTo(0.8, 1)
    expect([often(0), often(1)]).toEqual([0, 1])
    expect(() => bernoulli(key(), 1.5, [2])).toThrow(/from 0 to 1, got 1.5/)
  })
})

describe('dropout', () => {
  const x = given(new Array<number>(10000).fill(2), [100, 100])
  it('keeps the mean and repeats its mask for a key', () => {
    const values = read(dropout(x, 0.25, key()))
    expect(new Set(values)).toEqual(new Set([0, Math.fround(2 / 0.75)]))
    expect(mean(values)).toBeCloseTo(2, 1)
    expect(values).toEqual(read(dropout(x, 0.25, key())))
    expect(values).not.toEqual(read(dropout(x, 0.25, foldKey(key(), 'other'))))
  })
  it('passes the gradient where it kept', () => {
    const out = dropout(x, 0.5, key())
    const [values, grad] = readAll([out, differentiate([reduceSum(out, [0, 1])], [x]).grads[0]!])
    expect(grad).toEqual(values!.map((value) => value / 2))
  })
  it('does nothing at 0, gives zeros at 1, keeps dtypes and refuses the rest', () => {
    expect(dropout(x, 0, key())).toBe(x)
    expect(read(dropout(given([NaN, 1]), 1, key()))).toEqual([0, 0])
    expect(dtypeOf(dropout(given([1, 2], [2], 'f16'), 0.5, key()))).toBe('f16')
    expect(() => dropout(x, -0.1, key())).toThrow(/dropout: the probability must be from 0 to 1, got -0.1/)
  })
})
