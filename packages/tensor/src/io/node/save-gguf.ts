import { randomUUID } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { writeGguf, type GgufWriteOptions } from '../gguf/write.js'
import type { TensorEntry } from '../safetensors-write.js'
import { ioError } from './file.js'
import { flushFolder, writeFlushed } from './save.js'

/**
 * Writes a GGUF file (version 3), aside in the same folder, flushed to the disk and then renamed: a reader sees the old file or the new one, and mappings of the old one stay valid. Entries are as {@link writeGguf} takes them. Throws VALUE, IO
 * and ABORTED; then nothing was replaced.
 */
export async function saveGguf(path: string, entries: Iterable<TensorEntry>, options: GgufWriteOptions): Promise<void> {
  const aside = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`)
  try {
    await writeFlushed(aside, writeGguf(entries, options))
    await rename(aside, path)
    await flushFolder(dirname(path))
  } catch (cause) {
    await rm(aside, { force: true })
    throw ioError(path, 'could not be written', cause)
  }
}
