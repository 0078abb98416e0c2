import { describe, expect, it } from 'vitest'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { mapWeights } from '../architectures/weights.js'
import { createModel, type CreateModelOptions, type DecoderModel } from './model.js'

const config = llama({ vocabSize: 13, width: 16, layers: 2, heads: 4, kvHeads: 2, hidden: 24, context: 64 })
const prompt = [1, 5, 2, 9, 1, 5, 3]

const open = (options: Partial<CreateModelOptions> = {}): Promise<DecoderModel> =>
  createModel({
    config,
    weights: mapWeights(initWeights(config, { seed: 4 }), (weight) => weight.mul(weight.rank === 2 ? 20 : 1)),
    device: 'cpu',
    capacity: 32,
    maxStreams: 4,
    ...options,
  })

/** The search by its definition, each text computed anew. */
async function byDefinition(model: DecoderModel, count: number, topK: number, alpha: number): Promise<number[]> {
  const { width, vocabSize } = model.config
  const unit = (state: ArrayLike<number>): number[] => {
    const norm = Math.hypot(...Array.from(state))
    return Array.from(state, (value) => value / norm)
  }
  const statesOf = async (ids: readonly number[]): Promise<number[][]> => {
    const all = await model.hidden(ids)
    return ids.map((_, i) => unit(all.subarray(i * width, (i + 1) * width)))
  }
  const text = [...prompt]
  while (text.length < prompt.length + count) {
    const logits = (await model.logits(text)).subarray((text.length - 1) * vocabSize)
    const peak = Math.max(...logits)
    const weights = Array.from(logits, (logit) => Math.exp(logit - peak))
    const total = weights.reduce((a, b) => a + b)
    const best = weights
      .map((weight, id) => ({ id, probability: weight / total }))
      .sort((a, b) => b.probability - a.probability)
      .slice(0, topK)
    const scored = []
    for (const { id, probability } of best) {
      const states = await statesOf([...text, id])
      const own = states.pop()!
      const likeness = Math.max(...states.map((state) => state.reduce((sum, value, i) => sum + value * own[i]!, 0)))
      scored.push({ id, score: (1 - alpha) * probability - alpha * likeness })
    }
    text.push(scored.reduce((a, b) => (b.score > a.score ? b : a)).id)
  }
  return text.slice(prompt.length)
}

describe('contrastive search', () => {
  it.each([
    [4, 0.6],
    [3, 0.2],
    [2, 0.9],
  ])('with topK %i and penaltyAlpha %d gives what its definition gives', async (topK, penaltyAlpha) => {
    using model = await open()
    const { ids, logprobs } = await model.generate(prompt, { maxTokens: 12, contrastive: { topK, penaltyAlpha }, logprobs: true })
    expect(ids).toEqual(await byDefinition(model, 12, topK, penaltyAlpha))
    // Log-probabilities are the model's own.
    const scored = await model.score([...prompt, ...ids])
    logprobs!.forEach((logprob, i) => expect(logprob).toBeCloseTo(scored.logprobs[prompt.length - 1 + i]!, 4))
  })

  it('takes the likeliest token where likeness costs nothing or nothing else is looked at, also beside other texts', async () => {
    using model = await open()
    const plain = await model.generate(prompt, { maxTokens: 9 })
    const [free, alone, beside] = await Promise.all([
      model.generate(prompt, { maxTokens: 9, contrastive: { penaltyAlpha: 0 } }),
      model.generate(prompt, { maxTokens: 9, contrastive: { topK: 1 } }),
      model.generate(prompt, { maxTokens: 9 }),
    ])
    for (const { ids } of [free, alone, beside]) expect(ids).toEqual(plain.ids)
  })

  it('ends where it should: at a stop, with its signal, and when the capacity is full, of which it takes one more', async () => {
    using model = await open({ capacity: 16 })
    const { ids, finishReason } = await model.generate(prompt, { contrastive: {} })
    expect([ids.length, finishReason]).toEqual([16 - prompt.length, 'context'])
    const stopped = await model.generate(prompt, { contrastive: {}, stop: [ids[3]!] })
    expect([stopped.finishReason, stopped.ids.at(-1)]).toEqual(['stop', ids[3]])
    const controller = new AbortController()
    const run = async (): Promise<void> => {
      for await (const _ of model.stream(prompt, { contrastive: {}, signal: controller.signal })) controller.abort()
    }
    await expect(run()).rejects.toMatchObject({ name: 'AbortError' })
    // Places are given back.
    expect((await model.generate(prompt, { maxTokens: 2, contrastive: {} })).ids).toEqual(ids.slice(0, 2))
    await expect(model.generate(prompt, { maxTokens: 10, contrastive: {} })).rejects.toMatchObject({ code: 'CAPACITY' })
  })

  it('says what it does not go with', async () => {
    using model = await open()
    const message = (options: object): Promise<string> =>
      model.generate(prompt, { contrastive: {}, maxTokens: 2, ...options }).then(
        () => 'none',
        (error: Error) => error.message,
      )
    expect(await message({ contrastive: { topK: 5 } })).toContain('topK must be an integer from 1 to 4, the places')
    expect(await message({ contrastive: { penaltyAlpha: 2 } })).toContain('penaltyAlpha must be a number from 0 to 1, got 2')
    expect(await message({ sampler: { choose: () => 0 } })).toContain('leave sampler out')
    expect(await message({ speculative: { draft: 'prompt' } })).toContain('leave speculative out')
    expect(await message({ guidance: { scale: 2 } })).toContain('leave guidance out')
    expect(await message({ useCache: false })).toContain('leave useCache out')
    expect(await message({ overflow: 'slide' })).toContain("leave overflow at 'stop'")
  })
})
