import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chiSquare, codeOf, distribution } from './__fixtures__/helpers.js'
import { samplerChain } from './chain.js'
import { sampler } from './sampler.js'
import { greedy } from './samplers/greedy.js'
import { minP } from './samplers/min-p.js'
import { temperature } from './samplers/temperature.js'
import { topK } from './samplers/top-k.js'
import { topP } from './samplers/top-p.js'
import type { SamplerStep } from './step.js'

const logits = Float32Array.from([2, 1, 0.5, 0, -0.5, -1, -1.5, -2, -3, -Infinity])

/** A step with memory: never the same token twice in a row. */
function noRepeat(): SamplerStep {
  let last = -1
  return {
    name: 'noRepeat',
    apply(candidates) {
      for (let i = 0; i < candidates.size; i++) if (candidates.ids[i] === last) candidates.logits[i] = -Infinity
    },
    accept: (id) => void (last = id),
    reset: () => void (last = -1),
    clone: () => {
      const copy = noRepeat()
      copy.accept!(last)
      return copy
    },
    state: () => last,
    restore: (state) => void (last = state as number),
  }
}

describe('samplerChain', () => {
  it.each<[string, SamplerStep[], number]>([
    // The 0.999999 quantiles of χ² with as many degrees of freedom as tokens are left, less one.
    ['no steps', [], 42.7],
    ['temperature', [temperature(1.7)], 42.7],
    ['top-k', [topK(4)], 30.7],
    ['top-p', [topP(0.8)], 33.4],
    ['min-p', [minP(0.1)], 33.4],
    ['all of them', [topK(8), topP(0.9), minP(0.05), temperature(0.8)], 33.4],
  ])('draws by the distribution that is left: %s', (_, steps, limit) => {
    const expected = distribution(logits, ...steps)
    expect(expected.size).toBeGreaterThan(2)
    const draw = samplerChain(steps, { seed: 'chi' })
    const counts = new Map<number, number>()
    for (let i = 0; i < 60_000; i++) {
      const id = draw.choose(logits)
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    for (const id of counts.keys()) expect(expected.has(id)).toBe(true)
    expect(chiSquare(counts, expected)).toBeLessThan(limit)
  })

  it('chooses the same tokens for the same seed, and others for another', () => {
    const tokens = (seed: number | string) => {
      const draw = sampler({ seed, topK: 8 })
      return Array.from({ length: 50 }, () => draw.choose(logits))
    }
    expect(tokens(7)).toEqual(tokens(7))
    expect(tokens(7)).not.toEqual(tokens(8))
    expect(tokens('7')).not.toEqual(tokens(7))
    // Recorded: a change of these is a change of everybody's results.
    expect(tokens(7).slice(0, 12)).toEqual([4, 1, 0, 0, 0, 1, 0, 0, 4, 0, 0, 0])
  })

  it('draws one random number a token, whatever the steps', () => {
    const steps = [[], [greedy()], [topK(3), topP(0.5)], [temperature(0)]]
    const states = steps.map((list) => {
      const draw = samplerChain(list, { seed: 1 })
      for (let i = 0; i < 5; i++) draw.sample(logits, { logprobs: 2 })
      return draw.state().random
    })
    for (const state of states) expect(state).toEqual(states[0])
  })

  it('reports log-probabilities of the model and of what it drew from', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 3, maxLength: 400 }), fc.nat(1000), (values, seed) => {
        const given = Float32Array.from(values)
        const steps = [topK(3), temperature(0.7)]
        const { id, logprob, sampledLogprob, top } = samplerChain(steps, { seed }).sample(given, { logprobs: 3 })
        const model = distribution(given)
        expect(logprob).toBeCloseTo(Math.log(model.get(id)!), 4)
        expect(sampledLogprob).toBeCloseTo(Math.log(distribution(given, ...steps).get(id)!), 4)
        const best = [...given.keys()].sort((a, b) => given[b]! - given[a]! || a - b).slice(0, 3)
        expect(top.map((token) => token.id)).toEqual(best)
        for (const token of top) expect(token.logprob).toBeCloseTo(Math.log(model.get(token.id)!), 4)
        expect([...given]).toEqual([...Float32Array.from(values)])
      }),
    )
    const one = samplerChain([greedy()]).sample(logits)
    expect(one).toMatchObject({ id: 0, sampledLogprob: 0, top: [] })
  })

  it('continues from a state, also through JSON, exactly', () => {
    const draw = samplerChain([noRepeat(), topP(0.95)], { seed: 3 })
    const step = (s: typeof draw) => {
      const id = s.choose(logits)
      s.accept(id)
      return id
    }
    for (let i = 0; i < 7; i++) step(draw)
    const state = JSON.parse(JSON.stringify(draw.state()))
    const copy = draw.clone()
    const resumed = samplerChain([noRepeat(), topP(0.95)], { seed: 99 })
    resumed.restore(state)
    const expected = Array.from({ length: 20 }, () => step(draw))
    expect(Array.from({ length: 20 }, () => step(copy))).toEqual(expected)
    expect(Array.from({ length: 20 }, () => step(resumed))).toEqual(expected)
    for (let i = 1; i < 20; i++) expect(expected[i]).not.toBe(expected[i - 1])
  })

  it('begins anew after reset', () => {
    const draw = samplerChain([noRepeat()], { seed: 5 })
    const run = () => Array.from({ length: 10 }, () => (draw.accept(draw.choose(logits)), draw.state().steps[0]))
    const first = run()
    draw.reset()
    expect(run()).toEqual(first)
  })

  it('takes vocabularies of changing size, arrays and float64', () => {
    const draw = samplerChain([topK(2), temperature(0)])
    expect(draw.choose([0, 3])).toBe(1)
    expect(draw.choose(Float64Array.of(9, 0, 1, 2))).toBe(0)
    expect(draw.choose([5])).toBe(0)
  })

  it('refuses logits that no token can be drawn from', () => {
    const draw = sampler({ topK: 2 })
    for (const bad of [[], [1, NaN], [NaN], [0, Infinity], [-Infinity, -Infinity]]) {
      expect(codeOf(() => draw.choose(Float32Array.from(bad)))).toBe('LOGITS')
      expect(codeOf(() => draw.sample(Float32Array.from(bad)))).toBe('LOGITS')
    }
    expect(() => draw.choose([1, 2, NaN])).toThrow('The logit of token 2 is NaN')
    const nothing: SamplerStep = { name: 'nothing', apply: (candidates) => void (candidates.size = 0) }
    expect(() => samplerChain([nothing]).choose([1])).toThrow(/the steps \[nothing\] removed the rest/)
    // The sampler still works afterwards.
    expect([0, 1]).toContain(draw.choose([1, 1]))
  })

  it('refuses parameters and states that do not fit', () => {
    expect(codeOf(() => sampler().sample(logits, { logprobs: 11 }))).toBe('VALUE')
    expect(codeOf(() => sampler().sample(logits, { logprobs: -1 }))).toBe('VALUE')
    expect(codeOf(() => sampler({ topP: 3 }))).toBe('VALUE')
    expect(codeOf(() => sampler({ seed: 1.5 }))).toBe('RANDOM_SEED')
    expect(codeOf(() => sampler({ topK: 3 }).restore(sampler().state()))).toBe('STATE')
    expect(codeOf(() => sampler().choose(new Float32Array(2 ** 21 + 1)))).toBe('VALUE')
  })

  it('never draws a token of probability 0', () => {
    const draw = samplerChain([], { seed: 1 })
    for (let i = 0; i < 2000; i++) expect(draw.choose([-Infinity, 0, -Infinity, -200, -Infinity])).toBe(1)
  })
})

describe('sampler', () => {
  it('is the chain in llama.cpp’s order', () => {
    const options = { temperature: 0.8, topK: 6, topP: 0.9, minP: 0.02, seed: 4 }
    const [a, b] = [sampler(options), samplerChain([topK(6), topP(0.9), minP(0.02), temperature(0.8)], { seed: 4 })]
    for (let i = 0; i < 40; i++) expect(a.choose(logits)).toBe(b.choose(logits))
  })

  it('is greedy at temperature 0 and untouched without options', () => {
    expect(sampler({ temperature: 0, seed: 9 }).choose(logits)).toBe(0)
    const [a, b] = [sampler({ seed: 2 }), samplerChain([], { seed: 2 })]
    for (let i = 0; i < 40; i++) expect(a.choose(logits)).toBe(b.choose(logits))
  })
})
