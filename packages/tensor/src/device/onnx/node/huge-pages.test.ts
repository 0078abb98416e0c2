import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadKoffi, type Koffi } from './ffi.js'
import { watchPages } from './huge-pages.js'

const MiB = 2 ** 20
const filled = (bytes: number): Buffer =>
  Buffer.alloc(
    bytes,
    Uint8Array.from({ length: 251 }, (_, i) => i),
  )

/** Whether the system gathers pages when it is asked to, and has a page of 2 MiB left at this moment: tried on memory of our own. */
function gathers(koffi: Koffi): boolean {
  if (process.platform !== 'linux' || !existsSync('/proc/self/pagemap')) return false
  const library = koffi.load(null)
  const map = library.func('mmap', 'size_t', ['size_t', 'size_t', 'int', 'int', 'int', 'long'])
  const [readWrite, privateAnonymous] = [3, 0x22]
  const bytes = 4 * MiB
  const address = Number(map(0, bytes, readWrite, privateAnonymous, -1, 0))
  library.func('memset', 'size_t', ['size_t', 'int', 'size_t'])(address, 1, bytes)
  const collapse = 25
  const window = Math.ceil(address / (2 * MiB)) * 2 * MiB
  const done = library.func('madvise', 'int', ['size_t', 'size_t', 'int'])(window, 2 * MiB, collapse) === 0
  library.func('munmap', 'int', ['size_t', 'size_t'])(address, bytes)
  return done
}

describe('watchPages', () => {
  // How many windows are gathered depends on what else the process fills meanwhile and on what the system has left.
  it('gathers memory that became full, and changes no byte of it', async (context) => {
    const koffi = await loadKoffi()
    const earlier = filled(8 * MiB)
    let windows = 0
    for (let attempt = 0; windows === 0 && attempt < 5; attempt++) {
      const gather = watchPages(koffi)
      const fresh = filled(16 * MiB)
      windows = await gather()
      expect(fresh.equals(filled(16 * MiB))).toBe(true)
      expect(earlier.equals(filled(8 * MiB))).toBe(true)
    }
    if (windows === 0 && !gathers(koffi)) context.skip('the system has no page of 2 MiB to give')
    expect(windows).toBeGreaterThan(0)
  })
})
