import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { RagError } from '../../../errors.js'
import { memoryPlace, type Place, type PlaceOptions } from '../place.js'
import { takeLock } from '../../node/lock.js'

/**
 * Takes a directory for this process: `lock` says who has it, `data` is PostgreSQL's, `ready` that it was set up to its end.
 * A set-up that was killed in the middle is begun anew; nothing had been acknowledged then.
 */
export async function takePlace({ dir, idb }: PlaceOptions): Promise<Place> {
  if (idb !== undefined)
    throw new RagError('OPTION', `There is no IndexedDB in Node, got idb: ${JSON.stringify(idb)}; give dir, or nothing for memory`)
  if (dir === undefined) return memoryPlace
  if (dir === '') throw new RagError('OPTION', 'dir must be the path of a directory, got an empty string')
  const path = resolve(dir)
  await mkdir(path, { recursive: true })
  const lock = await takeLock(join(path, 'lock'), path)
  const data = join(path, 'data')
  const ready = join(path, 'ready')
  try {
    if (!existsSync(ready)) await rm(data, { recursive: true, force: true })
  } catch (error) {
    await lock.release()
    throw error
  }
  return {
    dataDir: data,
    settled: async () => {
      if (!existsSync(ready)) await writeFile(ready, '')
    },
    release: () => lock.release(),
  }
}
