import { referenceDevice, tensor } from '@tesserae/tensor'
import { forwardHidden, initWeights, llama, rotaryTables } from '@tesserae/transformer'
import { expect, it } from 'vitest'
import { initScalarHead } from './scalar-head.js'
import { modelReward } from './model.js'
import { scoreSamples, type RewardSample } from './reward.js'

const config = llama({ vocabSize: 9, width: 8, layers: 1, heads: 2, context: 12, hidden: 12 })

it('modelReward gives the head at the last token, whatever is beside or behind it', async () => {
  const weights = initWeights(config, { seed: 1 })
  const head = initScalarHead(config.width, { seed: 1 })
  const samples = [
    [[1, 2], [3]],
    [[4], [5, 6, 7, 8, 0]],
    [
      [2, 2, 2],
      [1, 1],
    ],
  ].map(([prompt, completion], index): RewardSample => ({ index, prompt: prompt!, completion: completion!, finishReason: 'stop' }))
  using reward = modelReward({ config, weights, head }, { rows: 2, device: referenceDevice() })
  const scores = await scoreSamples(reward, samples)
  for (const { index, prompt, completion } of samples) {
    const ids = [...prompt, ...completion]
    const hidden = forwardHidden(weights, tensor([ids], { dtype: 'i32' }), { config, rotary: rotaryTables(config) })
    const all = (await hidden.matmul(head.weight, { transB: true }).data()) as Float32Array
    expect(scores[index]).toBeCloseTo(all.at(-1)!, 5)
  }
  const long: RewardSample = { index: 7, prompt: new Array<number>(12).fill(1), completion: [1], finishReason: 'stop' }
  await expect(scoreSamples(reward, [long])).rejects.toThrow("sample 7 has 13 tokens; the reward model's context is 12")
})
