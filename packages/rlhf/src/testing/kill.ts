/** Kills trainings and lets them go on: what {@link killable} computes must not depend on how often that happened. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { random } from '@tesserae/core'
import type { TrainerName } from '../run/node/checkpoint.js'

export interface KillOptions {
  readonly trainer: TrainerName
  readonly steps: number
  /** How often to kill it. */
  readonly kills: number
  readonly seed: number | string
  readonly log?: (line: string) => void
}

export interface KillOutcome {
  /** Digests of the state after the last step. */
  readonly straight: string
  readonly killed: string
  /** Steps after whose report the process was killed, up to 20 ms later: in the middle of a step, or of saving one. */
  readonly at: readonly number[]
}

/** Trains once undisturbed and once with SIGKILLs at random moments, each time starting again from the folder. */
export async function trainAndKill({ trainer, steps, kills, seed, log = () => undefined }: KillOptions): Promise<KillOutcome> {
  const scratch = mkdtempSync(join(tmpdir(), 'tesserae-kill-'))
  try {
    const draw = random(seed).stream(`kill ${trainer}`)
    const straight = await runOnce(trainer, join(scratch, 'straight'), steps)
    if (straight.digest === undefined) throw new Error(`the undisturbed training ended without a digest: ${straight.errors}`)
    log(`${trainer}: ${steps} steps undisturbed, ${straight.digest.slice(0, 12)}`)
    // In order, so that each process gets to do something; early, so that none reaches the end before the signal does.
    const at = Array.from({ length: kills }, () => draw.int(Math.ceil(steps / 4)) + 1).sort((a, b) => a - b)
    for (const step of at) {
      const { reached, errors } = await runOnce(trainer, join(scratch, 'killed'), steps, { step, delay: draw.int(20) })
      if (reached === undefined) throw new Error(`a training to be killed ended by itself: ${errors}`)
      log(`${trainer}: killed after step ${reached}`)
    }
    const killed = await runOnce(trainer, join(scratch, 'killed'), steps)
    if (killed.digest === undefined) throw new Error(`the resumed training ended without a digest: ${killed.errors}`)
    return { straight: straight.digest, killed: killed.digest, at }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

interface Once {
  readonly digest: string | undefined
  /** Last step reported before it was killed. */
  readonly reached: number | undefined
  readonly errors: string
}

/** One process, killed some milliseconds after it reports a step, or has begun beyond it. */
function runOnce(trainer: string, folder: string, steps: number, kill?: { readonly step: number; readonly delay: number }): Promise<Once> {
  return new Promise((resolve, reject) => {
    const script = fileURLToPath(import.meta.resolve('./killable.ts'))
    const child = spawn(process.execPath, ['--conditions=@tesserae/source', '--import', 'tsx', script, trainer, folder, String(steps)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [output, errors] = ['', '']
    let due = false
    let killed = false
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      const step = Number(/step (\d+)\n(?![\s\S]*step \d+\n)/.exec(output)?.[1] ?? -1)
      if (kill === undefined || due || step < kill.step || step >= steps) return
      due = true
      setTimeout(() => (killed = child.kill('SIGKILL')), kill.delay)
    })
    child.on('error', reject)
    child.on('close', (_, signal) => {
      const digest = /digest (\w+)/.exec(output)?.[1]
      const reached = [...output.matchAll(/step (\d+)\n/g)].at(-1)?.[1]
      resolve({
        digest,
        reached: killed && signal === 'SIGKILL' ? Number(reached) : undefined,
        errors: errors.trim().split('\n').slice(-5).join(' '),
      })
    })
  })
}
