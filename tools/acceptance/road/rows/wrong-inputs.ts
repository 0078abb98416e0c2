// Bar 10: what people do wrong. Each is met when an error with the right code came that says where the fault is, and nothing was lost.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TesseraeError } from '@tesserae/core'
import { row, type Row, type RowSource } from '../../lib/row.js'
import { alignmentCases } from '../wrong-inputs/alignment.js'
import type { WrongInput } from '../wrong-inputs/case.js'
import { retrievalCases } from '../wrong-inputs/retrieval.js'

const root = join(import.meta.dirname, '../../../..')

const source: RowSource = async ({ log }) => {
  const rows: Row[] = []
  const add = (found: Row): void => {
    log(`${found.met ? 'met' : 'NOT MET'}  ${found.figure}: ${found.measured}`)
    rows.push(found)
  }
  for (const wrong of [...alignmentCases, ...retrievalCases]) add(await rowOf(wrong))
  add(await abortedStage())
  return rows
}
export default source

async function rowOf({ title, code, says, attempt, damage }: WrongInput): Promise<Row> {
  let found = 'no error'
  let message = ''
  try {
    await attempt()
  } catch (error) {
    found = TesseraeError.isInstance(error) ? error.code : 'an untyped error'
    message = String((error as Error).message)
  }
  const lost = await damage?.().catch((error: Error) => error.message)
  const told = says.test(message)
  const measured = `${found}${told ? '' : ', which does not say where'}${lost === undefined ? '' : `, and ${lost}`}`
  return row(title, `${code}, saying where; nothing lost`, measured, found === code && told && lost === undefined, message)
}

/** Interrupts the quickstart in its second stage, as Ctrl-C does, and goes on. */
async function abortedStage(): Promise<Row> {
  const out = mkdtempSync(join(tmpdir(), 'tesserae-aborted-'))
  const title = 'the quickstart interrupted while pre-training: what is left, and --resume'
  try {
    const stopped = await quickstart(['--small', '--seconds', '25', '--out', out], /step \d+\//)
    const halves = readdirSync(out, { recursive: true }).filter((name) => String(name).includes('.tmp'))
    const unfinished = existsSync(join(out, 'pretrain'))
    const resumed = await quickstart(['--small', '--seconds', '25', '--out', out, '--resume', '--stage', 'pretrain'])
    const finished =
      existsSync(join(out, 'pretrain/stage.json')) &&
      (JSON.parse(readFileSync(join(out, 'pretrain/stage.json'), 'utf8')) as { figures: { steps: number } })
    const went = /goes on at step \d+ of \d+/.exec(resumed.text)?.[0]
    const met = stopped.code === 130 && halves.length === 0 && !unfinished && resumed.code === 0 && went !== undefined && finished !== false
    return row(
      title,
      'exit code 130, nothing half-written; goes on at its step',
      `exit code ${stopped.code}, ${halves.length} halves; ${went ?? 'begins anew'}, exit code ${resumed.code}`,
      met,
    )
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

/** Runs it; with `until`, interrupts it when it has printed that. */
function quickstart(args: readonly string[], until?: RegExp): Promise<{ readonly code: number | null; readonly text: string }> {
  return new Promise((resolve, reject) => {
    // The packages as built, or from source where this process runs from source.
    const conditions = process.execArgv.filter((arg) => arg.startsWith('--conditions='))
    const main = join(root, 'examples/quickstart/src/main.ts')
    const child = spawn(process.execPath, [...conditions, '--import', 'tsx', main, ...args], { cwd: root })
    let text = ''
    let told = false
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString()
        if (until === undefined || told || !until.test(text)) return
        told = true
        child.kill('SIGINT')
      })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, text }))
  })
}
