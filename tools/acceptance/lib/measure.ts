import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { row, type Row } from './row.js'
import type { RowFile } from './rows-in.js'

// Not process.execArgv: whoever measures may run under a test runner.
const nodeArguments = ['--expose-gc', '--import', 'tsx']

/** The rows that one file measures, or one row that says why there are none. */
export async function measure(file: RowFile): Promise<Row[]> {
  const scratch = mkdtempSync(join(tmpdir(), 'tesserae-acceptance-'))
  const out = join(scratch, 'rows.json')
  const errors: string[] = []
  const ended = await new Promise<string>((done) => {
    const child = spawn(process.execPath, [...nodeArguments, join(import.meta.dirname, 'run-rows.ts'), file.path, out], {
      stdio: ['ignore', 'inherit', 'pipe'],
    })
    child.stderr.on('data', (chunk: Buffer) => {
      process.stderr.write(chunk)
      errors.push(chunk.toString())
    })
    child.on('error', (error) => done(error.message))
    child.on('close', (code, signal) => done(signal === null ? `exit code ${code}` : `signal ${signal}`))
  })
  try {
    if (existsSync(out)) {
      const rows = JSON.parse(readFileSync(out, 'utf8')) as Row[]
      return rows.length > 0 ? rows : [row(file.name, 'some rows', 'none', false, `${file.path} returned no rows`)]
    }
    const message = /^\s*(?:\w*Error|PeerUnavailable)\b.*$/m.exec(errors.join(''))?.[0].trim() ?? ''
    return [row(file.name, 'to be measured', 'not measured', false, `ended with ${ended}${message === '' ? '' : `: ${message}`}`)]
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
