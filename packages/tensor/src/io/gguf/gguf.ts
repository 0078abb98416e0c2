import { convertFloats, loadStored, type StoredTensor } from '../stored.js'
import { isFloat, type DType } from '../../dtype.js'
import { TensorError } from '../../errors.js'
import { show } from '../json.js'
import { asSource, readExactly, type ByteSource, type ByteSourceLike } from '../source.js'
import { disposeAll, makeTensorFile, type Located, type OpenOptions, type Tensors } from '../tensor-file.js'
import { blockDecoders } from './blocks.js'
import { MoreNeeded, parseGgufHeader, type GgufHeader, type GgufType, type GgufValue } from './header.js'
import { isMatrix, layoutOf, packBlocks, type QuantizedLayout, type StoredQuantized } from './repack.js'
import { blockTypes } from './types.js'

/** A GGUF file, or several that are one model. Shapes are as everywhere here, the size that runs fastest last. */
export interface GgufFile extends Tensors {
  readonly version: number
  /** By key; of several files those of the first. */
  readonly metadata: ReadonlyMap<string, GgufValue>
  /** Types in the file of those values that are single numbers, true or false. */
  readonly types: ReadonlyMap<string, GgufType>
  /** How a matrix is packed by {@link GgufFile.quantized}; undefined for one that is not stored in blocks that are decoded. Throws FILE when there is none of that name. */
  layout(name: string): QuantizedLayout | undefined
  /**
   * A matrix [N, K] in blocks, as `qmatmul` takes it: the weights of {@link Tensors.tensor} without decoding them, exact but for Q4_1 and Q4_K, which may differ in the last place of the larger of two terms.
   * Q5_0, Q5_1 and Q5_K take 8 bits, Q2_K and Q3_K 4. Throws FILE, and DTYPE for what {@link GgufFile.layout} has none for.
   */
  quantized(name: string): Promise<StoredQuantized>
}

/** Bytes of a file that are read at first; what the headers of large vocabularies take more is read after. */
const firstBytes = 2 ** 20

/**
 * Opens a GGUF file (versions 2 and 3, little-endian): reads and checks its header. Each tensor is read when it is asked for, and decoded to float32 where it is stored in blocks (Q4_0 to Q8_0, Q2_K to Q6_K; of
 * other types only {@link Tensors.bytes} are read). Throws FILE when it is malformed and IO when it cannot be read; the source is disposed in both cases.
 */
export async function openGguf(source: ByteSourceLike, options: OpenOptions = {}): Promise<GgufFile> {
  const one = await openOne(source, options.label)
  const parts = partsOf(one)
  if (parts > 1) {
    await disposeAll([one.source])
    throw new TensorError(
      'FILE',
      `${one.label}: this is one of ${parts} files that are a model together; open them with openGgufParts, or give the path of the first`,
    )
  }
  return makeFile([one], one.label)
}

/**
 * Opens a model that was split over several GGUF files, given in their order. Throws FILE and IO as {@link openGguf} does, and FILE where files are missing, in another order or of another model; all sources are
 * disposed then.
 */
export async function openGgufParts(sources: readonly ByteSourceLike[], options: OpenOptions = {}): Promise<GgufFile> {
  const results = await Promise.allSettled(sources.map(async (source) => openOne(source, undefined)))
  const opened = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  try {
    for (const result of results) if (result.status === 'rejected') throw result.reason
    const label = options.label ?? opened[0]?.label ?? 'GGUF'
    opened.forEach((one, i) => {
      const [parts, number] = [partsOf(one), one.header.metadata.get('split.no')]
      if (parts !== sources.length || (number ?? 0) !== i)
        throw new TensorError(
          'FILE',
          `${one.label}: this is file ${String(Number(number ?? 0) + 1)} of ${parts}, given as file ${i + 1} of ${sources.length}; give all files of one model in their order`,
        )
    })
    return makeFile(opened, label)
  } catch (error) {
    await disposeAll(opened.map((one) => one.source))
    throw error
  }
}

interface Opened {
  readonly label: string
  readonly source: ByteSource
  readonly header: GgufHeader
}

/** How many files the model has. */
const partsOf = ({ header }: Opened): number => {
  const count = header.metadata.get('split.count')
  return typeof count === 'number' && count > 1 ? count : 1
}

async function openOne(given: ByteSourceLike, givenLabel: string | undefined): Promise<Opened> {
  const source = asSource(given)
  const label = givenLabel ?? source.label ?? 'GGUF'
  try {
    for (let length = Math.min(source.size, firstBytes); ;) {
      const bytes = await readExactly(source, 0, length)
      try {
        return { label, source, header: parseGgufHeader(bytes, source.size, label) }
      } catch (error) {
        if (!(error instanceof MoreNeeded)) throw error
        length = Math.min(source.size, Math.max(error.bytes, 4 * length))
      }
    }
  } catch (error) {
    await source.dispose?.()
    throw error
  }
}

function makeFile(opened: readonly Opened[], label: string): GgufFile {
  const tensors = new Map<string, Located>()
  for (const { header, source, label: own } of opened)
    for (const [name, info] of header.tensors) {
      if (tensors.has(name)) throw new TensorError('FILE', `${own}: the tensor ${show(name)} is in a file before it too`)
      tensors.set(name, { info, source })
    }
  const { version, metadata, types } = opened[0]!.header
  const file = makeTensorFile(
    tensors,
    label,
    opened.map((one) => one.source),
    load,
  )
  return {
    version,
    metadata,
    types,
    ...file,
    layout(name) {
      const { dtype, shape } = file.info(name)
      return isMatrix(shape) ? layoutOf(dtype) : undefined
    },
    async quantized(name) {
      const { dtype, shape } = file.info(name)
      const what = `${label}: tensor ${show(name)}`
      // Refused before it is read.
      if (!isMatrix(shape) || layoutOf(dtype) === undefined) return packBlocks(dtype, new Uint8Array(), shape, what)
      return packBlocks(dtype, await file.bytes(name), shape, what)
    },
  }
}

function load(what: string, stored: string, shape: readonly number[], bytes: Uint8Array, wanted?: DType): StoredTensor {
  const type = blockTypes.get(stored)!
  if (type.block === 1) return loadStored(what, stored, shape, bytes, wanted)
  const decode = blockDecoders.get(stored)
  if (decode === undefined)
    throw new TensorError(
      'DTYPE',
      `${what} is stored as ${stored}, which is not decoded; convert the model to one of ${[...blockDecoders.keys()].join(', ')}, F16, BF16 or F32, or read its raw bytes`,
    )
  const dtype = wanted ?? 'f32'
  if (!isFloat(dtype))
    throw new TensorError('DTYPE', `${what} is stored as ${stored} and loads as f32 or another float dtype, not as ${dtype}`)
  const out = new Float32Array((bytes.byteLength / type.bytes) * type.block)
  for (let at = 0, to = 0; at < bytes.byteLength; at += type.bytes, to += type.block) decode(bytes, at, out, to)
  return { dtype, shape, bytes: convertFloats('f32', dtype, new Uint8Array(out.buffer)) }
}
