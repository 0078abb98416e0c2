import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TesseraeError } from './errors.js'
import { hashString } from './hash.js'
import { philox4x32 } from './philox.js'
import { foldKey, keyOfSeed } from './random-key.js'
import { random, restoreRandom } from './random.js'

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (TesseraeError.isInstance(error)) return error.code
    throw error
  }
  return 'nothing thrown'
}

/** Pearson's χ² of counts against equal expectations. */
function chiSquare(counts: ArrayLike<number>): number {
  const total = Array.from(counts).reduce((a, b) => a + b, 0)
  const expected = total / counts.length
  return Array.from(counts).reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

describe('hashString', () => {
  // Published FNV-1a 64 vectors (draft-eastlake-fnv, appendix C).
  it.each([
    ['', 0xcbf29ce484222325n],
    ['a', 0xaf63dc4c8601ec8cn],
    ['foobar', 0x85944171f73967e8n],
  ])('of %j is the published FNV-1a value', (text, expected) => {
    const [low, high] = hashString(text)
    expect((BigInt(high) << 32n) | BigInt(low)).toBe(expected)
  })

  it('agrees with FNV-1a in 64-bit integers for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        let hash = 0xcbf29ce484222325n
        for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
        const [low, high] = hashString(text)
        expect((BigInt(high) << 32n) | BigInt(low)).toBe(hash)
      }),
    )
  })
})

describe('keys', () => {
  it('split integers into words, negative ones in two’s complement', () => {
    expect(keyOfSeed(0)).toEqual([0, 0])
    expect(keyOfSeed(2 ** 32 + 5)).toEqual([5, 1])
    expect(keyOfSeed(-1)).toEqual([0xffffffff, 0xffffffff])
    expect(keyOfSeed('a')).toEqual([0x8601ec8c, 0xaf63dc4c])
  })

  it('refuse seeds that are not safe integers', () => {
    for (const seed of [NaN, 1.5, Infinity, 2 ** 53]) expect(codeOf(() => random(seed))).toBe('RANDOM_SEED')
  })

  it('fold to the documented Philox words', () => {
    const block = philox4x32([7, 0, 0, 0x666f6c64], [1, 2], new Uint32Array(4))
    expect(foldKey([1, 2], 7)).toEqual([block[0], block[1]])
    expect(foldKey([1, 2], '7')).not.toEqual(foldKey([1, 2], 7))
  })

  it('differ for different data', () => {
    const seen = new Set<string>()
    for (let i = -500; i < 500; i++) seen.add(foldKey([0, 0], i).join()).add(foldKey([0, 0], String(i)).join())
    expect(seen.size).toBe(2000)
  })
})

describe('random', () => {
  it('draws the documented Philox words, which never change', () => {
    const stream = random(42)
    const drawn = Array.from({ length: 8 }, () => stream.uint32())
    const block = (index: number) => [...philox4x32([index, 0, 0, 0x64726177], [42, 0], new Uint32Array(4))]
    expect(drawn).toEqual([...block(0), ...block(1)])
  })

  it('gives the same stream for the same seed and name, whatever was drawn before', () => {
    const a = random('seed')
    const b = random('seed')
    for (let i = 0; i < 5; i++) a.uint32()
    expect(a.stream('dropout').uint32()).toBe(b.stream('dropout').uint32())
    expect(a.stream('dropout').uint32()).toBe(a.fold('dropout').uint32())
    expect(a.stream('dropout').uint32()).not.toBe(a.stream('shuffle').uint32())
    expect(a.fold(1).uint32()).not.toBe(a.fold(2).uint32())
  })

  it('resumes bit for bit from its state, also through JSON', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.array(fc.constantFrom('uint32', 'uniform', 'normal'), { maxLength: 12 }), (seed, draws) => {
        const stream = random(seed)
        for (const draw of draws) stream[draw as 'uniform']()
        const resumed = restoreRandom(JSON.parse(JSON.stringify(stream.state())))
        for (let i = 0; i < 9; i++) expect(resumed.uint32()).toBe(stream.uint32())
        expect(resumed.state()).toEqual(stream.state())
      }),
    )
  })

  it('continues past 2^32 blocks', () => {
    const position = 2 ** 34 * 3 + 2
    const expected = philox4x32([0, 3, 0, 0x64726177], [9, 0], new Uint32Array(4))
    expect(restoreRandom({ key: [9, 0], position }).uint32()).toBe(expected[2])
  })

  it('refuses states that are not states', () => {
    for (const state of [
      { key: [1], position: 0 },
      { key: [1, -2], position: 0 },
      { key: [1, 2], position: -1 },
      { key: [1, 2] },
      { position: 0 },
    ]) {
      expect(codeOf(() => restoreRandom(state as never))).toBe('RANDOM_STATE')
    }
  })

  it('spreads int over its range without bias', () => {
    // The 0.999999 quantile of χ² with 6 degrees of freedom is 38.3.
    const counts = new Uint32Array(7)
    const stream = random(1)
    for (let i = 0; i < 70_000; i++) counts[stream.int(7)]!++
    expect(chiSquare(counts)).toBeLessThan(38.3)
    // Without rejection the lower half of this limit would be drawn twice as often as the upper.
    const limit = 3 * 2 ** 30
    let upper = 0
    for (let i = 0; i < 10_000; i++) if (stream.int(limit) >= limit / 2) upper++
    expect(upper / 10_000).toBeCloseTo(0.5, 1)
  })

  it('keeps int within limits of any size', () => {
    const stream = random(2)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (limit) => {
        const value = stream.int(limit)
        expect(Number.isSafeInteger(value) && value >= 0 && value < limit).toBe(true)
      }),
    )
    for (const limit of [0, -1, 1.5, NaN, 2 ** 53]) expect(codeOf(() => stream.int(limit))).toBe('RANDOM_RANGE')
  })

  it('fills arrays with the numbers that it would give one by one', () => {
    const [one, other] = [random(5), random(5)]
    one.uint32()
    other.uint32()
    const filled = new Float64Array(9)
    one.fillUniform(filled)
    expect([...filled]).toEqual(Array.from({ length: 9 }, () => other.uniform()))
    expect(one.state()).toEqual(other.state())
  })

  it('draws uniform and normal numbers with the right moments', () => {
    const stream = random(3)
    const n = 50_000
    let sum = 0
    const moments = [0, 0, 0, 0]
    for (let i = 0; i < n; i++) {
      const u = stream.uniform()
      expect(u >= 0 && u < 1).toBe(true)
      sum += u
      const x = stream.normal()
      for (let k = 0; k < 4; k++) moments[k]! += x ** (k + 1) / n
    }
    // Five standard errors each: 0.29, 1, √2, √15 and √96 over √n.
    expect(Math.abs(sum / n - 0.5)).toBeLessThan(0.0065)
    const limits = [0.0224, 0.0317, 0.0867, 0.22]
    for (const [k, expected] of [0, 1, 0, 3].entries()) expect(Math.abs(moments[k]! - expected)).toBeLessThan(limits[k]!)
  })

  it('shuffles every order equally often and in place', () => {
    const stream = random(4)
    const counts = new Map<string, number>()
    for (let i = 0; i < 24_000; i++) {
      const order = stream.permutation(4).join()
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    expect(counts.size).toBe(24)
    // The 0.999999 quantile of χ² with 23 degrees of freedom is 70.
    expect(chiSquare([...counts.values()])).toBeLessThan(70)
    const items = ['a', 'b', 'c']
    expect(stream.shuffle(items)).toBe(items)
    expect(items.toSorted()).toEqual(['a', 'b', 'c'])
    expect(stream.permutation(0)).toEqual(new Uint32Array(0))
  })

  it('chooses every element and refuses an empty array', () => {
    const stream = random(5)
    const seen = new Set(Array.from({ length: 100 }, () => stream.choice(['x', 'y', 'z'])))
    expect([...seen].sort()).toEqual(['x', 'y', 'z'])
    expect(codeOf(() => stream.choice([]))).toBe('RANDOM_RANGE')
  })
})
