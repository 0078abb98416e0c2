import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  byteSize,
  castNumber,
  computeArray,
  decodeStorage,
  dtypes,
  encodeStorage,
  fromBfloatBits,
  fromHalfBits,
  integerRange,
  isFloat,
  isInteger,
  roundToStorage,
  storageView,
  toBfloatBits,
  toHalfBits,
  type DType,
} from './dtype.js'

/**
 * A 16-bit float format by its definition: the value of each pattern, and of a number the pattern whose value is nearest,
 * the even one of two. Halfway points between neighbours have one bit more than the values, so doubles hold them exactly.
 */
class Format {
  /** Values of the finite positive patterns, by pattern, then the power of two at which infinity begins. */
  readonly values: readonly number[]
  readonly infinity: number

  constructor(
    readonly mantissaBits: number,
    readonly bias: number,
  ) {
    this.infinity = 0x7fff - (2 ** mantissaBits - 1)
    this.values = Array.from({ length: this.infinity + 1 }, (_, bits) => {
      const exponent = bits >> mantissaBits
      const mantissa = (bits & (2 ** mantissaBits - 1)) / 2 ** mantissaBits
      return exponent === 0 ? mantissa * 2 ** (1 - bias) : (1 + mantissa) * 2 ** (exponent - bias)
    })
  }

  nearest(value: number): number {
    const sign = Object.is(value, -0) || value < 0 ? 0x8000 : 0
    const magnitude = Math.abs(value)
    let low = 0
    let high = this.infinity
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.values[middle]! <= magnitude) low = middle
      else high = middle - 1
    }
    if (low === this.infinity) return sign | low
    const halfway = (this.values[low]! + this.values[low + 1]!) / 2
    return sign | (magnitude > halfway || (magnitude === halfway && low % 2 === 1) ? low + 1 : low)
  }
}

describe.each([
  { name: 'f16', format: new Format(10, 15), to: toHalfBits, from: fromHalfBits },
  { name: 'bf16', format: new Format(7, 127), to: toBfloatBits, from: fromBfloatBits },
] as const)('$name', ({ name, format, to, from }) => {
  it('means what its definition says, for all 65536 patterns, and goes back to them', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = from(bits)
      const magnitude = bits & 0x7fff
      if (magnitude > format.infinity) {
        expect(value).toBeNaN()
        const again = to(value) & 0x7fff
        if (again <= format.infinity) throw new Error(`NaN ${bits.toString(16)} became ${again.toString(16)}`)
        continue
      }
      const expected = (bits >> 15 ? -1 : 1) * (magnitude === format.infinity ? Infinity : format.values[magnitude]!)
      if (!Object.is(value, expected)) throw new Error(`pattern ${bits.toString(16)} is ${value}, expected ${expected}`)
      if (to(value) !== bits) throw new Error(`${value} became ${to(value).toString(16)}, expected ${bits.toString(16)}`)
    }
  })

  it('rounds halves to even and everything beside them to its side', () => {
    const ulp = (x: number): number => Math.max(Math.abs(x) * 2 ** -52, Number.MIN_VALUE)
    for (let bits = 0; bits < format.infinity; bits++) {
      const halfway = (format.values[bits]! + format.values[bits + 1]!) / 2
      for (const x of [halfway, halfway + ulp(halfway), halfway - ulp(halfway), halfway * (1 + 2 ** -30), halfway * (1 - 2 ** -30)])
        for (const value of [x, -x])
          if (to(value) !== format.nearest(value))
            throw new Error(`${value} became ${to(value).toString(16)}, nearest is ${format.nearest(value).toString(16)}`)
    }
  })

  it('rounds any double to the nearest value', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.double({ noNaN: true }),
          fc.float({ noNaN: true }),
          fc.double({ min: -1e-7, max: 1e-7, noNaN: true }),
          fc.double({ min: -7e4, max: 7e4, noNaN: true }),
        ),
        (value) => {
          expect(to(value)).toBe(format.nearest(value))
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('keeps signs, infinities and NaN', () => {
    expect([to(0), to(-0), to(Infinity), to(-Infinity)]).toEqual([0, 0x8000, format.infinity, 0x8000 | format.infinity])
    expect(to(NaN) & 0x7fff).toBeGreaterThan(format.infinity)
    expect([to(Number.MAX_VALUE), to(-Number.MAX_VALUE), to(Number.MIN_VALUE), to(-Number.MIN_VALUE)]).toEqual([
      format.infinity,
      0x8000 | format.infinity,
      0,
      0x8000,
    ])
  })

  it('is stored as bits and computed as f32', () => {
    const values = computeArray(name, 4)
    expect(values).toBeInstanceOf(Float32Array)
    values.set([1.0001, -0, Infinity, NaN])
    roundToStorage(name, values)
    const bytes = encodeStorage(name, values)
    expect(bytes.byteLength).toBe(8)
    expect([...decodeStorage(name, bytes)]).toEqual([...values])
    expect([...storageView(name, bytes)]).toEqual([...values].map(to))
  })
})

it('keeps signalling bfloat NaNs apart from infinity', () => {
  // Only low mantissa bits are set, which truncation would lose.
  const scratch = new DataView(new ArrayBuffer(4))
  scratch.setUint32(0, 0x7f800001)
  expect(toBfloatBits(scratch.getFloat32(0)) & 0x7fff).toBeGreaterThan(0x7f80)
})

describe('castNumber', () => {
  it('saturates integers, truncates toward zero, and makes NaN 0', () => {
    for (const dtype of ['i32', 'u32', 'i8', 'u8'] as const) {
      const [low, high] = integerRange(dtype)
      fc.assert(
        fc.property(fc.double(), (value) => {
          const expected = Number.isNaN(value) ? 0 : value <= low ? low : value >= high ? high : Math.trunc(value) + 0
          expect(castNumber(dtype, value)).toBe(expected)
        }),
      )
      expect([NaN, Infinity, -Infinity, -0.9, 1.9].map((value) => castNumber(dtype, value))).toEqual([0, high, low, 0, 1])
    }
  })

  it('rounds floats once', () => {
    fc.assert(fc.property(fc.double({ noNaN: true }), (value) => Object.is(castNumber('f32', value), Math.fround(value))))
    // To f32 first this is the halfway point, which goes to even.
    expect(castNumber('f16', 1 + 2 ** -11 + 2 ** -40)).toBe(1 + 2 ** -10)
    expect(castNumber('bf16', 1 + 2 ** -8 + 2 ** -40)).toBe(1 + 2 ** -7)
    expect(castNumber('f64', 0.1)).toBe(0.1)
  })

  it('is true for anything but zero', () => {
    expect([0, -0, 1, -3, 0.1, NaN, Infinity].map((value) => castNumber('bool', value))).toEqual([0, 0, 1, 1, 1, 1, 1])
  })
})

describe('storage', () => {
  const sizes: Record<DType, number> = { f64: 8, f32: 4, f16: 2, bf16: 2, i32: 4, u32: 4, i8: 1, u8: 1, bool: 1 }

  it('round-trips every dtype, from any offset', () => {
    for (const dtype of dtypes) {
      expect(byteSize(dtype)).toBe(sizes[dtype])
      expect([isFloat(dtype), isInteger(dtype)]).toEqual([dtype.includes('f'), /^[iu]/.test(dtype)])
      const values = computeArray(dtype, 5)
      values.set([0, 1, 1, 0, 1])
      const bytes = encodeStorage(dtype, values)
      expect(bytes.byteLength).toBe(5 * sizes[dtype])
      const shifted = new Uint8Array(bytes.byteLength + 1)
      shifted.set(bytes, 1)
      for (const from of [bytes, shifted.subarray(1)]) {
        const decoded = decodeStorage(dtype, from)
        expect(decoded.constructor).toBe(values.constructor)
        expect([...decoded]).toEqual([0, 1, 1, 0, 1])
        expect(decoded.buffer).not.toBe(from.buffer)
      }
    }
  })

  it('refuses ranges of floats', () => {
    expect(() => integerRange('f32')).toThrow(/f32 has no integer range/)
  })
})
