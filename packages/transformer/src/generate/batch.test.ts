import { sampler } from '@tesserae/sampling'
import { referenceDevice, resolveDevice, type Device } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { disposeLora, initLora, mergeLora, withLora, type LoraWeights } from '../adapters/lora.js'
import { gpt2 } from '../architectures/gpt2.js'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { disposeWeights, mapWeights, namedWeights, type DecoderWeights } from '../architectures/weights.js'
import { createBatchGenerator } from './batch.js'
import { createModel } from './model.js'

const configs = {
  llama: llama({ vocabSize: 13, width: 16, layers: 2, heads: 4, kvHeads: 2, hidden: 24, context: 24 }),
  gpt2: gpt2({ vocabSize: 13, width: 16, layers: 2, heads: 2, context: 24 }),
}

/** Weights large enough for distributions that are far from even. */
async function weightsOf(config: (typeof configs)['llama'], device: Device): Promise<DecoderWeights> {
  const small = initWeights(config, { seed: 4 })
  const weights = mapWeights(small, (weight) => weight.mul(weight.rank === 2 ? 12 : 1))
  for (const weight of namedWeights(weights).values()) await weight.realize({ device })
  disposeWeights(small)
  return weights
}

/** Several lengths, and more of one than fit side by side. */
const prompts = [[1], [2, 3, 4], [5], [6, 7, 8], [9], [10], [11], [12, 1, 2, 3, 4], [3, 3, 3], [0]]

describe.each(['reference', 'cpu'] as const)('createBatchGenerator on %s', (name) => {
  it.each(Object.entries(configs))('gives what single streams give, row by row: %s', async (_, config) => {
    const device = await resolveDevice(name)
    const weights = await weightsOf(config, device)
    using generator = createBatchGenerator({ config, rows: 4, device })
    const temperature = 0.7
    const rowSampler = (row: number) => sampler({ temperature, seed: `row ${row}` })
    const options = { maxTokens: 9, stop: [2] }
    const rows = await generator.generate(weights, prompts, { ...options, sampler: rowSampler, temperature })
    using model = await createModel({ config, weights, device, borrowWeights: true })
    for (const [row, prompt] of prompts.entries()) {
      const single = await model.generate(prompt, { ...options, sampler: rowSampler(row), logprobs: true })
      expect(rows[row]!.ids).toEqual(single.ids)
      expect(rows[row]!.finishReason).toBe(single.finishReason)
      single.logprobs!.forEach((logprob, i) => expect(Math.abs(rows[row]!.logprobs[i]! - logprob)).toBeLessThan(1e-5))
    }
    expect(new Set(rows.map(({ finishReason }) => finishReason))).toEqual(new Set(['stop', 'length']))
    // What the samplers themselves say they drew from.
    const logits = await model.logits([...prompts[1]!, ...rows[1]!.ids])
    rows[1]!.ids.forEach((id, i) => {
      const at = Array.from(logits.subarray((i + 2) * 13, (i + 3) * 13), (logit) => logit / temperature)
      const sum = Math.log(at.reduce((total, logit) => total + Math.exp(logit), 0))
      expect(Math.abs(rows[1]!.tempered[i]! - (at[id]! - sum))).toBeLessThan(1e-5)
    })
  })
})

describe('createBatchGenerator', () => {
  const config = configs.llama
  const device = referenceDevice()

  it('takes other weights, or an adapter, without compiling again', async () => {
    const weights = await weightsOf(config, device)
    const options = { maxTokens: 6 }
    const lora = initLora(config, { seed: 1, targets: ['blocks'] })
    const on = {
      config: lora.config,
      weights: Object.fromEntries(Object.entries(lora.weights).map(([key, { a, b }]) => [key, { a, b: b.add(0.5) }])),
    }
    using plain = createBatchGenerator({ config, device })
    using adapted = createBatchGenerator({
      config,
      device,
      weights: (pairs: LoraWeights) => withLora(weights, { config: lora.config, weights: pairs }),
    })
    const off = await plain.generate(weights, prompts, options)
    expect(await adapted.generate(lora.weights, prompts, options)).toEqual(off)
    const merged = await mergeLora(weights, on)
    const expected = (await plain.generate(merged, prompts, options)).map(({ ids }) => ids)
    expect((await adapted.generate(on.weights, prompts, options)).map(({ ids }) => ids)).toEqual(expected)
    expect(expected).not.toEqual(off.map(({ ids }) => ids))
    disposeLora(lora.weights)
  })

  it('fills the capacity and says so', async () => {
    const weights = await weightsOf(config, device)
    using generator = createBatchGenerator({ config, capacity: 6, device })
    const rows = await generator.generate(weights, [[1, 2], [1], [3, 4, 5, 6, 7, 8]])
    expect(rows.map(({ ids, finishReason }) => [ids.length, finishReason])).toEqual([
      [5, 'context'],
      [6, 'context'],
      [1, 'context'],
    ])
    expect(await generator.generate(weights, [[1]], { maxTokens: 0 })).toMatchObject([{ ids: [], logprobs: [] }])
    expect(await generator.generate(weights, [])).toEqual([])
  })

  it('refuses before anything runs, naming the prompt', async () => {
    const weights = await weightsOf(config, device)
    const generator = createBatchGenerator({ config, capacity: 6, device })
    await expect(generator.generate(weights, [[1], [13]])).rejects.toThrow('prompt 1: token id 13 at index 0 is not in the vocabulary')
    await expect(generator.generate(weights, [[]])).rejects.toThrow('prompt 0: the prompt has no tokens')
    await expect(generator.generate(weights, [[1], [1, 2]], { maxTokens: 6 })).rejects.toThrow(
      'prompt 1: a prompt of 2 tokens and 6 sampled ones takes 7 positions; this model has 6',
    )
    await expect(generator.generate(weights, [[1]], { temperature: 0 })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(generator.generate(weights, [[1]], { sampler: () => ({ choose: () => 99 }) })).rejects.toThrow('the sampler chose 99')
    generator.dispose()
    await expect(generator.generate(weights, [[1]])).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  it('stops at a signal within one step', async () => {
    const weights = await weightsOf(config, device)
    using generator = createBatchGenerator({ config, device })
    const controller = new AbortController()
    const steps: number[] = []
    const running = generator.generate(weights, prompts.slice(0, 3), {
      signal: controller.signal,
      onProgress: ({ completed }) => {
        steps.push(completed)
        if (completed >= 4) controller.abort()
      },
    })
    await expect(running).rejects.toMatchObject({ name: 'AbortError' })
    expect(steps).toEqual([2, 4])
  })
})
