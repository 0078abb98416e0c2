// Bar 2: PPO learns shortest ways in random graphs, the task of trlx's examples/randomwalks.
import { solve, type Outcome } from '../../../../examples/rlhf-random-walks/src/train.js'
import { row, type RowSource } from '../../lib/row.js'

const seeds = [1, 2, 3]
const target = 0.85
/** 97.5 % quantile of Student's t with two degrees of freedom. */
const quantile = 4.303

/** Mean and half the width of its 95 % interval over the seeds. */
function summary(values: readonly number[]): { readonly mean: number; readonly half: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)
  return { mean, half: quantile * Math.sqrt(variance / values.length) }
}

const source: RowSource = async ({ log }) => {
  const outcomes: Outcome[] = []
  for (const seed of seeds) {
    const outcome = await solve({
      seed,
      onStep: (step, { reward, kl }) => {
        if (step % 20 === 0) log(`seed ${seed}, step ${step}: optimality ${reward.toFixed(3)}, KL ${kl.toFixed(2)}`)
      },
    })
    outcomes.push(outcome)
    log(`seed ${seed}: ${outcome.before.toFixed(3)} → ${outcome.after.toFixed(3)}, ${outcome.seconds.toFixed(0)} s`)
  }
  const before = summary(outcomes.map((outcome) => outcome.before))
  const after = summary(outcomes.map((outcome) => outcome.after))
  const show = ({ mean, half }: typeof before): string => `${mean.toFixed(3)} ± ${half.toFixed(3)}`
  return row(
    'PPO on random walks of 21 nodes: optimality of sampled walks after it, mean of 3 seeds',
    `≥ ${target}`,
    show(after),
    after.mean >= target,
    `95 % intervals over seeds (graph, model and sampling); before PPO ${show(before)}; by seed ${outcomes.map((outcome) => `${outcome.before.toFixed(3)} → ${outcome.after.toFixed(3)} in ${outcome.seconds.toFixed(0)} s`).join(', ')}`,
  )
}
export default source
