/**
 * Weights into blocks that share scales, in float32 and with the operations in the order that the `gguf` package of Python has, whose blocks these are bit for bit.
 *
 * Source of the formulas: `quantize_blocks` of the package (gguf-py/gguf/quants.py), which repeats ggml's reference (ggml-quants.c), https://github.com/ggml-org/llama.cpp.
 */
import { toHalfBits } from '../../dtype.js'
import { TensorError } from '../../errors.js'
import { packBlocks, type StoredQuantized } from './repack.js'

/** Types that weights can be brought into. */
export type QuantizedType = 'Q8_0' | 'Q4_0' | 'Q4_1'

type Encode = (values: Float32Array, from: number, out: Uint8Array, at: number) => void

const BLOCK = 32
const encoders: Readonly<Record<QuantizedType, { readonly bytes: number; readonly encode: Encode }>> = {
  Q8_0: { bytes: 34, encode: q80 },
  Q4_0: { bytes: 18, encode: q40 },
  Q4_1: { bytes: 20, encode: q41 },
}

/**
 * Float weights as blocks of 32, as they are in a GGUF file: 34 bytes each of Q8_0, 18 of Q4_0, 20 of Q4_1. A type of 8 bits is within 1/254 of a block's largest weight, one of 4 bits within about 1/16 (Q4_0) or 1/30 of what
 * lies between the least and the largest (Q4_1).
 *
 * @param values row-major, rows a multiple of 32 long
 * @throws TensorError VALUE for another number of values, another type, and values that are not finite or too large for a scale of 16 bits
 */
export function quantizeBlocks(type: QuantizedType, values: Float32Array): Uint8Array {
  const encoder = Object.hasOwn(encoders, type) ? encoders[type] : undefined
  if (encoder === undefined)
    throw new TensorError(
      'VALUE',
      `quantizeBlocks: the type is ${JSON.stringify(type)}; expected one of ${Object.keys(encoders).join(', ')}`,
    )
  if (values.length % BLOCK !== 0)
    throw new TensorError('VALUE', `quantizeBlocks: ${values.length} values are no whole blocks of ${BLOCK}; keep such a tensor as floats`)
  const out = new Uint8Array((values.length / BLOCK) * encoder.bytes)
  for (let from = 0, at = 0; from < values.length; from += BLOCK, at += encoder.bytes) {
    if (!values.subarray(from, from + BLOCK).every(Number.isFinite))
      throw new TensorError('VALUE', 'quantizeBlocks: a weight is infinite or no number; blocks hold finite numbers')
    encoder.encode(values, from, out, at)
  }
  return out
}

/** A float matrix [rows, columns] in blocks, as `qmatmul` takes it, or several in one [count, rows, columns]. @throws TensorError as {@link quantizeBlocks} */
export function quantizeMatrix(type: QuantizedType, values: Float32Array, shape: readonly number[]): StoredQuantized {
  const size = shape.reduce((a, b) => a * b, 1)
  if (values.length !== size || shape.at(-1)! % BLOCK !== 0)
    throw new TensorError(
      'VALUE',
      `quantizeMatrix: ${values.length} values and the shape [${shape.join(', ')}]; expected rows of a multiple of ${BLOCK}`,
    )
  return packBlocks(type, quantizeBlocks(type, values), shape)
}

const { abs, floor, fround, sign, trunc } = Math

function setHalf(out: Uint8Array, at: number, value: number): void {
  const bits = toHalfBits(value)
  if ((bits & 0x7c00) === 0x7c00)
    throw new TensorError(
      'VALUE',
      `quantizeBlocks: a block needs the scale ${value}, and scales are halves, of at most 65504; keep the tensor as floats`,
    )
  out[at] = bits & 255
  out[at + 1] = bits >> 8
}

function q80(values: Float32Array, from: number, out: Uint8Array, at: number): void {
  let largest = 0
  for (let i = 0; i < BLOCK; i++) largest = Math.max(largest, abs(values[from + i]!))
  const scale = fround(largest / 127)
  const inverse = scale === 0 ? 0 : fround(1 / scale)
  setHalf(out, at, scale)
  for (let i = 0; i < BLOCK; i++) {
    const value = fround(values[from + i]! * inverse)
    const size = abs(value)
    const whole = floor(size)
    out[at + 2 + i] = sign(value) * (whole + floor(2 * (size - whole)))
  }
}

function q40(values: Float32Array, from: number, out: Uint8Array, at: number): void {
  let largest = values[from]!
  for (let i = 1; i < BLOCK; i++) if (!(abs(values[from + i]!) <= abs(largest))) largest = values[from + i]!
  const scale = fround(largest / -8)
  const inverse = scale === 0 ? 0 : fround(1 / scale)
  setHalf(out, at, scale)
  const nibble = (value: number): number => Math.min(15, trunc(fround(fround(value * inverse) + 8.5)))
  for (let i = 0; i < 16; i++) out[at + 2 + i] = nibble(values[from + i]!) | (nibble(values[from + 16 + i]!) << 4)
}

function q41(values: Float32Array, from: number, out: Uint8Array, at: number): void {
  let least = values[from]!
  let largest = least
  for (let i = 1; i < BLOCK; i++) {
    const value = values[from + i]!
    if (!(value >= least)) least = value
    if (!(value <= largest)) largest = value
  }
  const scale = fround(fround(largest - least) / 15)
  const inverse = scale === 0 ? 0 : fround(1 / scale)
  setHalf(out, at, scale)
  setHalf(out, at + 2, least)
  const nibble = (value: number): number => Math.min(15, trunc(fround(fround(fround(value - least) * inverse) + 0.5)))
  for (let i = 0; i < 16; i++) out[at + 4 + i] = nibble(values[from + i]!) | (nibble(values[from + 16 + i]!) << 4)
}
