/** The files of a checkpoint, wherever they are: on disk, behind an address, chosen in a page. */
import type { ByteSource } from '@tesserae/tensor'
import { TransformerError } from '../errors.js'

export interface CheckpointFiles {
  /** What errors call the place. */
  readonly label: string
  /** Name for people: of the folder or the file. */
  readonly name: string
  /** The file that was asked for, where it was one; the others are those beside it. */
  readonly entry?: string
  /** Names of all files; undefined where they cannot be listed. */
  readonly names?: readonly string[]
  /** A file by its plain name; undefined where there is none. Errors: IO. */
  open(name: string): Promise<ByteSource | undefined>
}

/** Longest text that is read: of a tokenizer.json; the largest in use have 35 MB. */
const longestText = 2 ** 27

/** The text of a file; undefined where there is none. Errors: CHECKPOINT for one that is too long; IO. */
export async function readTextFile(files: CheckpointFiles, name: string): Promise<string | undefined> {
  const source = await files.open(name)
  if (source === undefined) return undefined
  try {
    if (source.size > longestText)
      throw new TransformerError('CHECKPOINT', `${files.label}: ${name} has ${source.size} bytes; expected at most ${longestText}`)
    return new TextDecoder().decode(await source.read(0, source.size))
  } finally {
    await source.dispose?.()
  }
}
