/**
 * GGUF's blocks in the layout of `qmatmul`: values of 4 or 8 bits beside their scales and minimums, which stand for the same weights. Types of 2, 3 and 5 bits take the next larger number.
 *
 * Where a type has minimums and 4 bits, of which `qmatmul` takes 8 away, that is made good in the minimum: scale · q − min = scale · (q − 8) − (min − 8 · scale). All other weights are those of `blocks.ts`
 * bit for bit; these are wherever min − 8 · scale is exact in f32, and else within a unit in the last place of the larger term.
 */
import { TensorError } from '../../errors.js'
import type { StoredTensor } from '../stored.js'
import { fifth, half, minimumOf, scaleOf, signed } from './blocks.js'
import { blockTypes } from './types.js'

/** How values of a matrix are packed. */
export interface QuantizedLayout {
  readonly bits: 4 | 8
  /** Values that share a scale. */
  readonly block: 16 | 32
  readonly hasMins: boolean
}

/** A quantised matrix as bytes: packed u8 [N, K/block, block · bits/8], scales and minimums f32 [N, K/block]; of several in one, E before N. */
export interface StoredQuantized {
  readonly bits: 4 | 8
  readonly block: 16 | 32
  readonly packed: StoredTensor
  readonly scales: StoredTensor
  readonly mins?: StoredTensor
}

/** Where the parts of repacked blocks go. */
interface Parts {
  /** Stored values of one block of the file, one in a byte. */
  readonly values: Uint8Array
  readonly scales: Float32Array
  readonly mins: Float32Array
}

interface Repacked extends QuantizedLayout {
  /** Reads the block at `at`; `group` is the number of its first scale. */
  readonly read: (bytes: Uint8Array, at: number, parts: Parts, group: number) => void
}

const { fround } = Math

const repackings: ReadonlyMap<string, Repacked> = new Map<string, Repacked>([
  ['Q4_0', { bits: 4, block: 32, hasMins: false, read: q40 }],
  ['Q4_1', { bits: 4, block: 32, hasMins: true, read: q41 }],
  ['Q5_0', { bits: 8, block: 32, hasMins: false, read: q50 }],
  ['Q5_1', { bits: 8, block: 32, hasMins: true, read: q51 }],
  ['Q8_0', { bits: 8, block: 32, hasMins: false, read: q80 }],
  ['Q2_K', { bits: 4, block: 16, hasMins: true, read: q2k }],
  ['Q3_K', { bits: 4, block: 16, hasMins: false, read: q3k }],
  ['Q4_K', { bits: 4, block: 32, hasMins: true, read: q4k }],
  ['Q5_K', { bits: 8, block: 32, hasMins: true, read: q5k }],
  ['Q6_K', { bits: 8, block: 16, hasMins: false, read: q6k }],
])

/** The layout that a stored type is packed in; undefined for types that are not. */
export function layoutOf(type: string): QuantizedLayout | undefined {
  const found = repackings.get(type)
  return found === undefined ? undefined : { bits: found.bits, block: found.block, hasMins: found.hasMins }
}

/** Whether a tensor of this shape is a matrix, or several in one as experts have them. */
export const isMatrix = (shape: readonly number[]): boolean => shape.length === 2 || shape.length === 3

/** A matrix of a file's blocks as `qmatmul` takes it, or several. @throws TensorError DTYPE for types that {@link layoutOf} has none for, and matrices alone */
export function packBlocks(type: string, bytes: Uint8Array, shape: readonly number[], what = 'packBlocks'): StoredQuantized {
  const how = repackings.get(type)
  if (how === undefined || !isMatrix(shape))
    throw new TensorError(
      'DTYPE',
      `${what} is ${type} [${shape.join(', ')}]; matrices of ${[...repackings.keys()].join(', ')} are read in blocks`,
    )
  const [lead, columns] = [shape.slice(0, -1), shape.at(-1)!]
  const { packed, scales, mins } = repack(how, blockTypes.get(type)!, bytes)
  const blocks = columns / how.block
  const floats = (values: Float32Array): StoredTensor => ({ dtype: 'f32', shape: [...lead, blocks], bytes: new Uint8Array(values.buffer) })
  return {
    bits: how.bits,
    block: how.block,
    packed: { dtype: 'u8', shape: [...lead, blocks, (how.block * how.bits) / 8], bytes: packed },
    scales: floats(scales),
    ...(mins === undefined ? {} : { mins: floats(mins) }),
  }
}

/** Blocks of the file, `fileBlock` values in `fileBytes` bytes each, as packed values, scales and minimums. */
function repack(
  { bits, block, hasMins, read }: Repacked,
  { block: fileBlock, bytes: fileBytes }: { readonly block: number; readonly bytes: number },
  bytes: Uint8Array,
): { readonly packed: Uint8Array; readonly scales: Float32Array; readonly mins: Float32Array | undefined } {
  const count = bytes.byteLength / fileBytes
  const packed = new Uint8Array((count * fileBlock * bits) / 8)
  const groups = fileBlock / block
  const parts = {
    values: new Uint8Array(fileBlock),
    scales: new Float32Array(count * groups),
    mins: new Float32Array(hasMins ? count * groups : 0),
  }
  const { values } = parts
  for (let i = 0, at = 0, to = 0; i < count; i++, at += fileBytes) {
    read(bytes, at, parts, i * groups)
    if (bits === 8) {
      packed.set(values, to)
      to += fileBlock
    } else for (let j = 0; j < fileBlock; j += 2) packed[to++] = values[j]! | (values[j + 1]! << 4)
  }
  return { packed, scales: parts.scales, mins: hasMins ? parts.mins : undefined }
}

function q40(bytes: Uint8Array, at: number, { values, scales }: Parts, group: number): void {
  scales[group] = half(bytes, at)
  nibbles(bytes, at + 2, values)
}

function q41(bytes: Uint8Array, at: number, { values, scales, mins }: Parts, group: number): void {
  const scale = half(bytes, at)
  scales[group] = scale
  mins[group] = -(half(bytes, at + 2) + 8 * scale)
  nibbles(bytes, at + 4, values)
}

function nibbles(bytes: Uint8Array, at: number, values: Uint8Array): void {
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + i]!
    values[i] = pair & 15
    values[16 + i] = pair >> 4
  }
}

function q50(bytes: Uint8Array, at: number, { values, scales }: Parts, group: number): void {
  scales[group] = half(bytes, at)
  fiveBits(bytes, at + 2, values, 128 - 16)
}

function q51(bytes: Uint8Array, at: number, { values, scales, mins }: Parts, group: number): void {
  scales[group] = half(bytes, at)
  mins[group] = -half(bytes, at + 2)
  fiveBits(bytes, at + 4, values, 128)
}

function fiveBits(bytes: Uint8Array, at: number, values: Uint8Array, zero: number): void {
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 4 + i]!
    values[i] = zero + ((pair & 15) | fifth(bytes, at, i))
    values[16 + i] = zero + ((pair >> 4) | fifth(bytes, at, i + 16))
  }
}

function q80(bytes: Uint8Array, at: number, { values, scales }: Parts, group: number): void {
  scales[group] = half(bytes, at)
  for (let i = 0; i < 32; i++) values[i] = bytes[at + 2 + i]! ^ 128
}

function q2k(bytes: Uint8Array, at: number, { values, scales, mins }: Parts, first: number): void {
  const [scale, least] = [half(bytes, at + 80), half(bytes, at + 82)]
  for (let group = 0; group < 16; group++) {
    const both = bytes[at + group]!
    scales[first + group] = scale * (both & 15)
    mins[first + group] = least * (both >> 4)
    const from = at + 16 + 32 * (group >> 3) + 16 * (group & 1)
    const shift = 2 * ((group >> 1) & 3)
    for (let i = 0; i < 16; i++) values[16 * group + i] = 8 + ((bytes[from + i]! >> shift) & 3)
  }
}

function q3k(bytes: Uint8Array, at: number, { values, scales }: Parts, first: number): void {
  const scale = half(bytes, at + 108)
  for (let group = 0; group < 16; group++) {
    const low = (bytes[at + 96 + (group & 7)]! >> (4 * (group >> 3))) & 15
    const high = (bytes[at + 104 + (group & 3)]! >> (2 * (group >> 2))) & 3
    scales[first + group] = scale * ((low | (high << 4)) - 32)
    const place = 16 * (group & 1)
    const from = at + 32 + 32 * (group >> 3) + place
    const shift = 2 * ((group >> 1) & 3)
    for (let i = 0; i < 16; i++) {
      const third = (bytes[at + place + i]! >> (group >> 1)) & 1
      values[16 * group + i] = 4 + ((bytes[from + i]! >> shift) & 3) + 4 * third
    }
  }
}

function q4k(bytes: Uint8Array, at: number, { values, scales, mins }: Parts, first: number): void {
  const [scale, least] = [half(bytes, at), half(bytes, at + 2)]
  for (let group = 0; group < 8; group++) {
    const own = fround(scale * scaleOf(bytes, at + 4, group))
    scales[first + group] = own
    mins[first + group] = fround(least * minimumOf(bytes, at + 4, group)) - 8 * own
    const from = at + 16 + 32 * (group >> 1)
    const shift = 4 * (group & 1)
    for (let i = 0; i < 32; i++) values[32 * group + i] = (bytes[from + i]! >> shift) & 15
  }
}

function q5k(bytes: Uint8Array, at: number, { values, scales, mins }: Parts, first: number): void {
  const [scale, least] = [half(bytes, at), half(bytes, at + 2)]
  for (let group = 0; group < 8; group++) {
    scales[first + group] = scale * scaleOf(bytes, at + 4, group)
    mins[first + group] = least * minimumOf(bytes, at + 4, group)
    const from = at + 48 + 32 * (group >> 1)
    const shift = 4 * (group & 1)
    for (let i = 0; i < 32; i++)
      values[32 * group + i] = 128 + (((bytes[from + i]! >> shift) & 15) | (((bytes[at + 16 + i]! >> group) & 1) << 4))
  }
}

function q6k(bytes: Uint8Array, at: number, { values, scales }: Parts, first: number): void {
  const scale = half(bytes, at + 208)
  for (let group = 0; group < 16; group++) scales[first + group] = scale * signed(bytes[at + 192 + group]!)
  for (let row = 0; row < 8; row++) {
    const low = at + 64 * (row >> 2) + 32 * (row & 1)
    const high = at + 128 + 32 * (row >> 2)
    const lowShift = 4 * ((row >> 1) & 1)
    const highShift = 2 * (row & 3)
    for (let i = 0; i < 32; i++)
      values[32 * row + i] = 128 - 32 + (((bytes[low + i]! >> lowShift) & 15) | (((bytes[high + i]! >> highShift) & 3) << 4))
  }
}
