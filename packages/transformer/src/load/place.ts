/** Where a checkpoint is, by what people write. */
import { TransformerError } from '../errors.js'
import type { CheckpointFiles } from '../checkpoints/files.js'
import { blobFiles } from '../checkpoints/web-files.js'
import type { PlaceOptions } from './address.js'

/** A path (in Node), an address, `hf:owner/name`, what a page was given, or files that are found in another way. */
export type ModelSource = string | URL | Blob | readonly Blob[] | CheckpointFiles

/** Errors: OPTION for what names no place, with what may have been meant. */
export async function placeOf(source: ModelSource, options: PlaceOptions): Promise<CheckpointFiles> {
  if (typeof source === 'string' || source instanceof URL) {
    const { filesOf } = await import('#places')
    return filesOf(String(source), options)
  }
  if (source instanceof Blob || Array.isArray(source)) return blobFiles(source as Blob | readonly Blob[])
  if (typeof source === 'object' && source !== null && 'open' in source) return source as CheckpointFiles
  throw new TransformerError(
    'OPTION',
    `a model is loaded from a path, an address, hf:owner/name, a Blob or a list of files, got ${String(source)}`,
  )
}
