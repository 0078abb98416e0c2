import { randomUUID } from 'node:crypto'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { RagError } from '../../errors.js'

/** Who holds a lock. */
interface Holder {
  readonly pid: number
  readonly host: string
  /** When the process began, where the system says (Linux): a number is given to another process once its first one has ended. */
  readonly began: string | null
  readonly token: string
}

export interface FileLock {
  release(): Promise<void>
}

/**
 * Takes the lock file at `path` for this process. The lock of a process of this machine that has ended is taken over.
 *
 * Errors: LOCKED while another process, or this one, holds it.
 *
 * @param what what is locked, for the message
 */
export async function takeLock(path: string, what: string): Promise<FileLock> {
  const mine: Holder = { pid: process.pid, host: hostname(), began: beganAt(process.pid), token: randomUUID() }
  const draft = `${path}.${mine.token}`
  // Written beside and linked into place, so that nobody reads half a lock.
  await writeFile(draft, JSON.stringify(mine), { flag: 'wx' })
  try {
    for (let attempt = 0; attempt < 8; attempt++) {
      try {
        await link(draft, path)
        return { release: () => release(path, mine.token) }
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error
      }
      const found = await read(path)
      if (found === undefined) continue // given back meanwhile
      if (isAlive(found, mine.host)) throw locked(found, mine, { path, what })
      if (await succeed(draft, { path, stale: found, what })) return { release: () => release(path, mine.token) }
      await sleep(10) // whoever succeeds is about to be done
    }
    throw new RagError('LOCKED', `The lock ${path} changes hands faster than it can be taken; is ${what} opened in a loop somewhere?`)
  } finally {
    await rm(draft, { force: true })
  }
}

/**
 * Puts the lock in `draft` in the place of a dead process's. Many may see the same dead process; who may follow it is settled by a lock of its own, named after the
 * one to be followed, and while that is held nobody else replaces what lies at `path`. False when another one was quicker.
 */
async function succeed(
  draft: string,
  { path, stale, what }: { readonly path: string; readonly stale: Holder; readonly what: string },
): Promise<boolean> {
  let turn: FileLock
  try {
    turn = await takeLock(`${path}.after-${stale.token}`, what)
  } catch (error) {
    if (RagError.isInstance(error) && error.code === 'LOCKED') return false
    throw error
  }
  try {
    if ((await read(path))?.token !== stale.token) return false
    await rename(draft, path)
    return true
  } finally {
    await turn.release()
  }
}

async function release(path: string, token: string): Promise<void> {
  if ((await read(path))?.token === token) await rm(path, { force: true })
}

async function read(path: string): Promise<Holder | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const { pid, host, began, token } = JSON.parse(text) as Partial<Holder>
    if (Number.isInteger(pid) && typeof host === 'string' && typeof token === 'string' && /^[\w-]{1,64}$/.test(token))
      return { pid: pid!, host, began: began ?? null, token }
  } catch {
    // Not ours: said below.
  }
  throw new RagError('STORE', `${path} is no lock of this package; if nothing else uses that directory, delete the file`)
}

/** A process of another machine cannot be asked, so it counts as alive. */
function isAlive({ pid, host, began }: Holder, here: string): boolean {
  if (host !== here) return true
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false
    // EPERM: it is alive and another user's.
  }
  const now = beganAt(pid)
  return began === null || now === null || began === now
}

/** The start of a process in clock ticks since the boot, with the boot: field 22 of /proc/PID/stat (proc(5)). Null elsewhere. */
function beganAt(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the name in parentheses and may contain anything.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return ticks === undefined ? null : `${boot}/${ticks}`
  } catch {
    return null
  }
}

function locked({ pid, host }: Holder, mine: Holder, { path, what }: { readonly path: string; readonly what: string }): RagError {
  const who =
    host !== mine.host
      ? `process ${pid} on ${host}. If that has ended, delete ${path}`
      : pid === mine.pid
        ? 'this process. Share the open store, or close it first'
        : `process ${pid}. Close it there first: two openers of one directory would lose rows`
  return new RagError('LOCKED', `The index in ${what} is open in ${who}`)
}

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown } | null)?.code
