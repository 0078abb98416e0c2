import { open, rm, stat, utimes } from 'node:fs/promises'
import { pause } from '../../../pause.js'

/** A lock that has not been touched for so many milliseconds was left by a process that is no more. */
const staleAfter = 30_000

/**
 * Does something while no other process that asks for the same lock does. `done` is looked at while waiting: what the other process did may be what was wanted.
 */
export async function withLock<T>(
  path: string,
  signal: AbortSignal | undefined,
  done: () => Promise<T | undefined>,
  work: () => Promise<T>,
): Promise<T> {
  while (!(await taken(path))) {
    const result = await done()
    if (result !== undefined) return result
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    )
    if (age > staleAfter) await rm(path, { force: true })
    else await pause(0.1, 'Downloading the model', signal)
  }
  const beat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), staleAfter / 6)
  beat.unref()
  try {
    return (await done()) ?? (await work())
  } finally {
    clearInterval(beat)
    await rm(path, { force: true })
  }
}

async function taken(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx')).close()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}
