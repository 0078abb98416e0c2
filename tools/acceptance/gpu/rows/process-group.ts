// Bar of the process group: `mpirun -n 2` trains to the weights of one process, by `train` and by trainers of rlhf; a rank that is killed is named within the deadline. With Debian's Open MPI and
// MPICH, and with the standard ABI of MPI 5, which Debian does not have yet and a wheel of MPICH brings.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { launchers, runRanks, type Launcher } from '../../../../packages/tensor/src/parallel/testing/mpirun.ts'
import type { GroupTrainer } from '../../../../packages/rlhf/src/testing/group-training.ts'
import type { TrainerReport } from '../../../../packages/rlhf/src/testing/trainer-rank.ts'
import type { TrainingReport } from '../../../../packages/transformer/src/testing/training-rank.ts'
import { pythonWith } from '../../lib/peers.js'
import { atMost, row, unavailable, type Row, type RowSource } from '../../lib/row.js'

const program = new URL('../../../../packages/transformer/src/testing/training-rank.ts', import.meta.url)
const trainerProgram = new URL('../../../../packages/rlhf/src/testing/trainer-rank.ts', import.meta.url)
const trainers: readonly GroupTrainer[] = ['sft', 'dpo']
const steps = 40
const trainerSteps = 12
const deadlineMs = 10_000

const source: RowSource = async ({ log }) => {
  const rows: Row[] = []
  let missing: unknown
  try {
    process.env['TESSERAE_MPI_ABI_LIBRARY'] ??= standardAbi()
  } catch (error) {
    missing = error
  }
  for (const launcher of launchers()) {
    if (launcher.command === undefined)
      rows.push(unavailable(`two processes of ${launcher.name}`, 'as one process', missing ?? launcher.missing))
    else {
      rows.push(...(await equalsOne(launcher, log)))
      for (const trainer of trainers) rows.push(await trainerEqualsOne(trainer, launcher, log))
      rows.push(await namesTheKilled(launcher, log))
    }
  }
  return rows
}
export default source

function standardAbi(): string {
  const path = join(dirname(pythonWith('mpich', ['mpich==5.0.2'])), '../lib/libmpi_abi.so.1')
  if (!existsSync(path)) throw new Error(`the wheel of mpich 5.0.2 has no ${path}`)
  return path
}

async function equalsOne(launcher: Launcher, log: (line: string) => void): Promise<Row[]> {
  const { reports, output } = await runRanks<TrainingReport>(launcher, program, {
    ranks: 2,
    args: [String(steps), 'well'],
    timeoutMs: 300_000,
  })
  const [zero, one] = reports
  const figure = `${launcher.name}, mpirun -n 2, ${steps} steps: largest difference of a weight from one process`
  if (zero?.difference === undefined || zero.accumulated === undefined || one === undefined) {
    log(output)
    return [row(figure, '≤ 1e-6', 'no result', false, output.trim().split('\n').at(-1))]
  }
  const note = `${zero.description}; loss ${zero.losses[0]!.toFixed(3)} to ${zero.losses.at(-1)!.toFixed(3)}`
  return [
    atMost(`${figure} with batches twice as large`, zero.difference, 1e-6, { digits: 9, note }),
    atMost(`${figure} that accumulates two batches`, zero.accumulated, 1e-6, { digits: 9, note }),
  ]
}

async function trainerEqualsOne(trainer: GroupTrainer, launcher: Launcher, log: (line: string) => void): Promise<Row> {
  const { reports, output } = await runRanks<TrainerReport>(launcher, trainerProgram, {
    ranks: 2,
    args: [trainer, String(trainerSteps)],
    timeoutMs: 300_000,
  })
  const [zero, one] = reports
  const figure = `${launcher.name}, mpirun -n 2, ${trainerSteps} steps of ${trainer}: largest difference of a weight from one process that accumulates two batches`
  if (zero?.difference === undefined || one === undefined) {
    log(output)
    return row(figure, '≤ 1e-6', 'no result', false, output.trim().split('\n').at(-1))
  }
  const note = `${zero.description}; loss ${zero.losses[0]!.toFixed(3)} to ${zero.losses.at(-1)!.toFixed(3)}`
  return atMost(figure, zero.difference, 1e-6, { digits: 9, note })
}

async function namesTheKilled(launcher: Launcher, log: (line: string) => void): Promise<Row> {
  const options = { ranks: 2, args: ['100000', 'killed'], survive: true, until: 0, timeoutMs: 120_000 }
  const { reports, output } = await runRanks<TrainingReport>(launcher, program, options)
  const failure = reports[0]?.failure
  const named = failure?.code === 'PEER' && failure.ranks.length === 1 && failure.ranks[0] === 1
  if (!named) log(output)
  return row(
    `${launcher.name}: kill -9 of rank 1 in training, as rank 0 tells it`,
    `an error that names rank 1 within the deadline of ${deadlineMs / 1000} s`,
    failure === undefined ? 'no error' : `${failure.code} naming ${failure.ranks.join(', ')} after ${failure.ms.toFixed(0)} ms`,
    named && failure.ms <= deadlineMs,
    failure?.message,
  )
}
