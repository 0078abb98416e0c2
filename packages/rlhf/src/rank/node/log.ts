import { mkdir, open, readFile, truncate, writeFile, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { replaceText } from '@tesserae/transformer/node'
import { RlhfError } from '../../errors.js'
import { parseRankings, type RankingLine } from '../rows.js'

/** An open file of rankings to which rows are added and from which none is ever removed. */
export interface RankingLog extends AsyncDisposable {
  readonly path: string
  /** What the file held when it was opened. */
  readonly rows: readonly RankingLine[]
  /** Adds a row; when it returns, the row is on disk. */
  append(row: RankingLine): Promise<void>
  close(): Promise<void>
}

/**
 * Opens a JSONL file of rankings, which may not exist yet. A last line without its line break was being written when the process ended,
 * and nobody was told that it was kept: it is moved to `PATH.torn`.
 *
 * @throws RlhfError `ROW` that names the line which is not a ranking
 */
export async function openRankings(path: string): Promise<RankingLog> {
  await mkdir(dirname(path), { recursive: true })
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw new RlhfError('OPTION', `${path} cannot be read: ${error.message}`, { cause: error })
  })
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  const rows = parseRankings(whole, { name: path })
  if (whole.length < text.length) {
    await writeFile(`${path}.torn`, text.slice(whole.length))
    await truncate(path, Buffer.byteLength(whole))
  }
  let file: FileHandle | undefined = await open(path, 'a')
  // One write after the other: two requests at once must not mix their lines.
  let last: Promise<void> = Promise.resolve()
  const write = async (row: RankingLine): Promise<void> => {
    if (file === undefined) throw new RlhfError('DISPOSED', `${path} was closed; open it again to add rankings`)
    await file.appendFile(`${JSON.stringify(row)}\n`)
    await file.sync()
  }
  const close = async (): Promise<void> => {
    await last.catch(() => {})
    await file?.close()
    file = undefined
  }
  return {
    path,
    rows,
    append(row) {
      last = last.catch(() => {}).then(() => write(row))
      return last
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Reads a file of rankings without opening it for more. */
export async function readRankings(path: string): Promise<RankingLine[]> {
  return parseRankings(await readFile(path, 'utf8'), { name: path })
}

/** Writes a file of JSONL rows whole or not at all. */
export async function writeJsonl(path: string, rows: readonly object[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await replaceText(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}
