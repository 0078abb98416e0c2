import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { fileSource } from '@tesserae/tensor/node'
import { TransformerError } from '../../errors.js'
import type { CheckpointFiles } from '../files.js'

/** A file with those beside it, or a folder. Errors: CHECKPOINT where there is nothing at that path. */
export async function pathFiles(path: string): Promise<CheckpointFiles> {
  let isFolder: boolean
  try {
    isFolder = (await stat(path)).isDirectory()
  } catch (cause) {
    throw new TransformerError('CHECKPOINT', `${path} could not be read: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
  const folder = isFolder ? path : dirname(path)
  const names = new Set(await readdir(folder))
  return {
    label: path,
    name: basename(resolve(path)),
    names: [...names],
    ...(isFolder ? {} : { entry: basename(path) }),
    open: async (name) => (names.has(name) ? fileSource(join(folder, name)) : undefined),
  }
}
