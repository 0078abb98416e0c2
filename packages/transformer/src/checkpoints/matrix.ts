/** Matrices out of files, in the type that a model is to keep them in. */
import {
  convertFloats,
  fromBytes,
  quantizeMatrix,
  type Device,
  type GgufFile,
  type QuantizedLayout,
  type StoredQuantized,
  type StoredTensor,
  type Tensor,
  type Tensors,
} from '@tesserae/tensor'
import { isPackable } from '../architectures/weights.js'
import { TransformerError } from '../errors.js'
import type { Matrix, PackedMatrix } from '../layers/packed.js'
import { assembled, isPlain, rowsOf, sourceOf } from './assemble.js'
import type { RecordNames, WeightSource } from './families/family.js'

/**
 * What matrices of a model are kept in. `'auto'`: those that a GGUF file has in blocks of few bits as they are, others as f32. `'f32'`: all decoded. `'f16'`, `'bf16'`: all in half the memory, products rounded to as many
 * bits; for devices with kernels, since the CPU would decode them again. `'q8'`, `'q4'`: all in blocks of 32 values of 8 or 4 bits that share a scale (GGUF's Q8_0 and Q4_0), but for those whose rows are no whole blocks.
 * Norms and biases are f32.
 */
export type WeightType = 'auto' | HalfType | 'f32' | 'q8' | 'q4'

/** Floats of 16 bits. */
export type HalfType = 'f16' | 'bf16'

const weightTypes: readonly WeightType[] = ['auto', 'f32', 'f16', 'bf16', 'q8', 'q4']

export const isHalf = (type: unknown): type is HalfType => type === 'f16' || type === 'bf16'

/** Errors: OPTION for another. */
export function checkWeightType(type: WeightType): void {
  if (!weightTypes.includes(type))
    throw new TransformerError(
      'OPTION',
      `dtype is ${JSON.stringify(type)}; expected one of ${weightTypes.map((one) => `'${one}'`).join(', ')}`,
    )
}

/** Refuses halves where they would be decoded again. Errors: UNSUPPORTED. */
export function checkWeightDevice(type: WeightType, { name, caps }: Device): void {
  if (!isHalf(type)) return
  if (name === 'cpu')
    throw new TransformerError(
      'UNSUPPORTED',
      `dtype '${type}': the CPU multiplies matrices of f32, and of blocks of 8 and 4 bits; it would keep these as f32 beside. Give 'f32', 'q8' or 'q4', or a device such as 'webgpu' or 'cuda'`,
    )
  if (!caps.dtypes.includes(type))
    throw new TransformerError(
      'UNSUPPORTED',
      `dtype '${type}': device '${name}' holds ${caps.dtypes.join(', ')} and not ${type}; give one of these, or 'q8' or 'q4'`,
    )
}

/** How a matrix of a file will be packed; undefined for one that is not. */
function layoutIn(file: Tensors, source: WeightSource, shape: readonly number[], type: WeightType): QuantizedLayout | undefined {
  if (type === 'f32' || isHalf(type)) return undefined
  if (type === 'auto') return isGguf(file) && isPlain(source) ? file.layout(source.names[0]!) : undefined
  return shape.at(-1)! % 32 === 0 ? { bits: type === 'q8' ? 8 : 4, block: 32, hasMins: false } : undefined
}

/** How the weights of a model are going to be packed, for `modelMemory`. */
export const layoutsIn =
  (file: Tensors, names: RecordNames, type: WeightType = 'auto') =>
  (name: string, shape: readonly number[]): QuantizedLayout | undefined => {
    const source = sourceOf(names, name)
    return isPackable(name, shape) && source.names.every((one) => file.has(one)) ? layoutIn(file, source, shape, type) : undefined
  }

/**
 * Reads matrices [rows, columns] and other weights, one after the other: a tensor that holds several of them is kept until another one is asked for. Errors: those of the file's reader.
 */
export function matrixReader(file: Tensors): (source: WeightSource, shape: readonly number[], type: WeightType) => Promise<Matrix> {
  const stored = keepingLast((name) => file.tensor(name, { dtype: 'f32' }))
  const halves = {
    f16: keepingLast((name) => file.tensor(name, { dtype: 'f16' })),
    bf16: keepingLast((name) => file.tensor(name, { dtype: 'bf16' })),
  }
  const quantized = keepingLast((name) => (file as GgufFile).quantized(name))
  const numbers = keepingLast(async (name) => numbersOf(await stored(name)))
  return async (source, shape, type) => {
    const layout = layoutIn(file, source, shape, type)
    if (layout !== undefined && type === 'auto') return packedOf(someRows(await quantized(source.names[0]!), source.rows))
    if (layout === undefined && isPlain(source) && source.rows === undefined)
      return tensorOf({ ...(await (isHalf(type) ? halves[type] : stored)(source.names[0]!)), shape })
    const packing = type === 'q8' ? 'Q8_0' : 'Q4_0'
    // One of several experts at a time.
    if (layout !== undefined && source.names.length > 1)
      return packedOf(stacked(await eachOf(source.names, async (name) => quantizeMatrix(packing, await numbers(name), shape.slice(1)))))
    const values = await assembled(source, shape, numbers)
    if (layout !== undefined) return packedOf(quantizeMatrix(packing, values, shape))
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    const dtype = isHalf(type) ? type : 'f32'
    return tensorOf({ bytes: convertFloats('f32', dtype, bytes), dtype, shape })
  }
}

function keepingLast<T>(read: (name: string) => Promise<T>): (name: string) => Promise<T> {
  let last: { readonly name: string; readonly value: T } | undefined
  return async (name) => {
    if (last?.name === name) return last.value
    last = undefined
    const value = await read(name)
    last = { name, value }
    return value
  }
}

function numbersOf({ bytes }: StoredTensor): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4)
}

/** The blocks of some rows of a matrix. */
function someRows(matrix: StoredQuantized, rows: WeightSource['rows']): StoredQuantized {
  if (rows === undefined) return matrix
  const count = rows.ranges.reduce((sum, [from, to]) => sum + to - from, 0)
  const some = (stored: StoredTensor): StoredTensor => ({
    ...stored,
    bytes: rowsOf(stored.bytes, rows),
    shape: [count, ...stored.shape.slice(1)],
  })
  const { packed, scales, mins } = matrix
  return { ...matrix, packed: some(packed), scales: some(scales), ...(mins === undefined ? {} : { mins: some(mins) }) }
}

async function eachOf<T>(names: readonly string[], read: (name: string) => Promise<T>): Promise<T[]> {
  const all: T[] = []
  for (const name of names) all.push(await read(name))
  return all
}

/** Matrices of one shape as one with an axis more. */
function stacked(matrices: readonly StoredQuantized[]): StoredQuantized {
  const together = (pick: (matrix: StoredQuantized) => StoredTensor): StoredTensor => {
    const { dtype, shape, bytes: first } = pick(matrices[0]!)
    const bytes = new Uint8Array(first.byteLength * matrices.length)
    for (const [i, matrix] of matrices.entries()) bytes.set(pick(matrix).bytes, i * first.byteLength)
    return { dtype, shape: [matrices.length, ...shape], bytes }
  }
  const [{ bits, block, mins }] = matrices as readonly [StoredQuantized]
  return {
    bits,
    block,
    packed: together(({ packed }) => packed),
    scales: together(({ scales }) => scales),
    ...(mins === undefined ? {} : { mins: together((matrix) => matrix.mins!) }),
  }
}

const isGguf = (file: Tensors): file is GgufFile => 'layout' in file && 'quantized' in file

const tensorOf = ({ bytes, dtype, shape }: StoredTensor): Tensor => fromBytes(bytes, { dtype, shape, adopt: true })

export const packedOf = ({ packed, scales, mins }: StoredQuantized): PackedMatrix => ({
  packed: tensorOf(packed),
  scales: tensorOf(scales),
  ...(mins === undefined ? {} : { mins: tensorOf(mins) }),
})
