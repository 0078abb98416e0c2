import { join } from 'node:path'
import { script } from '../../lib/script.js'
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
  using our = await script(join(import.meta.dirname, 'ours.ts'))
  using their = await script(join(import.meta.dirname, peer.file))
  const contestants: Stepper[] = []
  try {
    for (const [program, model, more] of [[our, path, [dtype]] as const, [their, peer.path, peer.more] as const]) {
      const contestant = new Stepper(process.execPath, [program.path, model, what, String(context), ...more])
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
