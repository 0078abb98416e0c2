import { join } from 'node:path'
import { Stepper } from '../../lib/stepper.js'
import { median } from '../../lib/timing.js'

export interface Side {
  /** Median milliseconds of a token, or of a prompt. */
  readonly milliseconds: number
  readonly peakMiB: number
}

interface Contest {
  readonly path: string
  readonly what: 'decode' | 'prefill'
  readonly context: number
  /** Where node-llama-cpp is installed. */
  readonly folder: string
  readonly rounds: number
  /** Tokens, or prompts, of a turn. */
  readonly steps: number
}

/** Both take turns, so that what else the machine does falls on them alike. */
export async function inTurns({
  path,
  what,
  context,
  folder,
  rounds,
  steps,
}: Contest): Promise<{ readonly ours: Side; readonly theirs: Side }> {
  const start = (file: string): Stepper =>
    new Stepper(process.execPath, [
      '--conditions=@tesserae/source',
      '--import',
      'tsx',
      join(import.meta.dirname, file),
      path,
      what,
      String(context),
      folder,
    ])
  const contestants: Stepper[] = []
  try {
    for (const file of ['ours.ts', 'llama.ts']) {
      const contestant = start(file)
      contestants.push(contestant)
      await contestant.ready()
    }
    for (let round = 0; round < rounds; round++)
      for (const contestant of round % 2 === 0 ? contestants : contestants.toReversed()) await contestant.steps(steps)
    const [ours, theirs] = contestants.map(({ milliseconds, peakMiB }) => ({ milliseconds: median(milliseconds), peakMiB }))
    return { ours: ours!, theirs: theirs! }
  } finally {
    for (const contestant of contestants) contestant.end()
  }
}
