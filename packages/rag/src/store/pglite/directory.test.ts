import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { makeChange, makeManifest } from '../../testing/fixture.js'
import { takeLock } from '../node/lock.js'
import { pglite } from './open.js'

const scratch = mkdtempSync(join(tmpdir(), 'tesserae-pglite-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** Runs a module of this package's fixtures in a process of its own, from source. */
function start(...args: string[]): ChildProcess {
  const file = new URL('./__fixtures__/writer.ts', import.meta.url)
  return spawn(process.execPath, ['--conditions=@tesserae/source', '--import', 'tsx', file.pathname, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

describe('a directory', () => {
  it('keeps what was acknowledged when its writer is killed, and is refused while it lives', async () => {
    const dir = join(scratch, 'killed')
    let acknowledged = -1
    // Each round goes on where the one before was killed: during the set-up at first, then at any point of a write. The acceptance row does ten.
    for (const wait of [1, 9]) {
      const child = start(dir, String(acknowledged + 1))
      await new Promise<void>((resolve, reject) => {
        let pending = ''
        let seen = 0
        child.on('error', reject)
        child.on('close', (code, signal) => (signal === 'SIGKILL' ? resolve() : reject(new Error(`the writer ended by itself: ${code}`))))
        child.stdout!.on('data', (bytes: Buffer) => {
          const lines = (pending + bytes.toString()).split('\n')
          pending = lines.pop()!
          for (const line of lines) acknowledged = Number(line)
          seen += lines.length
          if (seen < wait) return
          if (wait === 1) return void child.kill('SIGKILL')
          pglite({ dir })
            .open(makeManifest())
            .then(() => reject(new Error('a second opener was let in')))
            .catch((error: unknown) => {
              expect(error).toMatchObject({ code: 'LOCKED', message: expect.stringMatching(new RegExp(`process ${child.pid}`)) as string })
            })
            .finally(() => child.kill('SIGKILL'))
        })
      })
    }
    expect(acknowledged).toBeGreaterThan(8)
    const store = pglite({ dir })
    await store.open(makeManifest())
    const ids = new Set((await store.sources()).map(({ sourceId }) => sourceId))
    for (let i = 0; i <= acknowledged; i++) {
      expect(ids).toContain(`s${i}`)
      expect(await store.chunksOf(`s${i}`)).toHaveLength(5)
    }
    expect((await store.stats()).chunks).toBe(5 * ids.size) // a write that was cut off left nothing
    await store.close()
    expect(existsSync(join(dir, 'lock'))).toBe(false)
  }, 240_000)

  it('is set up anew when its set-up did not come to an end', async () => {
    const dir = join(scratch, 'half')
    const child = start(dir, 'half')
    await new Promise((resolve) => child.on('close', resolve))
    expect(existsSync(join(dir, 'data', 'PG_VERSION'))).toBe(true)
    const store = pglite({ dir })
    await store.open(makeManifest())
    await store.applySource(makeChange('a', ['alpha']))
    expect((await store.stats()).chunks).toBe(1)
    await store.close()
    expect(existsSync(join(dir, 'ready'))).toBe(true)
  }, 120_000)

  it('is for Node, as IndexedDB is for browsers', async () => {
    await expect(pglite({ idb: 'x' }).open(makeManifest())).rejects.toMatchObject({ code: 'OPTION', message: /no IndexedDB in Node/ })
    await expect(pglite({ dir: '' }).open(makeManifest())).rejects.toMatchObject({ code: 'OPTION' })
  })
})

describe('the lock', () => {
  const path = join(scratch, 'lock')
  const put = (holder: object | string) => writeFileSync(path, typeof holder === 'string' ? holder : JSON.stringify(holder))

  it('is held by one, and free again after release', async () => {
    const lock = await takeLock(path, 'here')
    await expect(takeLock(path, 'here')).rejects.toMatchObject({ code: 'LOCKED', message: /here is open in this process/ })
    await lock.release()
    await (await takeLock(path, 'here')).release()
    expect(existsSync(path)).toBe(false)
  })

  it('is taken over from a process that has ended, also when its number lives on', async () => {
    const child = spawn(process.execPath, ['-e', ''])
    await new Promise((resolve) => child.on('close', resolve))
    put({ pid: child.pid, host: hostname(), began: null, token: 'old' })
    await (await takeLock(path, 'here')).release()
    if (process.platform === 'linux') {
      put({ pid: process.pid, host: hostname(), began: 'another boot/1', token: 'old' })
      const lock = await takeLock(path, 'here')
      expect(readFileSync(path, 'utf8')).not.toContain('old')
      await lock.release()
    }
  })

  it('of another machine, and what is no lock, is left to people', async () => {
    put({ pid: 1, host: `not-${hostname()}`, began: null, token: 'old' })
    await expect(takeLock(path, 'here')).rejects.toMatchObject({ code: 'LOCKED', message: /process 1 on not-.*delete/ })
    put('garbage')
    await expect(takeLock(path, 'here')).rejects.toMatchObject({ code: 'STORE', message: /no lock of this package/ })
    rmSync(path)
  })

  it('goes to one of many that take over at once', async () => {
    put({ pid: 2 ** 30, host: hostname(), began: null, token: 'old' })
    const taken = await Promise.allSettled(Array.from({ length: 12 }, () => takeLock(path, 'here')))
    const locks = taken.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    expect(locks).toHaveLength(1)
    await locks[0]!.release()
  })
})
