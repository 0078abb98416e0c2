import { createReadStream } from 'node:fs'
import { mkdir, open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { RagError } from '../../errors.js'
import { decodeVector, encodeVector } from '../jsonl.js'
import { memoryStore, type MemoryStoreOptions, type StoreEvent, type StorePersistence } from '../memory.js'
import { takeLock, type FileLock } from './lock.js'
import type { ChunkRecord, ChunkStore } from '../types.js'

// A folder with two files: a snapshot of the whole index, and a journal of what happened since. Both begin with a generation; a journal of another
// generation than the snapshot's was left by a process that died between replacing the one and the other, and its events are in the snapshot.

const snapshotName = 'index.jsonl'
const journalName = 'journal.jsonl'
/** A journal below this is never worth a new snapshot. */
const smallJournal = 4 * 2 ** 20

/**
 * A memory store that a folder keeps: every change is in a journal, synced to the disk, before it is acknowledged; snapshots are written aside and
 * renamed. Everything is read into memory when it is opened. One process at a time: a second opener is refused.
 *
 * @example
 * const rag = await createRag({ store: fileStore('./.rag'), embedder })
 */
export function fileStore(folder: string, options: Omit<MemoryStoreOptions, 'persistence'> = {}): ChunkStore {
  return memoryStore({ ...options, persistence: filePersistence(folder) })
}

/** Where {@link fileStore} keeps an index. */
export function filePersistence(folder: string): StorePersistence {
  return new FilePersistence(folder)
}

class FilePersistence implements StorePersistence {
  private lock: FileLock | undefined
  private journal: FileHandle | undefined
  private generation = 0
  private journalBytes = 0
  private snapshotBytes = 0

  constructor(private readonly folder: string) {}

  get overgrown(): boolean {
    return this.journalBytes > Math.max(smallJournal, this.snapshotBytes)
  }

  async load(): ReturnType<StorePersistence['load']> {
    await mkdir(this.folder, { recursive: true })
    this.lock = await takeLock(join(this.folder, 'lock'), this.folder)
    try {
      const generation = await this.readGeneration()
      if (generation === undefined) return undefined
      this.generation = generation
      this.snapshotBytes = (await stat(this.path(snapshotName))).size
      const events = await this.readJournal()
      return { snapshot: this.readSnapshot(), events }
    } catch (error) {
      await this.release()
      throw error
    }
  }

  async append(event: StoreEvent): Promise<void> {
    if (this.journal === undefined) throw new RagError('STORE', `The journal in ${this.folder} is not open; open the store again`)
    const line = `${JSON.stringify(eventToJson(event))}\n`
    const { journal } = this
    try {
      await journal.appendFile(line)
      await journal.datasync()
      this.journalBytes += Buffer.byteLength(line)
    } catch (cause) {
      // Half a line would spoil those after it.
      await journal.truncate(this.journalBytes).catch(() => {
        this.journal = undefined
        return journal.close()
      })
      throw new RagError('STORE', `The change could not be written to ${this.path(journalName)}: ${(cause as Error).message}`, { cause })
    }
  }

  async save(lines: AsyncIterable<string>): Promise<void> {
    const generation = this.generation + 1
    const header = `${JSON.stringify({ generation })}\n`
    this.snapshotBytes = await this.replace(snapshotName, header, lines)
    this.generation = generation
    await this.journal?.close()
    this.journal = undefined
    this.journalBytes = await this.replace(journalName, header)
    this.journal = await open(this.path(journalName), 'a')
  }

  async release(): Promise<void> {
    const { journal, lock } = this
    this.journal = undefined
    this.lock = undefined
    await journal?.close()
    await lock?.release()
  }

  private path(name: string): string {
    return join(this.folder, name)
  }

  /** Writes a file aside, syncs it, and puts it in place: it is there whole or as before. Returns its bytes. */
  private async replace(name: string, header: string, lines?: AsyncIterable<string>): Promise<number> {
    const aside = this.path(`${name}.new`)
    const file = await open(aside, 'w')
    let bytes = 0
    try {
      let batch = header
      for await (const line of lines ?? []) {
        batch += `${line}\n`
        if (batch.length < 2 ** 20) continue
        bytes += Buffer.byteLength(batch)
        await file.appendFile(batch)
        batch = ''
      }
      bytes += Buffer.byteLength(batch)
      await file.appendFile(batch)
      await file.sync()
    } catch (cause) {
      await file.close()
      await rm(aside, { force: true })
      throw cause
    }
    await file.close()
    await rename(aside, this.path(name))
    await this.syncFolder()
    return bytes
  }

  /** So that the rename itself survives; not every system lets a folder be synced. */
  private async syncFolder(): Promise<void> {
    try {
      const folder = await open(this.folder, 'r')
      await folder.sync().finally(() => folder.close())
    } catch {
      // Windows
    }
  }

  /** Undefined where there is no snapshot. */
  private async readGeneration(): Promise<number | undefined> {
    let file
    try {
      file = await open(this.path(snapshotName), 'r')
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return undefined
      throw error
    }
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0)
      const generation = /^\{"generation":(\d+)\}\n/.exec(buffer.toString('utf8', 0, bytesRead))?.[1]
      if (generation === undefined) throw new RagError('STORE', `${this.path(snapshotName)} is no snapshot of this package`)
      return Number(generation)
    } finally {
      await file.close()
    }
  }

  private async *readSnapshot(): AsyncGenerator<string> {
    const lines = createInterface({ input: createReadStream(this.path(snapshotName), 'utf8'), crlfDelay: Infinity })
    let first = true
    for await (const line of lines) {
      if (!first) yield line
      first = false
    }
  }

  private async readJournal(): Promise<StoreEvent[]> {
    const path = this.path(journalName)
    let content = Buffer.alloc(0)
    try {
      content = await readFile(path)
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT') throw error
    }
    // What follows the last line break was being written when the process died, and was never acknowledged.
    const whole = content.subarray(0, content.lastIndexOf(10) + 1)
    const [header, ...lines] = whole.toString('utf8').split('\n').slice(0, -1)
    const current = header === JSON.stringify({ generation: this.generation })
    if (current) {
      this.journal = await open(path, 'a')
      await this.journal.truncate(whole.length)
      this.journalBytes = whole.length
    } else {
      const text = `${JSON.stringify({ generation: this.generation })}\n`
      this.journalBytes = await this.replace(journalName, text)
      this.journal = await open(path, 'a')
    }
    return (current ? lines : []).map((line, i) => {
      try {
        return eventFromJson(JSON.parse(line))
      } catch (cause) {
        throw new RagError('STORE', `Line ${i + 2} of ${path} is damaged. Restore the folder from a copy, or delete it and sync again`, {
          cause,
        })
      }
    })
  }
}

function eventToJson(event: StoreEvent): unknown {
  if ('deleted' in event) return event
  const { source, upsert, remove } = event.change
  return {
    change: {
      source,
      remove,
      upsert: upsert.map(({ vector, ...rest }) => (vector === undefined ? rest : { ...rest, vector: encodeVector(vector) })),
    },
  }
}

function eventFromJson(value: unknown): StoreEvent {
  const event = value as StoreEvent
  if ('deleted' in event) return event
  const { source, upsert, remove } = event.change
  const records = (upsert as readonly (Omit<ChunkRecord, 'vector'> & { readonly vector?: unknown })[]).map(({ vector, ...rest }) => {
    if (vector === undefined) return rest
    const decoded = typeof vector === 'string' ? decodeVector(vector) : undefined
    if (decoded === undefined) throw new RagError('DATA', 'a vector is not base64')
    return { ...rest, vector: decoded }
  })
  return { change: { source, remove, upsert: records } }
}
