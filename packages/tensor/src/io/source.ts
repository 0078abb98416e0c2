import { TensorError } from '../errors.js'

/**
 * Bytes that are read piece by piece. `read` resolves to exactly `length` bytes, which the source may share with later
 * reads (a view of memory or of a mapped file), so readers never write to them.
 */
export interface ByteSource {
  /** Total size in bytes. */
  readonly size: number
  read(offset: number, length: number): Promise<Uint8Array>
  /** What errors call this source, such as its path or URL. */
  readonly label?: string
  /** Releases the file handle or connection; bytes that were read stay valid. */
  dispose?(): void | Promise<void>
}

/** What readers take: whole bytes, a Blob or File, or anything that reads ranges. */
export type ByteSourceLike = Uint8Array | Blob | ByteSource

/** Makes one kind of source of all. Nothing is copied and nothing is read yet. */
export function asSource(source: ByteSourceLike): ByteSource {
  if (source instanceof Uint8Array) return memorySource(source)
  if (typeof Blob !== 'undefined' && source instanceof Blob) return blobSource(source)
  if (typeof source === 'object' && source !== null && 'read' in source && typeof source.read === 'function') {
    if (!Number.isSafeInteger(source.size) || source.size < 0)
      throw new TensorError('VALUE', `source: size must be a non-negative integer, got ${String(source.size)}`)
    return source
  }
  throw new TensorError(
    'VALUE',
    `source: expected a Uint8Array, a Blob or { size, read(offset, length) }, got ${source === null ? 'null' : typeof source}`,
  )
}

/** Bytes already in memory; reads are views. */
const memorySource = (bytes: Uint8Array): ByteSource => ({
  size: bytes.byteLength,
  read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
})

const blobSource = (blob: Blob): ByteSource => ({
  size: blob.size,
  ...('name' in blob && typeof blob.name === 'string' ? { label: blob.name } : {}),
  async read(offset, length) {
    try {
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer())
    } catch (cause) {
      throw new TensorError('IO', `could not read bytes ${offset} to ${offset + length} of the blob`, { cause })
    }
  },
})

/** Reads a range that must lie inside the source, and checks that all of it arrived. */
export async function readExactly(source: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  if (length === 0) return new Uint8Array(0)
  const label = source.label ?? 'source'
  let bytes: Uint8Array
  try {
    bytes = await source.read(offset, length)
  } catch (cause) {
    if (TensorError.isInstance(cause)) throw cause
    throw new TensorError(
      'IO',
      `${label}: reading ${length} bytes at ${offset} failed: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
  if (bytes.byteLength !== length)
    throw new TensorError(
      'IO',
      `${label}: asked for ${length} bytes at ${offset} and got ${bytes.byteLength}; the file may have been cut while it was read`,
    )
  return bytes
}
