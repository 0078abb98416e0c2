import { open, stat, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { TensorError } from '../../errors.js'
import { openGguf, openGgufParts, type GgufFile } from '../gguf/gguf.js'
import { ggufPartNames } from '../gguf/part-names.js'
import { openSafetensors, openSafetensorsIndex } from '../safetensors.js'
import type { ByteSource } from '../source.js'
import type { TensorFile } from '../tensor-file.js'
import { loadMapper } from './map.js'

export interface FileSourceOptions {
  /** False reads ranges into memory of their own; by default ranges of 64 KiB and more are memory-mapped where possible. */
  readonly map?: boolean
}

/** Below this a read is cheaper than a mapping, and the number of mappings per process is limited. */
const smallestMapping = 65_536

/**
 * A file as a source of bytes. On POSIX systems with koffi installed larger ranges are memory-mapped: no copy, shared between
 * processes, loaded page by page. A mapping goes when its last view is collected, also after `dispose`, which closes the file and gives back what is in memory of it: bytes that are looked at later are read from the disk.
 * A mapped file must not be truncated in place (the process gets SIGBUS); replace files by renaming, as {@link saveSafetensors} does.
 * Throws IO.
 */
export async function fileSource(path: string, options: FileSourceOptions = {}): Promise<ByteSource> {
  const mapper = options.map === false ? undefined : await loadMapper()
  let handle: FileHandle
  let size: number
  try {
    handle = await open(path, 'r')
  } catch (cause) {
    throw ioError(path, 'could not be opened', cause)
  }
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) throw new TensorError('IO', `${path} is not a file`)
    size = stats.size
  } catch (cause) {
    await handle.close()
    throw ioError(path, 'could not be opened', cause)
  }
  const mapped = new Set<WeakRef<ArrayBufferLike>>()
  const collected = new FinalizationRegistry((reference: WeakRef<ArrayBufferLike>) => mapped.delete(reference))
  let closed = false
  return {
    size,
    label: path,
    async read(offset, length) {
      if (closed) throw new TensorError('DISPOSED', `${path} was closed; open it again to read more`)
      // Checked against the size at this moment: mapping past the end would crash on the first touch.
      if (mapper !== undefined && length >= smallestMapping && offset + length <= (await handle.stat()).size) {
        try {
          const bytes = mapper.map(handle.fd, offset, length)
          const reference = new WeakRef(bytes.buffer)
          mapped.add(reference)
          collected.register(bytes.buffer, reference)
          return bytes
        } catch {
          // Some file systems do not map, and address space can be limited: read instead.
        }
      }
      return readRange(handle, path, offset, length)
    },
    async dispose() {
      if (closed) return
      closed = true
      await handle.close()
      // Whoever still reads them gets them again; until they are collected, which may be long, they would count as this process's memory.
      for (const reference of mapped) {
        const buffer = reference.deref()
        if (buffer !== undefined) mapper!.dropUnwritten(new Uint8Array(buffer))
      }
    },
  }
}

async function readRange(handle: FileHandle, path: string, offset: number, length: number): Promise<Uint8Array> {
  const out = new Uint8Array(length)
  let filled = 0
  try {
    while (filled < length) {
      // One call reads less than 2 GiB on every system.
      const { bytesRead } = await handle.read(out, filled, Math.min(length - filled, 1 << 30), offset + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
  } catch (cause) {
    throw ioError(path, `could not be read at ${offset}`, cause)
  }
  return out.subarray(0, filled)
}

/**
 * Opens a checkpoint by path: a `.safetensors` file, an index (`.index.json`) with its shards beside it, or a folder that holds
 * `model.safetensors.index.json` or `model.safetensors`. Throws IO and FILE.
 */
export async function openSafetensorsPath(path: string, options: FileSourceOptions = {}): Promise<TensorFile> {
  const file = await resolveCheckpoint(path)
  const source = await fileSource(file, options)
  if (!file.endsWith('.json')) return openSafetensors(source)
  const folder = dirname(file)
  return openSafetensorsIndex(source, (shard) => fileSource(join(folder, basename(shard)), options))
}

/**
 * Opens a GGUF file by its path; of a model that was split over several files (`name-00001-of-00003.gguf`) any of them, with the others beside it. Throws IO and FILE.
 */
export async function openGgufPath(path: string, options: FileSourceOptions = {}): Promise<GgufFile> {
  const names = ggufPartNames(basename(path))
  if (names.length === 1) return openGguf(await fileSource(path, options))
  const paths = names.map((name) => join(dirname(path), name))
  const results = await Promise.allSettled(paths.map((one) => fileSource(one, options)))
  const missing = results.find((result) => result.status === 'rejected')
  if (missing === undefined)
    return openGgufParts(
      results.map((result) => (result as PromiseFulfilledResult<ByteSource>).value),
      { label: path },
    )
  for (const result of results) if (result.status === 'fulfilled') await result.value.dispose?.()
  throw missing.reason
}

async function resolveCheckpoint(path: string): Promise<string> {
  const kind = async (candidate: string): Promise<'file' | 'folder' | undefined> => {
    try {
      return (await stat(candidate)).isDirectory() ? 'folder' : 'file'
    } catch {
      return undefined
    }
  }
  if ((await kind(path)) !== 'folder') return path
  for (const name of ['model.safetensors.index.json', 'model.safetensors'])
    if ((await kind(join(path, name))) === 'file') return join(path, name)
  throw new TensorError('IO', `${path} holds neither model.safetensors.index.json nor model.safetensors; give the path of the file itself`)
}

/** An IO error that says which file, unless the cause already is one of ours. */
export const ioError = (path: string, what: string, cause: unknown): TensorError =>
  TensorError.isInstance(cause)
    ? (cause as TensorError)
    : new TensorError('IO', `${path} ${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
