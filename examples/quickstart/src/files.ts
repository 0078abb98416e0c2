import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { replaceText } from '@tesserae/transformer/node'

/** Writes a file whole or not at all. */
export async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await replaceText(path, text)
}

/** Reads a JSON file; an error that names it when it is not there or damaged. */
export async function readJson<T>(path: string): Promise<T> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T
  } catch (error) {
    throw new Error(`${path} cannot be read (${(error as Error).message}); delete the folder it is in, and the stage runs again`, {
      cause: error,
    })
  }
}

/** The content of a text as a short hash, for what stages depend on. */
export const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
