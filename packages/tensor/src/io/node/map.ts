import { markAsUntransferable } from 'node:worker_threads'
import type koffiNamespace from 'koffi'
import { pageBytes, PageTable } from './pagemap.js'

/*
 * Memory-mapped ranges of files through libc. Node has no mmap of its own.
 *
 * A mapping lives exactly as long as JavaScript can reach its ArrayBuffer: unmapping earlier would leave views that crash the
 * process when read. Pages are clean copies of the file, so the system drops them under memory pressure.
 */

interface Libc {
  readonly map: (address: null, length: number, protection: number, flags: number, fd: number, offset: number) => bigint
  readonly unmap: (address: bigint, length: number) => number
  readonly advise: (start: ArrayBuffer, length: number, advice: number) => number
}

export interface Mapper {
  /**
   * Maps a range of an open file as far as the file goes. By default it is to be read only: writes would change private copies of the pages. With `shared` they change the file, so that pages which were written to
   * can be dropped as well.
   */
  map(fd: number, offset: number, length: number, options?: { readonly shared?: boolean }): Uint8Array
  /** Lets the system have all pages of a mapping back; they are read from the file when somebody looks at them. For shared ones: changes to private ones would be lost. */
  drop(mapped: Uint8Array): void
  /** {@link drop} for a private mapping that nobody has written to; of others, and where the system does not tell, nothing is let go. */
  dropUnwritten(mapped: Uint8Array): void
}

/** Read and write: a stray write then changes a private page, where read-only memory would end the process. */
const protection = 1 | 2
const mapShared = 1
const mapPrivate = 2
/** Linux: promise no swap for private copies that nobody is going to make. */
const noReserve = process.platform === 'linux' ? 0x4000 : 0
const dontNeed = 4
const failed = 0xffffffffffffffffn
/** A multiple of every page size in use (4, 16 and 64 KiB), which offsets must be. */
const offsetUnit = 65_536

let loading: Promise<Mapper | undefined> | undefined

/** What maps, or undefined where nothing can: Windows, or koffi is not installed. Loaded once. */
export const loadMapper = (): Promise<Mapper | undefined> => (loading ??= load())

async function load(): Promise<Mapper | undefined> {
  try {
    const { default: koffi } = await import('koffi')
    return mapperOf(koffi)
  } catch {
    return undefined // an optional dependency: ranged reads do the same work
  }
}

/** Undefined where files cannot be mapped. */
export function mapperOf(koffi: typeof koffiNamespace): Mapper | undefined {
  if (process.platform === 'win32') return undefined
  let libc: Libc
  try {
    // The process itself: libc is linked into it whatever it is called on this system.
    const library = koffi.load(null)
    libc = {
      map: library.func('void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)') as Libc['map'],
      unmap: library.func('int munmap(void *address, size_t length)') as Libc['unmap'],
      advise: library.func('int madvise(void *address, size_t length, int advice)') as Libc['advise'],
    }
  } catch {
    return undefined
  }
  const unmapper = new FinalizationRegistry<{ address: bigint; length: number }>(({ address, length }) => libc.unmap(address, length))
  const drop = ({ buffer }: Uint8Array): void => {
    libc.advise(buffer as ArrayBuffer, buffer.byteLength, dontNeed)
  }
  return {
    map(fd, offset, length, { shared = false } = {}) {
      const skip = offset % offsetUnit
      const total = skip + length
      const address = libc.map(null, total, protection, shared ? mapShared : mapPrivate | noReserve, fd, offset - skip)
      if (address === failed) throw new Error(`mmap of ${total} bytes at ${offset - skip} failed`)
      const buffer = koffi.view(address, total) as ArrayBuffer
      // Transferred to a worker, the buffer would look collected here and be unmapped while in use there.
      markAsUntransferable(buffer)
      unmapper.register(buffer, { address, length: total })
      return new Uint8Array(buffer, skip, length)
    },
    drop,
    dropUnwritten(mapped) {
      if (!isWritten(Number(koffi.address(mapped.buffer as ArrayBuffer)), mapped.buffer.byteLength)) drop(mapped)
    },
  }
}

/** Whether pages of a private mapping are copies that were written to; also where nobody knows. */
function isWritten(address: number, length: number): boolean {
  if (process.platform !== 'linux' || process.arch !== 'x64') return true // of pages of other sizes the table is another
  try {
    using table = new PageTable()
    const end = address + length
    for (let at = address; at < end;) {
      const entries = table.read(at, end)
      if (entries.count === 0) return true
      for (let i = 0; i < entries.count; i++) if (entries.isOwn(i)) return true
      at += entries.count * pageBytes
    }
    return false
  } catch {
    return true
  }
}
