import type { DType } from '../dtype.js'
import { TensorError } from '../errors.js'
import { show } from './json.js'
import { readExactly, type ByteSource } from './source.js'
import type { loadStored, StoredTensor } from './stored.js'

/** What a file says of one tensor. */
export interface TensorInfo {
  readonly name: string
  /** The file's own name of the type: 'F32', 'BF16', 'F8_E4M3', 'Q4_K', … */
  readonly dtype: string
  readonly shape: readonly number[]
  /** First byte, counted from the beginning of the file. */
  readonly offset: number
  /** Size in bytes. */
  readonly bytes: number
}

/** Named tensors in one or several files. Opening reads headers only; each tensor is read when it is asked for. */
export interface Tensors {
  /** Names in the order of the data. */
  readonly names: readonly string[]
  has(name: string): boolean
  /** What the header says of a tensor. Throws FILE when there is none of that name. */
  info(name: string): TensorInfo
  /** The bytes as stored; possibly a view shared with other readers, of any alignment. Never write to it. */
  bytes(name: string): Promise<Uint8Array>
  /**
   * The tensor, converted where its stored type is none of ours: I64, U64, I16 and U16 become i32 (FILE when a value does not fit),
   * F64 and blocks of quantised weights become f32. `dtype` asks for another float dtype. Throws DTYPE for types that only {@link bytes} reads.
   * The result's bytes may be shared with other readers: copy before writing to them.
   */
  tensor(name: string, options?: { readonly dtype?: DType }): Promise<StoredTensor>
  /** Releases files and connections. Bytes that were read stay valid. */
  dispose(): Promise<void>
}

/** A safetensors file, or several. */
export interface TensorFile extends Tensors {
  readonly metadata: Readonly<Record<string, string>>
}

export interface OpenOptions {
  /** What errors call the file; the source's own label otherwise. */
  readonly label?: string
}

/** Where a tensor's bytes are. */
export interface Located {
  readonly info: TensorInfo
  readonly source: ByteSource
}

/** @param load makes a tensor of the bytes that are stored */
export function makeTensorFile(
  tensors: ReadonlyMap<string, Located>,
  label: string,
  sources: readonly ByteSource[],
  load: typeof loadStored,
): Tensors {
  let open = true
  const find = (name: string): Located => {
    const located = tensors.get(name)
    if (located === undefined)
      throw new TensorError('FILE', `${label}: there is no tensor ${show(name)} among its ${tensors.size}${nearby(name, tensors)}`)
    return located
  }
  const bytes = async (name: string): Promise<Uint8Array> => {
    const { info, source } = find(name)
    if (!open) throw new TensorError('DISPOSED', `${label} was disposed; read ${show(name)} before that, or open the file again`)
    return readExactly(source, info.offset, info.bytes)
  }
  return {
    names: Object.freeze([...tensors.keys()]),
    has: (name) => tensors.has(name),
    info: (name) => find(name).info,
    bytes,
    async tensor(name, options = {}) {
      const { info } = find(name)
      return load(`${label}: tensor ${show(name)}`, info.dtype, info.shape, await bytes(name), options.dtype)
    },
    async dispose() {
      if (!open) return
      open = false
      await disposeAll(sources)
    },
  }
}

export const disposeAll = async (sources: readonly ByteSource[]): Promise<void> => {
  await Promise.all(sources.map(async (source) => source.dispose?.()))
}

/** Names that end alike, since checkpoints mostly differ by a prefix. */
function nearby(name: string, tensors: ReadonlyMap<string, Located>): string {
  const tail = name.split('.').slice(-2).join('.')
  const alike = [...tensors.keys()].filter((other) => tail !== '' && other.endsWith(tail))
  const listed = (alike.length > 0 ? alike : [...tensors.keys()]).slice(0, 4)
  return listed.length === 0 ? '' : `; it has ${listed.map(show).join(', ')}${tensors.size > listed.length ? ', …' : ''}`
}
