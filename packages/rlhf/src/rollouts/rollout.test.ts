import { referenceDevice, tensor } from '@tesserae/tensor'
import { createBatchGenerator, forward, gpt2, initWeights } from '@tesserae/transformer'
import { describe, expect, it } from 'vitest'
import { logprobsOf } from '../losses/logprobs.js'
import { checkRolloutLogprobs, collectRollout, type Rollout } from './rollout.js'

const config = gpt2({ vocabSize: 9, width: 16, layers: 2, heads: 2, context: 12 })
const device = referenceDevice()
const weights = initWeights(config, { seed: 3 })
const prompts = [[1, 2], [3], [4, 5, 6], [7]]

async function collect(options: Partial<Parameters<typeof collectRollout>[3]> = {}): Promise<Rollout> {
  using generator = createBatchGenerator({ config, device })
  return collectRollout(generator, weights, prompts, { maxTokens: 5, stop: [8], seed: 's', ...options })
}

describe('collectRollout', () => {
  it('lays out prompt, completion and padding, with a mask of what was sampled', async () => {
    const rollout = await collect({ padding: 0 })
    expect([rollout.rows, rollout.length, rollout.ids.length, rollout.mask.length]).toEqual([4, 8, 32, 28])
    const reasons = new Set<string>()
    for (const [row, prompt] of prompts.entries()) {
      const { completion, finishReason } = rollout.samples[row]!
      reasons.add(finishReason)
      const ids = Array.from(rollout.ids.subarray(row * 8, row * 8 + 8))
      expect(ids).toEqual([...prompt, ...completion, ...new Array<number>(8 - prompt.length - completion.length).fill(0)])
      const mask = Array.from(rollout.mask.subarray(row * 7, row * 7 + 7))
      expect(mask).toEqual(mask.map((_, t) => (t + 1 >= prompt.length && t + 1 < prompt.length + completion.length ? 1 : 0)))
      expect(rollout.ends[row]).toBe(mask.lastIndexOf(1) + 1)
    }
    expect(reasons).toEqual(new Set(['stop', 'length']))
  })

  it('has the log-probabilities that training computes, at the sampling temperature', async () => {
    for (const temperature of [1, 0.6]) {
      const rollout = await collect({ sampling: { temperature } })
      const ids = tensor(rollout.ids, { shape: [4, 8] })
      const logprobs = logprobsOf(forward(weights, ids.slice(1, 0, 7), { config }), ids.slice(1, 1, 8), { temperature })
      const values = (await logprobs.data()) as Float32Array
      expect(checkRolloutLogprobs(rollout, values)).toBeLessThan(1e-5)
      const at = rollout.mask.lastIndexOf(1)
      const wrong = values.slice()
      wrong[at]! += 1e-4
      expect(() => checkRolloutLogprobs(rollout, wrong)).toThrow(
        `sample 3: its token ${rollout.ids[3 * 8 + (at % 7) + 1]} at position ${(at % 7) + 1} was sampled with log-probability`,
      )
      expect(checkRolloutLogprobs(rollout, wrong, { tolerance: 1 })).toBeGreaterThan(9e-5)
      wrong.fill(NaN)
      expect(() => checkRolloutLogprobs(rollout, wrong)).toThrow('the trainer computes NaN')
    }
  })

  it('depends on the seed and the row alone', async () => {
    const first = await collect()
    expect((await collect()).ids).toEqual(first.ids)
    expect((await collect({ seed: 'other' })).ids).not.toEqual(first.ids)
    using generator = createBatchGenerator({ config, device })
    const fewer = await collectRollout(generator, weights, prompts.slice(0, 2), { maxTokens: 5, stop: [8], seed: 's', length: 8 })
    expect(fewer.ids).toEqual(first.ids.subarray(0, 16))
  })

  it('decodes for rewards, and refuses rows that do not fit', async () => {
    const tokenizer = { encode: () => [1], decode: (ids: Iterable<number>) => Array.from(ids, (id) => 'abcdefghi'[id]).join('') }
    const { samples } = await collect({ tokenizer })
    expect(samples[2]).toMatchObject({ index: 2, promptText: 'efg', completionText: tokenizer.decode(samples[2]!.completion) })
    await expect(collect({ length: 7 })).rejects.toThrow('a prompt of 3 tokens and 5 sampled ones take 8 columns; rows have 7')
  })
})
