import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { describe, expect, it } from 'vitest'
import { loadKoffi } from './ffi.js'
import { watchPages } from './huge-pages.js'

const MiB = 2 ** 20
const filled = (bytes: number): Buffer =>
  Buffer.alloc(
    bytes,
    Uint8Array.from({ length: 251 }, (_, i) => i),
  )

/** Whether this system gathers pages on demand. */
function gathers(): boolean {
  const setting = '/sys/kernel/mm/transparent_hugepage/enabled'
  const [major, minor] = release().split('.').map(Number) as [number, number]
  return (
    process.platform === 'linux' &&
    process.arch === 'x64' &&
    (major > 6 || (major === 6 && minor >= 1)) &&
    existsSync(setting) &&
    !readFileSync(setting, 'utf8').includes('[never]')
  )
}

describe('watchPages', () => {
  it('gathers memory that became full, and changes no byte of it', async () => {
    const earlier = filled(8 * MiB)
    const gather = watchPages(await loadKoffi())
    const fresh = filled(16 * MiB)
    const windows = await gather()
    // The edges of 16 MiB are in windows that hold other things too, and for some the system may have no page.
    expect(windows).toBeLessThanOrEqual(9)
    if (gathers()) expect(windows).toBeGreaterThan(0)
    expect(fresh.equals(filled(16 * MiB))).toBe(true)
    expect(earlier.equals(filled(8 * MiB))).toBe(true)
  })
})
