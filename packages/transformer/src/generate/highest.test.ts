import { sampler, samplerChain, temperature, topK } from '@tesserae/sampling'
import { random } from '@tesserae/core'
import { referenceDevice, resolveDevice, tensor } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { createModel, type DecoderModel } from './model.js'
import { highestOf } from './highest.js'
import type { SamplerLike } from './types.js'

describe('the highest logits', () => {
  it.each([
    [1, 50],
    [1, 3000],
    [7, 3000],
    [64, 5001],
    [1500, 5001],
    [40, 90],
  ])('%i of %i are those of an order of all, of equal ones the first', async (k, size) => {
    const stream = random(3).stream(`${k} ${size}`)
    // Coarse, so that many are equal; some are excluded.
    const values = Float32Array.from({ length: 2 * size }, () => (stream.uniform() < 0.1 ? -Infinity : Math.round(stream.normal() * 8) / 8))
    const found = highestOf(tensor(values, { shape: [2, size] }), k)
    const [highest, places] = [(await found.values.data()) as Float32Array, (await found.indices.data()) as Int32Array]
    for (const row of [0, 1]) {
      const own = values.subarray(row * size, (row + 1) * size)
      const order = Array.from(own.keys()).sort((a, b) => own[b]! - own[a]! || a - b)
      expect([...places.subarray(row * k, (row + 1) * k)]).toEqual(order.slice(0, k))
      expect([...highest.subarray(row * k, (row + 1) * k)]).toEqual(order.slice(0, k).map((id) => own[id]))
    }
  })
})

describe('a device that logits are read from slowly', () => {
  const config = llama({ vocabSize: 300, width: 16, layers: 1, heads: 2, context: 64 })
  const prompt = [1, 5, 2, 9]
  const open = (device: Parameters<typeof createModel>[0]['device']): Promise<DecoderModel> =>
    createModel({
      config,
      weights: initWeights(config, { seed: 4 }),
      capacity: 32,
      vocabulary: 290,
      ...(device === undefined ? {} : { device }),
    })

  /** The interpreter, as if its memory were not the host's. */
  const apart = () => Object.assign(referenceDevice(), { room: () => ({ source: 'a test' }) })

  /** Counts how a sampler is asked. */
  const watched = (inner: SamplerLike, told = true) => {
    const asked = { all: 0, highest: 0 }
    const made: SamplerLike = {
      choose: (logits) => (asked.all++, inner.choose(logits)),
      accept: (id) => inner.accept?.(id),
      topCount: () => inner.topCount?.(),
      chooseTop: (top) => {
        asked.highest++
        expect(top.vocabulary).toBe(290)
        expect(top.ids.length).toBeLessThan(20)
        return told ? inner.chooseTop?.(top) : undefined
      },
    }
    return { asked, made }
  }
  const chain = (): SamplerLike => samplerChain([topK(5), temperature(0.9)], { seed: 7 })

  it('gives out the highest alone, by which the same is chosen as by all', async () => {
    using near = await open(await resolveDevice('cpu'))
    using far = await open(apart())
    const expected = await near.generate(prompt, { maxTokens: 8, sampler: chain() })
    const { asked, made } = watched(chain())
    expect((await far.generate(prompt, { maxTokens: 8, sampler: made })).ids).toEqual(expected.ids)
    expect(asked).toEqual({ all: 0, highest: 8 })
    // The most likely token each time.
    const greedy = await near.generate(prompt, { maxTokens: 8 })
    expect((await far.generate(prompt, { maxTokens: 8 })).ids).toEqual(greedy.ids)
    // On a device whose memory is the host's all are there anyway.
    const here = watched(chain())
    await near.generate(prompt, { maxTokens: 3, sampler: here.made })
    expect(here.asked).toEqual({ all: 3, highest: 0 })
  })

  it('gives out all where the highest do not tell, where more is asked for, and beside others that need them', async () => {
    using far = await open(apart())
    const expected = (await far.generate(prompt, { maxTokens: 6, sampler: chain() })).ids
    const untold = watched(chain(), false)
    expect((await far.generate(prompt, { maxTokens: 6, sampler: untold.made })).ids).toEqual(expected)
    expect(untold.asked).toEqual({ all: 6, highest: 6 })
    const reported = watched(chain())
    const { ids, logprobs } = await far.generate(prompt, { maxTokens: 6, sampler: reported.made, logprobs: true })
    expect([ids, logprobs!.length, reported.asked.highest]).toEqual([expected, 6, 0])
    const [beside, all] = [watched(chain()), watched(sampler({ temperature: 0.9, seed: 7 }))]
    const [first, second] = await Promise.all([
      far.generate(prompt, { maxTokens: 6, sampler: beside.made }),
      far.generate([3, 4], { maxTokens: 6, sampler: all.made }),
    ])
    expect(first.ids).toEqual(expected)
    expect(second.ids).toHaveLength(6)
    expect([all.asked.highest, beside.asked.all > 0]).toEqual([0, true])
  })
})
