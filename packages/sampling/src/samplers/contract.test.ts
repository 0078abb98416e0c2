/** What holds for every step: its order, its copies, its saved state; and plain definitions of those that look back. */
import { random, restoreRandom } from '@tesserae/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf, distribution } from '../__fixtures__/helpers.js'
import { Candidates } from '../candidates.js'
import { History } from '../history.js'
import * as sampling from '../index.js'
import { samplerChain, type SamplerStep } from '../index.js'
import { Mt19937 } from '../mt19937.js'

const VOCABULARY = 48
const makers: Readonly<Record<string, () => SamplerStep>> = {
  adaptiveP: () => sampling.adaptiveP({ target: 0.3, decay: 0.5 }),
  badWords: () => sampling.badWords([[3], [1, 2], [4, 5, 6]]),
  dry: () => sampling.dry({ allowedLength: 1, breakers: [[7], [8, 9]] }),
  dynamicTemperature: () => sampling.dynamicTemperature({ min: 0.5, max: 2 }),
  epsilonCutoff: () => sampling.epsilonCutoff(0.01),
  etaCutoff: () => sampling.etaCutoff(0.01),
  forceTokens: () => sampling.forceTokens({ 2: 5 }),
  greedy: () => sampling.greedy(),
  guidance: () => sampling.guidance(1.5, () => Float32Array.from({ length: VOCABULARY }, (_, i) => Math.sin(i))),
  lengthDecay: () => sampling.lengthDecay({ start: 2, factor: 1.1, stop: [0] }),
  logitBias: () => sampling.logitBias({ 3: 2, 4: -Infinity }),
  minP: () => sampling.minP(0.02),
  minTokens: () => sampling.minTokens({ count: 5, stop: [0, 1] }),
  mirostat: () => sampling.mirostat({ tau: 3 }),
  mirostat2: () => sampling.mirostat2({ tau: 3 }),
  noRepeatNgram: () => sampling.noRepeatNgram(2),
  pLess: () => sampling.pLess(),
  penalties: () => sampling.penalties({ repeat: 1.5, frequency: 0.2, presence: 0.3, lastN: 6 }),
  sequenceBias: () => sampling.sequenceBias([[[1, 2], 3]]),
  suppress: () => sampling.suppress([2, 40]),
  suppressAtBegin: () => sampling.suppressAtBegin([2]),
  temperature: () => sampling.temperature(0.7),
  topH: () => sampling.topH(0.7),
  topK: () => sampling.topK(30),
  topNSigma: () => sampling.topNSigma(2),
  topP: () => sampling.topP(0.95),
  typical: () => sampling.typical(0.9),
  watermark: () => sampling.watermark({ vocabulary: VOCABULARY, bias: 1 }),
  xtc: () => sampling.xtc({ probability: 0.5, threshold: 0.05 }),
}
const titled = Object.entries(makers)

const logitsOf = (seed: number): Float32Array => {
  const stream = random(seed)
  return Float32Array.from({ length: VOCABULARY }, () => (stream.uniform() < 0.1 ? -Infinity : Math.round(stream.normal() * 8) / 4))
}

function run(sampler: sampling.Sampler, from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const id = sampler.choose(logitsOf(from + i))
    sampler.accept(id)
    return id
  })
}

describe('every step', () => {
  it('is one of the makers here', () => {
    const steps = Object.entries(sampling).flatMap(([name, value]) => {
      const others = [
        'Mt19937',
        'SamplingError',
        'StopTexts',
        'beamSearch',
        'contrastiveSearch',
        'detectWatermark',
        'draftModel',
        'promptLookup',
        'sampler',
        'samplerChain',
        'samplerFromPreset',
        'speculative',
      ]
      return typeof value === 'function' && !others.includes(name) ? [name] : []
    })
    expect(steps.sort()).toEqual(Object.keys(makers).sort())
  })

  it.each(titled)('%s leaves candidates in their order, sorted before or not', (_, make) => {
    for (let seed = 0; seed < 14; seed++)
      for (const sortFirst of [false, true]) {
        const candidates = new Candidates()
        candidates.begin(logitsOf(seed))
        if (sortFirst) candidates.keepTop(VOCABULARY - 5)
        const step = make()
        for (let i = 0; i < seed % 7; i++) step.accept?.((i * i + seed) % 5)
        step.apply(candidates)
        const { ids, logits, bits, size, sorted } = candidates
        for (let i = 1; i < size; i++) {
          if (!sorted) expect(ids[i]!).toBeGreaterThan(ids[i - 1]!)
          else if (logits[i] === logits[i - 1]) expect(ids[i]!).toBeGreaterThan(ids[i - 1]!)
          else expect(logits[i]!).toBeLessThan(logits[i - 1]!)
        }
        for (let i = 0; i < size; i++) expect(Object.is(logits[i], -0) || bits[i] === -0x80000000).toBe(false)
      }
  })

  it.each(titled)('%s gives the same distribution, sorted before or not', (name, make) => {
    // A token is left out before, which those that look at the number of tokens see.
    for (let seed = 0; seed < 10; seed++) {
      const results = [false, true].map((sortFirst) => {
        const step = make()
        for (let i = 0; i < 6; i++) step.accept?.((i * seed) % 4)
        const first: SamplerStep = { name: 'first', apply: (candidates) => (sortFirst ? candidates.sort() : undefined) }
        return distribution(logitsOf(seed), first, step)
      })
      // Of equally unlikely tokens XTC keeps the one with the highest id either way.
      expect([...results[0]!.keys()].sort(), name).toEqual([...results[1]!.keys()].sort())
      for (const [id, probability] of results[0]!) expect(results[1]!.get(id)).toBeCloseTo(probability, 6)
    }
  })

  it.each(titled)('%s continues alike as a copy and from its state, and begins anew', (_, make) => {
    const sampler = samplerChain([make()], { seed: 3 })
    const begun = run(sampler, 0, 8)
    const state = JSON.parse(JSON.stringify(sampler.state())) as sampling.SamplerState
    const copy = sampler.clone()
    const restored = samplerChain([make()], { seed: 99 })
    restored.restore(state)
    const continued = run(sampler, 100, 8)
    expect(run(copy, 100, 8)).toEqual(continued)
    expect(run(restored, 100, 8)).toEqual(continued)
    sampler.reset()
    expect(run(sampler, 0, 8)).toEqual(begun)
  })
})

describe('steps that look back', () => {
  it('remember the last so many tokens', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5), { maxLength: 300 }), fc.constantFrom(0, 1, 3, 64, 65, Infinity), (ids, limit) => {
        const history = new History(limit)
        for (const id of ids) history.accept(id)
        const kept = limit === 0 ? [] : ids.slice(-limit)
        expect(history.tokensInOrder).toEqual(kept)
        const counts = new Map<number, number>()
        for (const id of kept) counts.set(id, (counts.get(id) ?? 0) + 1)
        expect(new Map(Array.from({ length: history.each.size }, (_, i) => [history.each.idAt(i), history.each.valueAt(i)]))).toEqual(
          counts,
        )
        // A prompt that is not looked at is not remembered, nor forgotten to have been there.
        const behind = new History(limit, 2)
        for (const id of ids.slice(0, 1)) behind.accept(id)
        const copy = behind.clone()
        for (const id of ids.slice(1)) copy.accept(id)
        expect(copy.tokensInOrder).toEqual(limit === 0 ? [] : ids.slice(2).slice(-limit))
        kept.toReversed().forEach((id, back) => expect(history.back(back)).toBe(id))
      }),
    )
  })

  it('dry penalises what its definition says', () => {
    const breakers = [[4], [0, 1]]
    fc.assert(
      fc.property(fc.array(fc.nat(4), { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (ids, allowedLength) => {
        const step = sampling.dry({ multiplier: 1, base: 1.5, allowedLength, breakers })
        for (const id of ids) step.accept!(id)
        const candidates = new Candidates()
        candidates.begin(new Float32Array(5))
        step.apply(candidates)
        // From the end: how far back the last breaker ended.
        let limit = ids.length
        for (let since = 0; since < ids.length && limit === ids.length; since++)
          if (
            breakers.some(
              (breaker) =>
                breaker.join() ===
                ids
                  .slice(0, ids.length - since)
                  .slice(-breaker.length)
                  .join(),
            )
          )
            limit = since
        const expected = [0, 0, 0, 0, 0]
        for (let end = 1; end < ids.length; end++) {
          let same = 0
          while (same < end && same < limit && ids[end - 1 - same] === ids[ids.length - 1 - same]) same++
          const next = ids[end]!
          if (same >= allowedLength && next !== 4) expected[next] = Math.min(expected[next]!, -(1.5 ** (same - allowedLength)))
        }
        for (let id = 0; id < 5; id++) expect(candidates.logits[id]).toBeCloseTo(expected[id]!, 3)
      }),
      { numRuns: 300 },
    )
  })

  it('dry does not overflow', () => {
    const step = sampling.dry({ base: 1000, multiplier: 1e6 })
    for (let i = 0; i < 500; i++) step.accept!(1)
    const found = distribution(new Float32Array(3), step)
    expect(found.get(0)).toBeCloseTo(0.5, 6)
    expect(found.has(1)).toBe(false)
  })

  it('mirostat brings the surprise to its target', () => {
    for (const make of [sampling.mirostat, sampling.mirostat2])
      for (const tau of [2, 3.5]) {
        const sampler = samplerChain([make({ tau, eta: 0.1 })], { seed: 5 })
        const stream = random(1)
        let sum = 0
        for (let i = 0; i < 1500; i++) {
          const logits = Float32Array.from({ length: 300 }, () => stream.normal() * 2)
          const { id, sampledLogprob } = sampler.sample(logits)
          sampler.accept(id)
          if (i >= 300) sum -= sampledLogprob / Math.LN2 / 1200
        }
        expect(Math.abs(sum - tau)).toBeLessThan(0.15)
      }
  })

  it('adaptiveP moves the average probability to its target', () => {
    const average = (target: number): number => {
      const sampler = samplerChain([sampling.minP(0.05), sampling.adaptiveP({ target, decay: 0.9 })], { seed: 5 })
      const stream = random(2)
      let sum = 0
      for (let i = 0; i < 1200; i++) {
        const logits = Float32Array.from({ length: 40 }, () => stream.normal() * 2)
        const left = distribution(logits, sampling.minP(0.05))
        const id = sampler.choose(logits)
        sampler.accept(id)
        if (i >= 200) sum += left.get(id)! / 1000
      }
      return sum
    }
    // It follows the target and does not reach it exactly, as it corrects by the distance alone.
    const found = [0.15, 0.25, 0.35].map(average)
    found.forEach((value, i) => expect(Math.abs(value - [0.15, 0.25, 0.35][i]!)).toBeLessThan(0.06))
    expect(found[0]!).toBeLessThan(found[1]! - 0.04)
    expect(found[1]!).toBeLessThan(found[2]! - 0.04)
  })

  it('xtc acts as often as it is told, by numbers of its own', () => {
    const step = sampling.xtc({ probability: 0.3, threshold: 0.2 })
    step.seed!(restoreRandom(random(4).state()))
    let acted = 0
    for (let i = 0; i < 4000; i++) if (!distribution(Float32Array.of(1, 0.9, -3), step).has(0)) acted++
    expect(Math.abs(acted / 4000 - 0.3)).toBeLessThan(0.03)
    const ids = (seed: number): number[] => run(samplerChain([sampling.xtc({ threshold: 0.02 })], { seed }), 0, 60)
    expect(ids(1)).toEqual(ids(1))
    expect(ids(1)).not.toEqual(ids(2))
  })

  it('guidance asks for as many logits as there are, and leaves alone what one side excludes', () => {
    expect(
      codeOf(() =>
        distribution(
          [1, 2, 3],
          sampling.guidance(2, () => [1, 2]),
        ),
      ),
    ).toBe('LOGITS')
    const found = distribution(
      [0, -Infinity, 0],
      sampling.guidance(2, () => [-Infinity, 0, 0]),
    )
    expect([...found.keys()]).toEqual([0, 2])
  })
})

describe('typical of many tokens', () => {
  it('keeps what its definition says', () => {
    for (const seed of [1, 2, 3])
      for (const mass of [0.2, 0.7, 0.99]) {
        const stream = random(seed)
        const logits = Float32Array.from({ length: 5000 }, () => stream.normal() * 3)
        const max = Math.max(...logits)
        const total = logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0)
        const logp = Array.from(logits, (logit) => logit - max - Math.log(total))
        const entropy = -logp.reduce((sum, p) => sum + Math.exp(p) * p, 0)
        const score = (id: number): number => Math.fround(Math.abs(-logp[id]! - entropy))
        const order = [...logp.keys()].sort((a, b) => score(a) - score(b))
        let [sum, count] = [0, 0]
        while (sum <= mass) sum += Math.exp(logp[order[count++]!]!)
        const found = distribution(logits, sampling.typical(mass))
        expect(Math.abs(found.size - count)).toBeLessThanOrEqual(1)
        for (const id of order.slice(0, count - 1)) expect(found.has(id)).toBe(true)
      }
  })
})

describe('parameters out of range', () => {
  it.each<[string, () => unknown]>([
    ['logitBias', () => sampling.logitBias({ 1: Infinity })],
    ['logitBias of a name', () => sampling.logitBias({ a: 1 } as never)],
    ['penalties', () => sampling.penalties({ repeat: 0 })],
    ['penalties, lastN', () => sampling.penalties({ lastN: -2 })],
    ['dry', () => sampling.dry({ base: 0.5 })],
    ['dry, breakers', () => sampling.dry({ breakers: [[]] })],
    ['typical', () => sampling.typical(1.1)],
    ['xtc', () => sampling.xtc({ probability: 2 })],
    ['dynamicTemperature', () => sampling.dynamicTemperature({ min: 2, max: 1 })],
    ['mirostat', () => sampling.mirostat({ tau: -1 })],
    ['adaptiveP', () => sampling.adaptiveP({ target: 1.2 })],
    ['topNSigma', () => sampling.topNSigma(NaN)],
    ['topH', () => sampling.topH(-1)],
    ['noRepeatNgram', () => sampling.noRepeatNgram(0)],
    ['sequenceBias', () => sampling.sequenceBias([[[], 1]])],
    ['badWords', () => sampling.badWords([[1.5]])],
    ['minTokens', () => sampling.minTokens({ count: 1, stop: [] })],
    ['lengthDecay', () => sampling.lengthDecay({ start: 1, factor: -1, stop: [0] })],
    ['forceTokens', () => sampling.forceTokens({ 1: -1 })],
    ['watermark', () => sampling.watermark({ vocabulary: 10, ratio: 1 })],
    ['watermark, scheme', () => sampling.watermark({ vocabulary: 10, scheme: 'other' as never })],
    ['detectWatermark of nothing', () => sampling.detectWatermark([1], { vocabulary: 10 })],
  ])('%s', (_, make) => expect(codeOf(make)).toBe('VALUE'))

  it('states of another step are refused', () => {
    for (const make of [makers['penalties']!, makers['minTokens']!, makers['mirostat']!, makers['adaptiveP']!])
      expect(codeOf(() => make().restore!('nonsense'))).toBe('STATE')
  })
})

describe('mt19937', () => {
  it('gives the words of C++’s standard', () => {
    // ISO C++ [rand.predef]: the 10,000th word of a generator seeded by 5489.
    const generator = new Mt19937(5489)
    let word = 0
    for (let i = 0; i < 10_000; i++) word = generator.uint32()
    expect(word).toBe(4123659995)
  })
})
