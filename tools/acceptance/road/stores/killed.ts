import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { random } from '@tesserae/core'
import { makeManifest } from '@tesserae/rag/testing'
import { pglite } from '@tesserae/rag/pglite'

export interface KillReport {
  /** Writes that were acknowledged over all rounds. */
  readonly acknowledged: number
  /** Acknowledged sources that are not there as they were acknowledged. */
  readonly lost: number
  /** Sources with chunks of two versions, or not all of one. */
  readonly torn: number
  /** Rounds in which a second opener was refused with LOCKED while the writer lived. */
  readonly refused: number
  readonly rounds: number
}

/** Kills a writing process `rounds` times with SIGKILL at random moments, and looks after each what is there. */
export async function killWriters(rounds: number, log: (line: string) => void): Promise<KillReport> {
  const dir = mkdtempSync(join(tmpdir(), 'tesserae-killed-'))
  const stream = random(11).stream('kills')
  let last = -1
  let report = { acknowledged: 0, lost: 0, torn: 0, refused: 0, rounds }
  try {
    for (let round = 0; round < rounds; round++) {
      const wait = 5 + stream.int(60)
      const moment = stream.int(15)
      const written = await killOne(dir, last + 1, { wait, moment })
      last = written.last
      const { lost, torn } = await look(dir, last)
      report = {
        ...report,
        acknowledged: last + 1,
        lost: report.lost + lost,
        torn: report.torn + torn,
        refused: report.refused + (written.refused ? 1 : 0),
      }
      log(
        `kill ${round + 1}: ${last + 1} writes acknowledged so far, ${lost} lost, ${torn} torn, second opener ${written.refused ? 'refused' : 'LET IN'}`,
      )
    }
    return report
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function killOne(
  dir: string,
  first: number,
  { wait, moment }: { readonly wait: number; readonly moment: number },
): Promise<{ readonly last: number; readonly refused: boolean }> {
  const writer = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'writer.ts'), dir, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return new Promise((resolve, reject) => {
    let last = first - 1
    let pending = ''
    let refused = false
    let asked = false
    writer.on('error', reject)
    writer.on('close', (code, signal) =>
      signal === 'SIGKILL' ? resolve({ last, refused }) : reject(new Error(`the writer ended with ${code}`)),
    )
    writer.stdout.on('data', (bytes: Buffer) => {
      const lines = (pending + bytes.toString()).split('\n')
      pending = lines.pop()!
      for (const line of lines) last = Number(line)
      if (last - first + 1 < wait || asked) return
      asked = true
      pglite({ dir })
        .open(makeManifest())
        .catch((error: unknown) => (refused = (error as { readonly code?: string }).code === 'LOCKED'))
        .finally(() => setTimeout(() => writer.kill('SIGKILL'), moment))
    })
  })
}

/** What of the acknowledged versions is there: of each source the newest one, or the one after it, whose acknowledgement the kill cut off. */
async function look(dir: string, last: number): Promise<{ readonly lost: number; readonly torn: number }> {
  const store = pglite({ dir })
  await store.open(makeManifest())
  let lost = 0
  let torn = 0
  for (let slot = 0; slot < Math.min(40, last + 1); slot++) {
    const newest = last - ((last - slot) % 40)
    const version = (await store.source(`s${slot}`))?.metadata['version']
    if (version !== newest && version !== newest + 40) lost++
    const chunks = await store.get((await store.chunksOf(`s${slot}`)).map(({ id }) => id))
    if (chunks.length !== 6 || chunks.some((chunk) => !chunk?.text.includes(`version ${String(version)} `))) torn++
  }
  const { chunks, sources } = await store.stats()
  if (chunks !== 6 * sources) torn++
  await store.close()
  return { lost, torn }
}
