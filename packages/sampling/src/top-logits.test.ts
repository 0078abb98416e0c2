/** Choosing from the highest logits alone, as a device finds them, against choosing from all. */
import { random, type RandomStream } from '@tesserae/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from './__fixtures__/helpers.js'
import type { TopLogits } from './candidates.js'
import * as sampling from './index.js'
import { samplerChain, samplerFromPreset, type Sampler, type SamplerStep } from './index.js'

const VOCABULARY = 90

/** Logits with many that are equal, and some that exclude a token. */
function logitsOf(stream: RandomStream): Float32Array {
  const [spread, grid, middle] = [stream.choice([0.3, 1, 3]), stream.choice([1, 4, 1000]), stream.choice([-8, 0, 8])]
  return Float32Array.from({ length: VOCABULARY }, () =>
    stream.uniform() < 0.05 ? -Infinity : middle + Math.round(stream.normal() * spread * grid) / grid,
  )
}

/** The highest, of equal ones any, in any order. */
function topOf(logits: Float32Array, count: number, stream: RandomStream): TopLogits {
  const vocabulary = logits.length
  const shuffled = stream.permutation(vocabulary)
  const ids = Array.from(shuffled)
    .sort((a, b) => logits[b]! - logits[a]! || 0)
    .slice(0, count)
  for (let i = ids.length - 1; i > 0; i--) {
    const j = stream.int(i + 1)
    ;[ids[i], ids[j]] = [ids[j]!, ids[i]!]
  }
  return { ids, logits: ids.map((id) => logits[id]!), vocabulary }
}

/** A mask, as grammars have. */
const mask = (rest: number): SamplerStep => ({
  name: 'mask',
  needsAll: false,
  apply(candidates) {
    let kept = 0
    for (let i = 0; i < candidates.size; i++) if (candidates.ids[i]! % 3 !== rest) candidates.move(i, kept++)
    candidates.size = kept
  },
})

type Maker = (stream: RandomStream) => SamplerStep

/** Steps that leave few tokens. */
const cuts: readonly Maker[] = [
  (stream) => sampling.topK(stream.int(12)),
  (stream) => sampling.minP(stream.uniform() ** 3),
  // Thresholds on which logits may lie.
  (stream) => sampling.minP(Math.exp(-stream.int(3))),
  () => sampling.temperature(0),
  () => sampling.greedy(),
]

/** Steps that may stand before them. */
const changes: readonly Maker[] = [
  (stream) => sampling.temperature(0.5 + stream.uniform() * 3),
  (stream) => sampling.penalties({ repeat: 1 + stream.uniform(), frequency: stream.uniform(), presence: stream.uniform() }),
  (stream) => sampling.logitBias({ [stream.int(VOCABULARY)]: stream.normal() * 6, [stream.int(VOCABULARY)]: -Infinity }),
  () => sampling.dry({ allowedLength: 1 }),
  () => sampling.noRepeatNgram(2),
  (stream) => sampling.sequenceBias([[[stream.int(VOCABULARY)], stream.normal() * 6]]),
  (stream) => sampling.lengthDecay({ start: 1, factor: 0.8 + stream.uniform() / 2, stop: [stream.int(VOCABULARY)] }),
  (stream) => sampling.minTokens({ count: 3, stop: [stream.int(VOCABULARY)] }),
  (stream) => sampling.suppress([stream.int(VOCABULARY)]),
  (stream) => mask(stream.int(3)),
]

/** Steps that look at all tokens. */
const others: readonly Maker[] = [
  () => sampling.penalties({ frequency: -1 }),
  (stream) => sampling.forceTokens({ 1: stream.int(VOCABULARY) }),
  (stream) => sampling.topP(stream.uniform()),
  (stream) => sampling.typical(stream.uniform()),
  (stream) => sampling.topNSigma(stream.uniform() * 3),
  () => sampling.dynamicTemperature({ min: 0.5, max: 1.5 }),
  () => sampling.xtc({ probability: 0.5, threshold: 0.05 }),
  () => sampling.mirostat2({ tau: 3 }),
  () => sampling.adaptiveP({ target: 0.3 }),
]

describe('the highest logits alone', () => {
  it('give the ids that all of them give, whatever the chain is, or nothing', () => {
    const stream = random('chains')
    let [told, asked] = [0, 0]
    for (let round = 0; round < 900; round++) {
      const some = (of: readonly Maker[], most: number) => Array.from({ length: stream.int(most + 1) }, () => stream.choice(of))
      const chain =
        round % 4 === 0
          ? some([...changes, ...cuts, ...others], 5)
          : [...some(changes, 2), stream.choice(cuts), ...some([...changes, ...others], 2)]
      const steps = chain.map((make) => {
        const seed = stream.int(1e9)
        return () => make(random(seed))
      })
      const [all, top, mixed] = [0, 1, 2].map(() =>
        samplerChain(
          steps.map((make) => make()),
          { seed: round },
        ),
      ) as [Sampler, Sampler, Sampler]
      for (let turn = 0; turn < 3; turn++) {
        const logits = logitsOf(stream)
        const list = topOf(logits, stream.choice([1, 5, 10, 15, 40, VOCABULARY]), stream)
        const full = attempt(() => all.choose(logits))
        if (full === undefined) break
        const before = JSON.stringify(mixed.state())
        const found = mixed.chooseTop(list)
        asked++
        if (found === undefined) expect(JSON.stringify(mixed.state())).toBe(before)
        else told++
        expect(found ?? mixed.choose(logits), `round ${round}`).toBe(full)
        expect(top.chooseTop({ ...topOf(logits, VOCABULARY, stream) })).toBe(full)
        for (const one of [all, top, mixed]) one.accept(full)
      }
    }
    // Neither always nor never.
    expect(told).toBeGreaterThan(asked / 5)
    expect(told).toBeLessThan(asked)
  })

  it('are enough as many as a sampler says, unless logits are equal', () => {
    const stream = random('counts')
    const size = 300
    const chains: Record<string, () => Sampler> = {
      plain: () => sampling.sampler({ topK: 40, topP: 0.9, minP: 0.05, temperature: 0.8, seed: 1 }),
      llamacpp: () => samplerFromPreset('llamacpp', { seed: 1, repeatPenalty: 1.1, dry: { multiplier: 0.8 } }),
      minP: () => samplerChain([sampling.minP(0.2), sampling.temperature(2)]),
      greedy: () => samplerChain([sampling.temperature(0)]),
    }
    for (const [name, make] of Object.entries(chains)) {
      const [all, top] = [make(), make()]
      const count = top.topCount()!
      expect(count, name).toBeLessThan(size)
      for (let turn = 0; turn < 30; turn++) {
        const logits = Float32Array.from({ length: size }, () => stream.normal() * 3)
        const id = all.choose(logits)
        expect(top.chooseTop(topOf(logits, count, stream)), name).toBe(id)
        for (const one of [all, top]) one.accept(id)
      }
    }
  })

  it('are not enough where a step looks at all of them', () => {
    for (const steps of [
      [],
      [sampling.topP(0.9)],
      [sampling.temperature(0.8)],
      [sampling.topNSigma(1), sampling.topK(5)],
      [sampling.topK(0)],
      [sampling.penalties({ repeat: 0.9 }), sampling.topK(5)],
    ]) {
      expect(samplerChain(steps).topCount()).toBeUndefined()
      expect(samplerChain(steps).chooseTop({ ids: [3, 1], logits: [2, 1], vocabulary: 9 })).toBeUndefined()
    }
    expect(samplerChain([sampling.topK(7), sampling.topP(0.9)]).topCount()).toBe(8)
  })

  it('are refused when they are none', () => {
    const one = samplerChain([sampling.greedy()])
    expect(codeOf(() => one.chooseTop({ ids: [], logits: [], vocabulary: 3 }))).toBe('LOGITS')
    expect(codeOf(() => one.chooseTop({ ids: [0, 1], logits: [1, NaN], vocabulary: 3 }))).toBe('LOGITS')
    for (const [ids, logits, vocabulary] of [
      [[0, 0], [1, 2], 3],
      [[0, 3], [1, 2], 3],
      [[0, -1], [1, 2], 3],
      [[0, 1.5], [1, 2], 3],
      [[0, 1], [1], 3],
      [[0, 1], [1, 2], 1],
    ] as const)
      expect(
        codeOf(() => one.chooseTop({ ids, logits, vocabulary })),
        JSON.stringify(ids),
      ).toBe('VALUE')
    expect(one.chooseTop({ ids: [2, 0], logits: [1, 5], vocabulary: 3 })).toBe(0)
  })
})

/** Undefined where a chain of random steps leaves no token. */
function attempt(choose: () => number): number | undefined {
  try {
    return choose()
  } catch (error) {
    if ((error as { code?: unknown }).code === 'LOGITS') return undefined
    throw error
  }
}
