import { RagError } from '../../errors.js'
import { memoryPlace, type Place, type PlaceOptions } from './place.js'

/** Takes an IndexedDB database for one opener of this origin, by a Web Lock that ends with the tab. */
export async function takePlace({ dir, idb }: PlaceOptions): Promise<Place> {
  if (dir !== undefined)
    throw new RagError('OPTION', `There are no directories in a browser, got dir: ${JSON.stringify(dir)}; give idb, or nothing for memory`)
  if (idb === undefined) return memoryPlace
  if (idb === '') throw new RagError('OPTION', 'idb must be the name of a database, got an empty string')
  const locks = globalThis.navigator?.locks as LockManager | undefined
  if (locks === undefined)
    throw new RagError(
      'STORE',
      'This page has no Web Locks (they need https or localhost), and two openers of one database would lose rows',
    )
  const release = await new Promise<() => void>((resolve, reject) => {
    locks
      .request(`tesserae-rag:${idb}`, { ifAvailable: true }, (lock) => {
        if (lock === null) {
          reject(
            new RagError('LOCKED', `The index '${idb}' is open in another tab or store of this origin; close it first, or use that one`),
          )
          return undefined
        }
        return new Promise<void>((end) => resolve(end))
      })
      .catch(reject)
  })
  return {
    dataDir: `idb://${idb}`,
    settled: () => Promise.resolve(),
    release: () => {
      release()
      return Promise.resolve()
    },
  }
}
