/**
 * One rank of a training under MPI by a trainer of this package. In the folder that is the first argument each rank reports how it went; rank 0 then trains alone, accumulating twice as many batches, and compares.
 * The second argument names the trainer, the third is how many steps.
 */
import { resolveDevice } from '@tesserae/tensor'
import { mpiGroup } from '@tesserae/tensor/node'
import { beginRank, reportRank } from '../../../tensor/src/parallel/testing/rank.js'
import { beginTraining, finishTraining, largestDifference, valuesOf, type GroupTrainer } from './group-training.js'

export interface TrainerReport {
  readonly description: string
  readonly losses: readonly number[]
  /** Largest difference of rank 0's weights from those of one process. */
  readonly difference?: number
}

const [folder, trainer, steps] = process.argv.slice(2) as [string, GroupTrainer, string]
// Ranks of one machine share its processors.
const common = { steps: Number(steps), device: await resolveDevice('cpu', { threads: 1 }) }
const group = await mpiGroup({ deadlineMs: 60_000 })
beginRank(folder, group.rank)
const run = await beginTraining(trainer, { ...common, group, start: 1 + group.rank, bucketBytes: 32 * 1024 })
const losses = (await finishTraining(run)).map(({ loss }) => loss!)
await group.close()
const report: TrainerReport = { description: group.description, losses }
if (group.rank === 0) {
  const alone = await beginTraining(trainer, { ...common, accumulate: 2 })
  await finishTraining(alone)
  const difference = largestDifference(await valuesOf(run.weights), await valuesOf(alone.weights))
  reportRank(folder, group.rank, { ...report, difference } satisfies TrainerReport)
} else reportRank(folder, group.rank, report)
