// Bar 2, second half: trainings killed by SIGKILL at random steps and resumed from their folder equal undisturbed ones bit for bit.
import { trainAndKill } from '../../../../packages/rlhf/src/testing/kill.ts'
import { row, type Row, type RowSource } from '../../lib/row.js'

const kills = 5
const steps = 40

const source: RowSource = async ({ log }) => {
  const rows: Row[] = []
  // Other steps each time; the seed in the note repeats them.
  const seed = Number(process.env['TESSERAE_SEED'] ?? Date.now())
  for (const trainer of ['sft', 'ppo', 'dpo', 'reward'] as const) {
    const { straight, killed, at } = await trainAndKill({ trainer, steps, kills, seed, log })
    rows.push(
      row(
        `${trainer}: ${steps} steps killed at ${kills} random steps and resumed, against undisturbed`,
        'the same bit for bit',
        straight === killed ? 'the same' : 'different',
        straight === killed,
        `killed after steps ${at.join(', ')} (TESSERAE_SEED=${seed}); SHA-256 of weights, moments, counters and coefficients: ${straight.slice(0, 12)} and ${killed.slice(0, 12)}`,
      ),
    )
  }
  return rows
}
export default source
