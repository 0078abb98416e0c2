import { resolveDevice } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import type { DecoderConfig } from '../architectures/config.js'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { disposeWeights, mapWeights, namedWeights } from '../architectures/weights.js'
import { FixedCache } from '../cache/fixed.js'
import { modelMemory } from './memory.js'
import { createModel, type CreateModelOptions, type DecoderModel } from './model.js'

/** Windows of 9 tokens hold 328 rows, so texts of this context slide more than once. */
const config: DecoderConfig = {
  ...llama({ vocabSize: 31, width: 16, layers: 3, heads: 2, kvHeads: 1, hidden: 24, context: 768 }),
  windows: [9, 0, 7],
}

async function open(options: Partial<CreateModelOptions> = {}): Promise<DecoderModel> {
  const device = await resolveDevice('cpu')
  const small = initWeights(config, { seed: 6 })
  const weights = mapWeights(small, (weight) => weight.mul(weight.rank === 2 ? 15 : 1))
  for (const weight of namedWeights(weights).values()) await weight.realize({ device })
  disposeWeights(small)
  return createModel({ config, weights, device, maxStreams: 4, ...options })
}

const text = (length: number, seed = 1): number[] => Array.from({ length }, (_, i) => (i * i * 7 + i * seed + seed) % 31)

/** The largest difference between the logits behind `ids` and those of a whole run. */
async function difference(model: DecoderModel, ids: readonly number[], logits: Float32Array): Promise<number> {
  const whole = (await model.logits(ids)).subarray(-config.vocabSize)
  return Math.max(...whole.map((value, i) => Math.abs(value - logits[i]!)))
}

describe('layers with a window', () => {
  it('hold what tokens to come can see, and no more', () => {
    using cache = new FixedCache(config, { sliding: true })
    expect(cache.layers.map(({ k }) => k.shape[2])).toEqual([328, 768, 328])
    expect(cache.bytes).toBe(modelMemory(config).cache.reduce((sum, { bytes }) => sum + bytes, 0))
    using whole = new FixedCache(config)
    expect(whole.bytes).toBe(modelMemory(config, { sliding: false }).cache.reduce((sum, { bytes }) => sum + bytes, 0))
    using short = new FixedCache(config, { sliding: true, capacity: 328 })
    expect(short.layers.map(({ k }) => k.shape[2])).toEqual([328, 328, 328])
  })

  it('give the logits of a whole run, in prompts and steps, far past what they hold', async () => {
    using model = await open()
    using row = model.open(text(500))
    for (let step = 0; step < 160; step++) {
      const logits = await row.next()
      if (step % 20 === 0) expect(await difference(model, row.ids, logits)).toBeLessThan(1e-4)
      row.ids.push((step * 5) % 31)
    }
  })

  it('can be cut back: by a few tokens at once, by many at the price of computing them anew', async () => {
    using model = await open()
    for (const back of [1, 63, 64, 200, 450]) {
      using row = model.open(text(640, back))
      await row.next()
      row.replace(640 - back, [3, 1, 4])
      expect(await difference(model, row.ids, await row.next())).toBeLessThan(1e-4)
    }
  })

  it('are gone on with by texts that share what they hold', async () => {
    using model = await open()
    const first = await model.generate(text(600), { maxTokens: 10 })
    const next = [...text(600), ...first.ids.slice(0, 9), 5, 6]
    const second = await model.generate(next, { maxTokens: 5, logprobs: true })
    expect(second.cachedTokens).toBe(609)
    const early = [...text(100), 5, 6, 7]
    const third = await model.generate(early, { maxTokens: 5 })
    expect(third.cachedTokens).toBe(0)
    const alone = async (ids: readonly number[]) => (await model.generate(ids, { maxTokens: 5, useCache: false })).ids
    expect(second.ids).toEqual(await alone(next))
    expect(third.ids).toEqual(await alone(early))
  })

  it('step side by side, copies of each other among them, and are guessed for', async () => {
    using model = await open()
    const prompts = [text(310, 2), text(40, 3), text(325, 4)]
    const alone = []
    for (const prompt of prompts) alone.push((await model.generate(prompt, { maxTokens: 30 })).ids)
    using other = await open()
    const together = await Promise.all(prompts.map(async (prompt) => (await other.generate(prompt, { maxTokens: 30 })).ids))
    expect(together).toEqual(alone)
    const guessed = await model.generate(prompts[0]!, { maxTokens: 30, speculative: { draft: 'prompt', tokens: 20 } })
    expect(guessed.ids).toEqual(alone[0])
    const [beam] = await model.beamSearch(prompts[2]!, { beams: 3, maxTokens: 12 })
    const { logprobs } = await model.score([...prompts[2]!, ...beam!.ids])
    expect(beam!.logprob).toBeCloseTo(
      logprobs.subarray(324).reduce((sum, one) => sum + one, 0),
      3,
    )
  })
})
