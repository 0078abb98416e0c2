// npm start -w examples/rlhf-random-walks [-- SEED]
import { solve } from './train.js'

const seed = Number(process.argv[2] ?? 1)
const { before, after, seconds } = await solve({
  seed,
  onStep: (step, { reward, kl, entropy, valueLoss, clipFraction, rolloutGap }) => {
    if (step % 10 === 0 || step === 1)
      console.log(
        `step ${step}: optimality ${reward.toFixed(3)}, KL ${kl.toFixed(2)}, entropy ${entropy.toFixed(2)}, value loss ${valueLoss.toFixed(4)}, clipped ${(100 * clipFraction).toFixed(0)} %, gap ${rolloutGap.toExponential(1)}`,
      )
  },
})
console.log(`seed ${seed}: optimality ${before.toFixed(3)} before PPO, ${after.toFixed(3)} after it, ${seconds.toFixed(0)} s`)
