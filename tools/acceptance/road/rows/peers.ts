// Bar 4: a PPO iteration and a DPO step on a tiny model, faster than in TRL and than in a loop written by hand with PyTorch.
import { join } from 'node:path'
import { pythonWith } from '../../lib/peers.js'
import { atLeast, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { Stepper } from '../../lib/stepper.js'
import { median } from '../../lib/timing.js'

const target = 1.3
const threads = 2

interface Contest {
  readonly task: 'ppo' | 'dpo'
  readonly figure: string
  readonly peers: readonly string[]
  readonly rounds: number
  readonly perTurn: number
  readonly note: string
}

const contests: readonly Contest[] = [
  {
    task: 'ppo',
    figure: 'PPO iteration of a tiny model, times as fast as a hand-written torch loop',
    peers: ['eager', 'compile'],
    rounds: 5,
    perTurn: 2,
    note: 'TRL 1.16 has no PPO any more, neither in trl nor in trl.experimental',
  },
  {
    task: 'dpo',
    figure: 'DPO step of a tiny model, times as fast as TRL and a hand-written torch loop',
    peers: ['eager', 'compile', 'trl'],
    rounds: 6,
    perTurn: 12,
    note: "reference log-probabilities computed beforehand everywhere; of TRL only the trainer's own step is timed, without loading data",
  },
]

const source: RowSource = async ({ log }) => {
  const rows: Row[] = []
  for (const contest of contests) rows.push(await compete(contest, log))
  return rows
}
export default source

async function compete({ task, figure, peers, rounds, perTurn, note }: Contest, log: (line: string) => void): Promise<Row> {
  const steppers: Stepper[] = []
  try {
    // A development machine may have an environment with torch and TRL already.
    const python = process.env['TESSERAE_TORCH_PYTHON'] ?? pythonWith('trl', ['torch==2.15.0', 'trl==1.16.0', 'numpy'])
    steppers.push(new Stepper(process.execPath, [...process.execArgv, join(import.meta.dirname, '../alignment/steps.ts'), task]))
    for (const kind of peers)
      steppers.push(new Stepper(python, [join(import.meta.dirname, '../peers/alignment.py'), task, kind, String(threads)]))
    // One after another: compiling needs both cores.
    for (const stepper of steppers) {
      await stepper.ready()
      log(`${task}: ${stepper.runtime} is ready, ${stepper.parameters} parameters`)
    }
    for (let round = 0; round < rounds; round++) {
      for (const stepper of round % 2 === 0 ? steppers : steppers.toReversed()) await stepper.steps(perTurn)
      log(
        `${task}, turn ${round + 1} of ${rounds}: ${steppers.map(({ milliseconds }) => median(milliseconds).toFixed(1)).join(', ')} ms so far`,
      )
    }
    const times = steppers.map(({ milliseconds }) => median(milliseconds))
    for (const [i, stepper] of steppers.entries()) log(`${task}: ${stepper.runtime}: ${times[i]!.toFixed(1)} ms`)
    return atLeast(figure, Math.min(...times.slice(1)) / times[0]!, target, {
      note: `${steppers.map((stepper, i) => `${stepper.runtime}: ${times[i]!.toFixed(1)} ms, peak ${stepper.peakMiB.toFixed(0)} MiB`).join('; ')}. Medians of ${rounds} alternating turns of ${perTurn}; ${note}`,
    })
  } catch (error) {
    return unavailable(figure, `≥ ${target}`, error)
  } finally {
    for (const stepper of steppers) stepper.end()
  }
}
