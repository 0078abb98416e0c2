import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'

/** A file that default-exports a RowSource; its name without `.ts` is what `--only` takes. */
export interface RowFile {
  readonly name: string
  readonly path: string
}

/** The files of rows in `folder`, in the order of their names. */
export function rowsIn(folder: string): RowFile[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .sort()
    .map((file) => ({ name: basename(file, '.ts'), path: join(folder, file) }))
}
