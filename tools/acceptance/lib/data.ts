import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PeerUnavailable } from './peers.js'

/** The path of a file of the data folder beside the repository (TESSERAE_DATA names another); throws when it is not there. */
export function dataFile(name: string): string {
  const folder = process.env['TESSERAE_DATA'] ?? join(import.meta.dirname, '../../../../shared/data')
  const path = join(folder, name)
  if (!existsSync(path)) throw new PeerUnavailable(`${name} is not in ${folder}; set TESSERAE_DATA to the folder that holds it`)
  return path
}
