import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { TransformerError } from '../../errors.js'

/**
 * Writes a small file aside, flushes it and renames it into place: readers see the old text or the new one. Errors are the system's own, and then the
 * old file is untouched.
 */
export async function replaceText(path: string, text: string): Promise<void> {
  const aside = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`)
  try {
    const handle = await open(aside, 'wx')
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(aside, path)
  } catch (error) {
    await rm(aside, { force: true })
    throw error
  }
}

/** {@link replaceText}. Errors: CHECKPOINT. */
export async function writeText(path: string, text: string): Promise<void> {
  try {
    await replaceText(path, text)
  } catch (cause) {
    throw new TransformerError('CHECKPOINT', `${path} could not be written: ${messageOf(cause)}`, { cause })
  }
}

/** Reads a small file. */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new TransformerError('CHECKPOINT', `${path} could not be read: ${messageOf(cause)}`, { cause })
  }
}

/** Makes a folder, with those above it, unless it is there. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
  } catch (cause) {
    throw new TransformerError('CHECKPOINT', `the folder ${path} could not be made: ${messageOf(cause)}`, { cause })
  }
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
