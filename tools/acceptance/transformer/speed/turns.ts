import { join } from 'node:path'
import { Stepper } from '../../lib/stepper.js'
import { median } from '../../lib/timing.js'

export interface Side {
  /** Median milliseconds of a token, or of a prompt. */
  readonly milliseconds: number
  readonly peakMiB: number
}

interface Contest {
  readonly what: 'decode' | 'prefill'
  readonly context: number
  /** Another runtime than ours: its file here, its model, what else it wants to know. */
  readonly peer: { readonly file: 'llama.ts' | 'transformers-js.ts'; readonly path: string; readonly more: readonly string[] }
  /** Our model, and what its matrices are kept in. */
  readonly path: string
  readonly dtype?: string
  readonly rounds: number
  /** Tokens, or prompts, of a turn. */
  readonly steps: number
}

/** Both take turns, so that what else the machine does falls on them alike. */
export async function inTurns({
  path,
  dtype = 'auto',
  what,
  context,
  peer,
  rounds,
  steps,
}: Contest): Promise<{ readonly ours: Side; readonly theirs: Side }> {
  const start = (file: string, model: string, more: readonly string[]): Stepper =>
    new Stepper(process.execPath, [
      '--conditions=@tesserae/source',
      '--import',
      'tsx',
      join(import.meta.dirname, file),
      model,
      what,
      String(context),
      ...more,
    ])
  const contestants: Stepper[] = []
  try {
    for (const [file, model, more] of [['ours.ts', path, [dtype]] as const, [peer.file, peer.path, peer.more] as const]) {
      const contestant = start(file, model, more)
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
