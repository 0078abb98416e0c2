import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { quantizeBlocks, quantizeMatrix, type QuantizedType } from './quantize.js'

const fixture = JSON.parse(readFileSync(new URL('__fixtures__/quantize.json', import.meta.url), 'utf8')) as Record<
  QuantizedType | 'values',
  string
> & {
  shape: [number, number]
}
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'))
const values = new Float32Array(bytesOf(fixture.values).buffer)

describe('weights in blocks', () => {
  it.each(['Q8_0', 'Q4_0', 'Q4_1'] as const)('%s has the bytes of the gguf package', (type) => {
    expect(Buffer.from(quantizeBlocks(type, values)).equals(Buffer.from(bytesOf(fixture[type])))).toBe(true)
  })

  it.each([
    ['Q8_0', 1 / 250],
    ['Q4_0', 1 / 7],
    ['Q4_1', 2 / 29],
  ] as const)('%s is near the weights', (type, share) => {
    const numbers = Float32Array.from({ length: 256 }, (_, i) => Math.sin(i * i))
    const { packed, scales, mins, bits } = quantizeMatrix(type, numbers, [4, 64])
    const floats = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.buffer)
    for (const [i, number] of numbers.entries()) {
      const stored = bits === 8 ? packed.bytes[i]! - 128 : ((packed.bytes[i >> 1]! >> (4 * (i & 1))) & 15) - 8
      const weight = floats(scales.bytes)[i >> 5]! * stored - (mins === undefined ? 0 : floats(mins.bytes)[i >> 5]!)
      expect(Math.abs(weight - number)).toBeLessThan(share)
    }
  })

  it('say what does not fit', () => {
    expect(() => quantizeBlocks('Q8_0', new Float32Array(33))).toThrow('33 values are no whole blocks of 32')
    expect(() => quantizeBlocks('Q6_K' as 'Q8_0', new Float32Array(32))).toThrow('expected one of Q8_0, Q4_0, Q4_1')
    for (const type of ['Q8_0', 'Q4_0', 'Q4_1'] as const)
      for (const wrong of [NaN, Infinity, -Infinity])
        expect(() => quantizeBlocks(type, new Float32Array(32).fill(1).fill(wrong, 5, 6))).toThrow('blocks hold finite numbers')
    expect(() => quantizeBlocks('Q8_0', new Float32Array(32).fill(1e9))).toThrow('scales are halves')
    expect(() => quantizeMatrix('Q8_0', new Float32Array(64), [4, 16])).toThrow('expected rows of a multiple of 32')
  })
})
