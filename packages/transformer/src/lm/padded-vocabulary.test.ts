/** Models whose table of tokens has more rows than their tokenizer has tokens. */
import { tensor, type Tensor } from '@tesserae/tensor'
import { sampler } from '@tesserae/sampling'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { initWeights } from '../architectures/initialize.js'
import { mapWeights } from '../architectures/weights.js'
import { createModel, type CreateModelOptions, type DecoderModel } from '../generate/model.js'
import { createLm, type LocalLm } from './local.js'
import { chatModel, plainTemplate } from './testing/chat-model.js'

const { config: small, tokenizer } = await chatModel(plainTemplate)
const tokens = tokenizer.vocabSize
const config = { ...small, vocabSize: tokens + 20, tied: false }

/** The rows beyond the tokenizer's are the likeliest of all. */
async function paddedModel(options: Partial<CreateModelOptions> = {}): Promise<DecoderModel> {
  const weights = mapWeights<Tensor, Tensor>(initWeights(config, { seed: 1 }), (weight, name) => {
    if (name === 'norm.weight') return tensor(new Float32Array(config.width).fill(1), { shape: [config.width] })
    if (name !== 'head.weight') return weight
    const row = (id: number): number[] => Array.from({ length: config.width }, (_, i) => Math.sin(id * 7 + i) * (id < tokens ? 1 : 50))
    return tensor(Float32Array.from(Array.from({ length: config.vocabSize }, (_, id) => row(id)).flat()), {
      shape: [config.vocabSize, config.width],
    })
  })
  return createModel({ config, weights, capacity: 128, ...options })
}

describe('ids that no token has', () => {
  let bare: DecoderModel
  let model: DecoderModel
  let lm: LocalLm
  beforeAll(async () => {
    ;[bare, model] = await Promise.all([paddedModel(), paddedModel({ tokenizer })])
    lm = createLm({ model: bare, tokenizer })
  })
  afterAll(async () => {
    model.dispose()
    await lm.dispose()
  })

  it('are chosen where nothing says that they are none', async () => {
    expect((await bare.generate([1, 2, 3], { maxTokens: 3 })).ids.some((id) => id >= tokens)).toBe(true)
    using told = await paddedModel({ vocabulary: tokens })
    expect((await told.generate([1, 2, 3], { maxTokens: 3 })).ids.every((id) => id < tokens)).toBe(true)
    await expect(paddedModel({ vocabulary: config.vocabSize + 1 })).rejects.toThrow('vocabulary must be an integer from 1 to')
  })

  it('are never chosen with the tokenizer, in whatever way', async () => {
    const ways = [
      {},
      { useCache: false },
      { sampler: sampler({ temperature: 5, seed: 1 }) },
      { logprobs: 5 },
      { speculative: { draft: 'prompt' as const } },
      { speculative: { draft: model } },
      { guidance: { scale: 2 } },
    ]
    for (const way of ways) {
      const { ids, text, top } = await model.generate('the whale', { maxTokens: 6, ...way })
      expect(ids.every((id) => id < tokens)).toBe(true)
      expect(top?.flat().every(({ id }) => id < tokens) ?? true).toBe(true)
      expect(text!.length).toBeGreaterThan(0)
    }
    for (const { ids } of await model.beamSearch('the whale', { beams: 3, maxTokens: 4 })) expect(ids.every((id) => id < tokens)).toBe(true)
    await expect(model.generate([1], { maxTokens: 1, sampler: { choose: () => tokens } })).rejects.toMatchObject({ code: 'TOKEN' })
  })

  it('are never chosen by a language model of such a decoder, nor told of', async () => {
    for (const options of [{}, { sampler: { temperature: 5, seed: 2 } }, { schema: { enum: ['whale', 'ship'] } }]) {
      const answer = await lm.generate('the whale', { maxTokens: 8, ...options })
      expect(answer.tokens.every((id) => id < tokens)).toBe(true)
    }
  })

  it('may be in a prompt of ids, as what a model was trained on may be', async () => {
    expect((await model.generate([1, tokens + 3], { maxTokens: 2 })).ids).toHaveLength(2)
    expect((await lm.generate(Uint32Array.of(1, tokens + 3), { maxTokens: 2 })).tokens.length).toBeGreaterThan(0)
  })
})

it('a tokenizer may have special tokens that the model has no rows for, and no others', async () => {
  const specials = [...tokenizer.specialTokens.values()]
  const withRows = Math.min(...specials)
  // Special tokens stand at the end of this vocabulary.
  expect(withRows + new Set(specials).size).toBe(tokens)
  const fewer = { ...small, vocabSize: tokens - 1 }
  const lm = createLm({ model: await createModel({ config: fewer, weights: initWeights(fewer, { seed: 1 }), capacity: 64 }), tokenizer })
  expect((await lm.generate('the', { maxTokens: 3 })).tokens.length).toBeGreaterThan(0)
  await lm.dispose()
  const few = { ...small, vocabSize: withRows - 1 }
  const model = await createModel({ config: few, weights: initWeights(few, { seed: 1 }), capacity: 64 })
  expect(() => createLm({ model, tokenizer })).toThrow('belong to different models')
  model.dispose()
})
