/** Matrices out of files, in the type that a model is to keep them in. */
import {
  fromBytes,
  quantizeMatrix,
  type GgufFile,
  type QuantizedLayout,
  type StoredQuantized,
  type StoredTensor,
  type Tensor,
  type Tensors,
} from '@tesserae/tensor'
import { isPackable } from '../architectures/weights.js'
import { TransformerError } from '../errors.js'
import type { PackedMatrix } from '../layers/packed.js'
import type { RecordNames } from './families/family.js'

/**
 * What matrices of a model are kept in. `'auto'`: those that a GGUF file has in blocks of few bits as they are, others as f32. `'f32'`: all decoded. `'q8'`, `'q4'`: all in blocks of 32 values of 8 or 4 bits that share
 * a scale (GGUF's Q8_0 and Q4_0), but for those whose rows are no whole blocks. Norms and biases are f32.
 */
export type WeightType = 'auto' | 'f32' | 'q8' | 'q4'

const weightTypes: readonly WeightType[] = ['auto', 'f32', 'q8', 'q4']

/** Errors: OPTION for another. */
export function checkWeightType(type: WeightType): void {
  if (!weightTypes.includes(type))
    throw new TransformerError(
      'OPTION',
      `dtype is ${JSON.stringify(type)}; expected one of ${weightTypes.map((one) => `'${one}'`).join(', ')}`,
    )
}

/** How a matrix of a file will be packed; undefined for f32. */
function layoutIn(file: Tensors, name: string, type: WeightType): QuantizedLayout | undefined {
  if (type === 'f32') return undefined
  if (type === 'auto') return isGguf(file) ? file.layout(name) : undefined
  const { shape } = file.info(name)
  return shape.length === 2 && shape[1]! % 32 === 0 ? { bits: type === 'q8' ? 8 : 4, block: 32, hasMins: false } : undefined
}

/** How the weights of a model are going to be packed, for `modelMemory`. */
export const layoutsIn =
  (file: Tensors, names: RecordNames, type: WeightType = 'auto') =>
  (name: string, shape: readonly number[]): QuantizedLayout | undefined =>
    isPackable(name, shape) && file.has(names.nameOf(name)) ? layoutIn(file, names.nameOf(name), type) : undefined

/** Reads a matrix [rows, columns]. Errors: those of the reader. */
export async function readMatrix(file: Tensors, name: string, type: WeightType): Promise<Tensor | PackedMatrix> {
  const isPacked = layoutIn(file, name, type) !== undefined
  if (isPacked && type === 'auto') return packedOf(await (file as GgufFile).quantized(name))
  const stored = await file.tensor(name, { dtype: 'f32' })
  if (!isPacked) return tensorOf(stored)
  const { bytes, shape } = stored
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
  return packedOf(quantizeMatrix(type === 'q8' ? 'Q8_0' : 'Q4_0', values, shape as readonly [number, number]))
}

const isGguf = (file: Tensors): file is GgufFile => 'layout' in file && 'quantized' in file

const tensorOf = ({ bytes, dtype, shape }: StoredTensor): Tensor => fromBytes(bytes, { dtype, shape, adopt: true })

export const packedOf = ({ packed, scales, mins }: StoredQuantized): PackedMatrix => ({
  packed: tensorOf(packed),
  scales: tensorOf(scales),
  ...(mins === undefined ? {} : { mins: tensorOf(mins) }),
})
