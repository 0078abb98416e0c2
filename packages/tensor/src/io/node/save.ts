import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { TensorError } from '../../errors.js'
import { planShards, writeSafetensors, type TensorEntry, type WriteOptions } from '../safetensors-write.js'
import { shardNames } from '../safetensors.js'
import { fileSource, ioError } from './file.js'

export interface SaveOptions extends WriteOptions {
  /** Split into files of at most this many bytes of tensor data, with an index beside them. */
  readonly maxShardBytes?: number
}

/**
 * Writes tensors to `path` (which ends in `.safetensors`). Everything is written aside in the same folder, flushed to the
 * disk and then renamed, so a reader sees the old file or the new one and mappings of the old one stay valid. With
 * `maxShardBytes` the result may be `<stem>-00001-of-0000N.safetensors` and `<stem>.safetensors.index.json`; between the
 * renames there is no index then, so that a reader never mixes shards of two saves. What an earlier save under the same path
 * left over is removed. Returns the paths of the files, the index (when there is one) last. Throws VALUE, IO and ABORTED;
 * then nothing was replaced, unless a rename itself failed.
 */
export async function saveSafetensors(path: string, entries: Iterable<TensorEntry>, options: SaveOptions = {}): Promise<readonly string[]> {
  if (!path.endsWith('.safetensors')) throw new TensorError('VALUE', `saveSafetensors: the path must end in .safetensors, got ${path}`)
  const folder = dirname(path)
  const stem = basename(path, '.safetensors')
  const plan = planShards(entries, { stem, ...(options.maxShardBytes === undefined ? {} : { maxShardBytes: options.maxShardBytes }) })
  const indexPath = `${path}.index.json`
  const before = await filesOf(path, indexPath, stem)

  const written: { readonly aside: string; readonly final: string }[] = []
  const writeAside = async (final: string, chunks: AsyncIterable<Uint8Array>): Promise<void> => {
    const aside = join(folder, `.${basename(final)}.${randomUUID()}.tmp`)
    written.push({ aside, final })
    await writeFlushed(aside, chunks)
  }
  try {
    for (const shard of plan.shards) await writeAside(join(folder, shard.fileName), writeSafetensors(shard.entries, options))
    if (plan.index !== undefined) await writeAside(indexPath, once(new TextEncoder().encode(plan.index)))
  } catch (cause) {
    for (const { aside } of written) await rm(aside, { force: true })
    throw ioError(path, 'could not be written', cause)
  }
  try {
    if (plan.index !== undefined) await rm(indexPath, { force: true })
    for (const { aside, final } of written) await rename(aside, final)
    for (const old of before) if (!written.some(({ final }) => final === old)) await rm(old, { force: true })
    await flushFolder(folder)
  } catch (cause) {
    for (const { aside } of written) await rm(aside, { force: true })
    throw ioError(path, 'could not be put in place', cause)
  }
  return written.map(({ final }) => final)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}

export async function writeFlushed(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const handle = await open(path, 'wx')
  try {
    for await (const chunk of chunks) {
      let done = 0
      while (done < chunk.byteLength) done += (await handle.write(chunk, done, Math.min(chunk.byteLength - done, 1 << 30))).bytesWritten
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Files of an earlier save under the same path; only names that this function gives are touched. */
async function filesOf(path: string, indexPath: string, stem: string): Promise<readonly string[]> {
  const own = (name: string): boolean => name.startsWith(`${stem}-`) && /^-\d{5}-of-\d{5}\.safetensors$/.test(name.slice(stem.length))
  try {
    const shards = await shardNames(await fileSource(indexPath, { map: false }))
    return [path, indexPath, ...shards.filter(own).map((name) => join(dirname(path), name))]
  } catch {
    return [path, indexPath] // no index, or one that is not ours to follow
  }
}

/** Makes the renames themselves durable, where the system lets a folder be opened. */
export async function flushFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
