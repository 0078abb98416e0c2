import { resolveDevice } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import type { DecoderConfig } from '../architectures/config.js'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { disposeWeights, mapWeights, namedWeights } from '../architectures/weights.js'
import type { CacheType } from '../cache/cache-type.js'
import { FixedCache } from '../cache/fixed.js'
import { modelMemory } from './memory.js'
import { createModel, type CreateModelOptions, type DecoderModel } from './model.js'

/** Layers with a window slide in texts of this context. */
const config: DecoderConfig = {
  ...llama({ vocabSize: 31, width: 64, layers: 3, heads: 2, kvHeads: 1, hidden: 24, context: 512 }),
  windows: [9, 0, 7],
}

async function open(options: Partial<CreateModelOptions> = {}): Promise<DecoderModel> {
  const device = await resolveDevice('cpu')
  const small = initWeights(config, { seed: 6 })
  const weights = mapWeights(small, (weight) => weight.mul(weight.rank === 2 ? 6 : 1))
  for (const weight of namedWeights(weights).values()) await weight.realize({ device })
  disposeWeights(small)
  return createModel({ config, weights, device, maxStreams: 4, ...options })
}

const text = (length: number, seed = 1): number[] => Array.from({ length }, (_, i) => (i * i * 7 + i * seed + seed) % 31)
const bytesOf = (cacheType: CacheType): number => modelMemory(config, { cacheType }).cache.reduce((sum, { bytes }) => sum + bytes, 0)

// Of the memory of f32, and of the largest logit.
describe.each([
  ['f16', 1 / 2, 2e-3],
  ['q8', 9 / 32, 2e-2],
  ['q4', 5 / 32, 3e-1],
] as const)('keys and values in %s', (cacheType, share, limit) => {
  it('take less memory, of which the plan knows', () => {
    using cache = new FixedCache(config, { sliding: true, type: cacheType })
    expect(cache.bytes).toBe(bytesOf(cacheType))
    expect(cache.bytes).toBe(share * bytesOf('f32'))
  })

  it('give the logits to some digits, past windows that slide', async () => {
    using model = await open({ cacheType })
    using row = model.open(text(400))
    const largest = Math.max(...(await model.logits(text(400))).map(Math.abs))
    for (let step = 0; step < 4; step++) {
      const logits = await row.next()
      const whole = (await model.logits(row.ids)).subarray(-config.vocabSize)
      const worst = Math.max(...whole.map((value, i) => Math.abs(value - logits[i]!)))
      expect(worst).toBeLessThan(limit * largest)
      row.ids.push(step)
    }
  })

  it('make no difference to streams side by side, guesses and beams', async () => {
    using model = await open({ cacheType })
    const prompts = [text(310, 2), text(40, 3), text(325, 4)]
    const alone = []
    for (const prompt of prompts) alone.push((await model.generate(prompt, { maxTokens: 20 })).ids)
    using other = await open({ cacheType })
    const together = await Promise.all(prompts.map(async (prompt) => (await other.generate(prompt, { maxTokens: 20 })).ids))
    expect(together).toEqual(alone)
    const guessed = await model.generate(prompts[0]!, { maxTokens: 20, speculative: { draft: 'prompt', tokens: 10 } })
    expect(guessed.ids).toEqual(alone[0])
    const [beam] = await model.beamSearch(prompts[2]!, { beams: 3, maxTokens: 8 })
    const { logprobs } = await model.score([...prompts[2]!, ...beam!.ids])
    const whole = logprobs.subarray(324).reduce((sum, one) => sum + one, 0)
    expect(Math.abs(beam!.logprob - whole)).toBeLessThan(10 * limit)
  })

  it('go on from a text that began alike, where it is copied or cut back', async () => {
    using model = await open({ cacheType, prefixCache: 2 })
    const first = await model.generate(text(60), { maxTokens: 4 })
    const alike = [...text(60), ...first.ids.slice(0, 3), 5, 6]
    const [second, third] = await Promise.all([alike, [...text(60), 8]].map((ids) => model.generate(ids, { maxTokens: 6 })))
    expect([second!.cachedTokens, third!.cachedTokens].every((count) => count! >= 60)).toBe(true)
    using fresh = await open({ cacheType, prefixCache: false })
    expect(second!.ids).toEqual((await fresh.generate(alike, { maxTokens: 6 })).ids)
    expect(third!.ids).toEqual((await fresh.generate([...text(60), 8], { maxTokens: 6 })).ids)
  })
})

describe('types of caches', () => {
  it('are refused where nothing keeps them, or heads are of other widths', async () => {
    await expect(open({ cacheType: 'q2' as 'q4' })).rejects.toMatchObject({
      code: 'OPTION',
      message: `cacheType must be 'f32', 'f16', 'q8', 'q4', got "q2"`,
    })
    const odd: DecoderConfig = { ...config, headWidth: 12 }
    expect(() => new FixedCache(odd, { type: 'q8' })).toThrow(/blocks of 32, 16 or 8 numbers, into which heads of width 12 do not go/)
    expect(() => modelMemory(odd, { cacheType: 'q4' })).toThrow(/heads of width 12/)
    expect(() => new FixedCache(odd, { type: 'f16' })).not.toThrow()
  })

  it('refuse rows beyond their capacity before anything runs', async () => {
    using model = await open({ cacheType: 'q8', capacity: 40 })
    await expect(model.generate(text(41), { maxTokens: 1 })).rejects.toMatchObject({ code: 'CAPACITY' })
    expect((await model.generate(text(30), { maxTokens: 10 })).ids).toHaveLength(10)
  })
})
