import { resolveDevice, tensor } from '@tesserae/tensor'
import { forward, gpt2, initWeights } from '@tesserae/transformer'
import { describe, expect, it } from 'vitest'
import { logprobsOf } from '../losses/logprobs.js'
import { largestVocabulary, sequenceLogprobs } from './sequences.js'
import { sft } from './sft.js'

const sizes = { width: 8, layers: 1, heads: 1, context: 8 }
const large = gpt2({ ...sizes, vocabSize: largestVocabulary + 8 })
const ids = [
  [1, 2, 3, 4],
  [8195, 6, 0, 0],
]
const targets = [
  [2, 3, 8199, -1],
  [6, -1, -1, -1],
]

describe('a vocabulary whose logits are never held', () => {
  it('gives the log-probabilities of the logits', async () => {
    const device = await resolveDevice('cpu')
    const weights = initWeights(large, { seed: 1 })
    const [x, y] = [tensor(ids, { dtype: 'i32' }), tensor(targets, { dtype: 'i32' })]
    const found = await sequenceLogprobs(weights, { ids: x, targets: y }, { config: large }).data({ device })
    const expected = await logprobsOf(forward(weights, x, { config: large }), y)
      .sum(-1)
      .data({ device })
    expect(expected[0]!).toBeLessThan(-20)
    found.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-4))
  })

  it('is fine-tuned by the mean of them', async () => {
    const device = await resolveDevice('cpu')
    const weights = initWeights(large, { seed: 1 })
    const learnt = { ids: tensor([ids[0]!], { dtype: 'i32' }), targets: tensor([[-1, 3, 4, -1]], { dtype: 'i32' }) }
    const [sum] = await sequenceLogprobs(weights, learnt, { config: large }).data({ device })
    const data = [{ ids: Int32Array.from(ids[0]!), mask: Uint8Array.of(0, 0, 1, 1) }]
    using run = sft({ policy: { config: large, weights }, data, steps: 3, learningRate: 1e-2, device })
    const losses: number[] = []
    for await (const { metrics } of run) losses.push(metrics.loss)
    expect(losses[0]!).toBeCloseTo(-sum! / 2, 4)
    expect(losses[2]!).toBeLessThan(losses[0]!)
  })
})
