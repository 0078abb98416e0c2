import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** What the example itself remembers of a run, beside the trainer's own checkpoint. */
export interface RunRecord {
  readonly steps: number
  readonly seed: number
  /** Validation loss before the first step. */
  readonly lossBefore: number
  /** [step, loss] of training and of validation, for the curve. */
  readonly trainCurve: readonly (readonly [number, number])[]
  readonly validationCurve: readonly (readonly [number, number])[]
}

export const paths = (out: string) => ({
  tokenizer: join(out, 'tokenizer.json'),
  checkpoint: join(out, 'checkpoint'),
  record: join(out, 'run.json'),
})

/** Writes a file whole or not at all. */
export async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const aside = `${path}.${process.pid}.tmp`
  await writeFile(aside, text)
  await rename(aside, path)
}

/** Reads a JSON file of an earlier run, or says in words what is missing. */
export async function readJson<T>(path: string): Promise<T> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T
  } catch (error) {
    throw new Error(
      `--resume needs ${path} of an interrupted run, which ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'is not there' : `cannot be read (${(error as Error).message})`}; start without --resume`,
      { cause: error },
    )
  }
}
