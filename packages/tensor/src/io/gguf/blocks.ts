/**
 * Weights out of blocks that share scales, in float32 and with the operations in the order that the `gguf` package of Python has, whose results these are bit for bit.
 *
 * Source of the layouts: ggml's block structures (ggml-common.h), https://github.com/ggml-org/ggml.
 */
import { fromHalfBits } from '../../dtype.js'

/** Writes the weights of the block at `at` to `out`, from `to` on. */
type Decode = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void

/** The blocks that can be decoded; other types are read as raw bytes only. */
export const blockDecoders: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['Q4_0', q40],
  ['Q4_1', q41],
  ['Q5_0', q50],
  ['Q5_1', q51],
  ['Q8_0', q80],
  ['Q2_K', q2k],
  ['Q3_K', q3k],
  ['Q4_K', q4k],
  ['Q5_K', q5k],
  ['Q6_K', q6k],
])

const { fround } = Math
export const half = (bytes: Uint8Array, at: number): number => fromHalfBits(bytes[at]! | (bytes[at + 1]! << 8))
export const signed = (byte: number): number => (byte << 24) >> 24

/** Of 32 elements the lower half bytes are the first 16, the upper ones the last. */
function q40(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = half(bytes, at)
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 2 + i]!
    out[to + i] = scale * ((pair & 15) - 8)
    out[to + 16 + i] = scale * ((pair >> 4) - 8)
  }
}

function q41(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const [scale, least] = [half(bytes, at), half(bytes, at + 2)]
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 4 + i]!
    out[to + i] = fround(scale * (pair & 15)) + least
    out[to + 16 + i] = fround(scale * (pair >> 4)) + least
  }
}

/** Bit `i` of four bytes, as the fifth bit of an element. */
export const fifth = (bytes: Uint8Array, at: number, i: number): number => ((bytes[at + (i >> 3)]! >> (i & 7)) & 1) << 4

function q50(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = half(bytes, at)
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 6 + i]!
    out[to + i] = scale * (((pair & 15) | fifth(bytes, at + 2, i)) - 16)
    out[to + 16 + i] = scale * (((pair >> 4) | fifth(bytes, at + 2, i + 16)) - 16)
  }
}

function q51(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const [scale, least] = [half(bytes, at), half(bytes, at + 2)]
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 8 + i]!
    out[to + i] = fround(scale * ((pair & 15) | fifth(bytes, at + 4, i))) + least
    out[to + 16 + i] = fround(scale * ((pair >> 4) | fifth(bytes, at + 4, i + 16))) + least
  }
}

function q80(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = half(bytes, at)
  for (let i = 0; i < 32; i++) out[to + i] = scale * signed(bytes[at + 2 + i]!)
}

/** 16 groups of 16, each with half a byte of scale and half a byte of minimum; of each byte of 32, four elements that lie 32 apart. */
function q2k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const [scale, least] = [half(bytes, at + 80), half(bytes, at + 82)]
  for (let group = 0; group < 16; group++) {
    const packed = bytes[at + group]!
    const [own, minimum] = [fround(scale * (packed & 15)), fround(least * (packed >> 4))]
    const from = at + 16 + 32 * (group >> 3) + 16 * (group & 1)
    const shift = 2 * ((group >> 1) & 3)
    for (let i = 0; i < 16; i++) out[to + 16 * group + i] = fround(own * ((bytes[from + i]! >> shift) & 3)) - minimum
  }
}

/** As {@link q2k}, with a third bit of each element, which lowers by 4 where it is not set, and scales of 6 bits: 4 in the first 8 bytes, 2 in the last 4. */
function q3k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = half(bytes, at + 108)
  for (let group = 0; group < 16; group++) {
    const low = (bytes[at + 96 + (group & 7)]! >> (4 * (group >> 3))) & 15
    const high = (bytes[at + 104 + (group & 3)]! >> (2 * (group >> 2))) & 3
    const own = fround(scale * ((low | (high << 4)) - 32))
    const place = 16 * (group & 1)
    const from = at + 32 + 32 * (group >> 3) + place
    const shift = 2 * ((group >> 1) & 3)
    for (let i = 0; i < 16; i++) {
      const value = (bytes[from + i]! >> shift) & 3
      const third = (bytes[at + place + i]! >> (group >> 1)) & 1
      out[to + 16 * group + i] = own * (value - (third === 0 ? 4 : 0))
    }
  }
}

/** The scale of group `j` of eight, 6 bits: of the first four in bytes of their own, of the others in half bytes and in what these leave. */
export const scaleOf = (bytes: Uint8Array, at: number, j: number): number =>
  j < 4 ? bytes[at + j]! & 63 : (bytes[at + 4 + j]! & 15) | ((bytes[at + j - 4]! >> 2) & 48)

export const minimumOf = (bytes: Uint8Array, at: number, j: number): number =>
  j < 4 ? bytes[at + 4 + j]! & 63 : (bytes[at + 4 + j]! >> 4) | ((bytes[at + j]! >> 2) & 48)

/** Eight groups of 32; the lower half bytes of 32 are one group, the upper ones the next. */
function q4k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const [scale, least] = [half(bytes, at), half(bytes, at + 2)]
  for (let group = 0; group < 8; group++) {
    const own = fround(scale * scaleOf(bytes, at + 4, group))
    const minimum = fround(least * minimumOf(bytes, at + 4, group))
    const from = at + 16 + 32 * (group >> 1)
    const shift = 4 * (group & 1)
    for (let i = 0; i < 32; i++) out[to + 32 * group + i] = fround(own * ((bytes[from + i]! >> shift) & 15)) - minimum
  }
}

/** As {@link q4k}, with a fifth bit of each element: bit `group` of one of 32 bytes. */
function q5k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const [scale, least] = [half(bytes, at), half(bytes, at + 2)]
  for (let group = 0; group < 8; group++) {
    const own = fround(scale * scaleOf(bytes, at + 4, group))
    const minimum = fround(least * minimumOf(bytes, at + 4, group))
    const from = at + 48 + 32 * (group >> 1)
    const shift = 4 * (group & 1)
    for (let i = 0; i < 32; i++) {
      const value = ((bytes[from + i]! >> shift) & 15) | (((bytes[at + 16 + i]! >> group) & 1) << 4)
      out[to + 32 * group + i] = fround(own * value) - minimum
    }
  }
}

/** 16 groups of 16 with scales of a byte; four bits of each element in 128 bytes, two more in 64. */
function q6k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = half(bytes, at + 208)
  for (let row = 0; row < 8; row++) {
    const low = at + 64 * (row >> 2) + 32 * (row & 1)
    const high = at + 128 + 32 * (row >> 2)
    const lowShift = 4 * ((row >> 1) & 1)
    const highShift = 2 * (row & 3)
    for (let i = 0; i < 32; i++) {
      const value = ((bytes[low + i]! >> lowShift) & 15) | (((bytes[high + i]! >> highShift) & 3) << 4)
      const own = fround(scale * signed(bytes[at + 192 + 2 * row + (i >> 4)]!))
      out[to + 32 * row + i] = own * (value - 32)
    }
  }
}
