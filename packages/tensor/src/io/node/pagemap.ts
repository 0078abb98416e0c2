import { closeSync, openSync, readSync } from 'node:fs'

/** Linux's, on the processors that tables are read on here. */
export const pageBytes = 4096
/** Entries of the page table that are read at a time. */
const entriesEach = 1 << 16

/** What the page table says of pages side by side, 8 bytes each. */
export interface PageEntries {
  readonly count: number
  /** Whether page `i` is in memory. */
  isPresent(i: number): boolean
  /** Whether page `i` is the process's own: no page of a file, or a copy that was written to, in memory or swapped out. */
  isOwn(i: number): boolean
}

/** Reads the page table of this process (Linux, and not in every container), from addresses that begin a page. */
export class PageTable implements Disposable {
  private readonly file = openSync('/proc/self/pagemap', 'r')
  private readonly bytes = new Uint8Array(8 * entriesEach)

  /** Entries from an address on, as far as `end` or a little less; none where there is no more. */
  read(address: number, end: number): PageEntries {
    const { bytes } = this
    const pages = Math.min(entriesEach, Math.ceil((end - address) / pageBytes))
    const count = Math.floor(readSync(this.file, bytes, 0, 8 * pages, (address / pageBytes) * 8) / 8)
    const flag = (i: number, bit: number): boolean => ((bytes[8 * i + 7]! >> (bit - 56)) & 1) === 1
    return { count, isPresent: (i) => flag(i, 63), isOwn: (i) => (flag(i, 63) || flag(i, 62)) && !flag(i, 61) }
  }

  [Symbol.dispose](): void {
    closeSync(this.file)
  }
}
