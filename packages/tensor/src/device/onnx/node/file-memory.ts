/**
 * Constant memory that the system can take back: bytes in a nameless file of the temporary folder, mapped. ONNX Runtime packs large weights into a copy of its own and then hardly looks at the original again;
 * pages of a file can be dropped and come back when they are read, where memory of the process stays until it ends.
 */
import { closeSync, constants, ftruncateSync, openSync, statfsSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { mapperOf } from '../../../io/node/map.js'
import { addressOf, type Koffi } from './ffi.js'

/** Smaller weights are not worth a file. */
const least = 1 << 16
/** Written at a time: the system keeps what is written together as one, and maps all of it around a row that is read. */
const pieceBytes = 1 << 16
/** Blocks are read in whole vectors beyond their end. */
const slack = 64
/** Of what is free on the disk, this part stays so. */
const spared = 2

/** File systems that live in memory: nothing would be won there. */
const inMemory = new Set([0x01021994, 0x858458f6])

/** Mapped bytes of a file. */
export interface FilePart {
  readonly memory: ArrayBuffer
  readonly address: number
  readonly size: number
}

export interface FileMemory {
  /** The bytes in a file; undefined where they are few, or there is no place for them. */
  hold(bytes: Uint8Array): FilePart | undefined
  /** Lets the system have the pages back; they are read again when somebody looks at them. */
  drop(part: FilePart): void
}

/**
 * File memory in a folder: that of the environment variable `TESSERAE_WEIGHTS_DIR`, or the system's for temporary files. Undefined where that says `off`, or nothing can be mapped.
 */
export function openFileMemory(koffi: Koffi, setting = process.env['TESSERAE_WEIGHTS_DIR']): FileMemory | undefined {
  if (setting === 'off') return undefined
  const folder = setting === undefined || setting === '' ? tmpdir() : setting
  const mapper = mapperOf(koffi)
  try {
    if (mapper === undefined || inMemory.has(statfsSync(folder).type)) return undefined
  } catch {
    return undefined // there is no such folder
  }
  return {
    hold(bytes) {
      if (bytes.byteLength < least) return undefined
      const size = bytes.byteLength + slack
      let file: number | undefined
      try {
        const { bavail, bsize } = statfsSync(folder)
        if (bavail * bsize < spared * size) return undefined
        const path = join(folder, `tesserae-${randomUUID()}`)
        file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600)
        // Without a name it is gone when the last mapping is, however the process ends.
        unlinkSync(path)
        for (let at = 0; at < bytes.byteLength;) at += writeSync(file, bytes, at, Math.min(pieceBytes, bytes.byteLength - at), at)
        ftruncateSync(file, size)
        const { buffer } = mapper.map(file, 0, size, { shared: true })
        const memory = buffer as ArrayBuffer
        return { memory, address: addressOf(koffi, memory), size }
      } catch {
        return undefined // a full disk, or a folder that may not be written to
      } finally {
        if (file !== undefined) closeSync(file)
      }
    },
    drop({ memory }) {
      mapper.drop(new Uint8Array(memory))
    },
  }
}
