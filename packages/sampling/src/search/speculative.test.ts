import { describe, expect, it } from 'vitest'
import { speculativeCases } from '../__fixtures__/distributions.js'
import { draftersFor, modelOf, tableOf } from '../__fixtures__/models.js'
import { penalties, samplerChain, temperature, xtc, type SamplerStep } from '../index.js'
import { contrastiveSearch } from './contrastive.js'
import { promptLookup, type Drafter } from './drafters.js'
import { speculative, type SpeculativeOptions } from './speculative.js'

const target = tableOf(1, 1.5)
const drafters = draftersFor(target)

async function textOf(options: Partial<SpeculativeOptions> & Pick<SpeculativeOptions, 'drafter' | 'sampler'>): Promise<number[]> {
  const model = modelOf(target)
  const prompt = [1, 2, 3, 1, 2]
  const ids: number[] = []
  for await (const { id } of speculative({ target: model, prompt, maxTokens: 40, ...options })) ids.push(id)
  // The target has seen the text but for its last token, and nothing else.
  const text = [...prompt, ...ids]
  expect(text.slice(0, model.context.length)).toEqual(model.context)
  if (ids.length > 0) expect(text.length - model.context.length).toBeLessThanOrEqual(1)
  return ids
}

describe('speculative', () => {
  it.each(Object.entries(drafters))('gives the text that the most likely tokens make, whoever drafts: %s', async (_, drafter) => {
    const steps = (): SamplerStep[] => [penalties({ repeat: 1.3, lastN: -1 }), temperature(0)]
    const plain = samplerChain(steps())
    const text = [1, 2, 3, 1, 2]
    for (let i = 0; i < 40; i++) {
      const id = plain.choose(target(text))
      plain.accept(id)
      text.push(id)
    }
    for (const gamma of [1, 3, 8])
      expect(await textOf({ drafter: drafter(), sampler: samplerChain(steps()), gamma })).toEqual(text.slice(5))
  })

  // The row `vectors` of the acceptance bars draws 100,000 texts.
  it.each(speculativeCases)('keeps the distribution of texts: $name', async ({ fit }) => {
    expect((await fit(1, 2000)).p).toBeGreaterThan(0.001)
  })

  it('runs the model less often the better the guesses are', async () => {
    const runs = async (drafter: Drafter): Promise<number> => {
      const model = modelOf(target)
      const options = { target: model, drafter, prompt: [1, 2], sampler: samplerChain([temperature(0)]), gamma: 4, maxTokens: 50 }
      for await (const token of speculative(options)) void token
      return model.runs
    }
    expect(await runs(drafters['nobody']!())).toBe(50)
    expect(await runs(drafters['the same model']!())).toBe(10)
    expect(await runs(promptLookup())).toBeLessThan(40)
  })

  it('ends at a stop token, accepted or chosen, and at the number of tokens', async () => {
    for (const drafter of Object.values(drafters)) {
      const whole = await textOf({ drafter: drafter(), sampler: samplerChain([temperature(0)]) })
      for (const stop of new Set(whole)) {
        const ids = await textOf({ drafter: drafter(), sampler: samplerChain([temperature(0)]), stop: [stop] })
        expect(ids).toEqual(whole.slice(0, whole.indexOf(stop) + 1))
      }
      for (const maxTokens of [0, 1, 2, 7])
        expect(await textOf({ drafter: drafter(), sampler: samplerChain([temperature(0)]), maxTokens })).toEqual(whole.slice(0, maxTokens))
    }
  })

  it('takes steps that draw numbers of their own', async () => {
    const sampler = (): ReturnType<typeof samplerChain> => samplerChain([xtc({ probability: 0.5, threshold: 0.1 })], { seed: 3 })
    const ids = await textOf({ drafter: drafters['a model like it']!(), sampler: sampler() })
    expect(await textOf({ drafter: drafters['a model like it']!(), sampler: sampler() })).toEqual(ids)
  })

  it('refuses what it cannot work with', async () => {
    const ask = async (options: Partial<SpeculativeOptions>): Promise<unknown> =>
      textOf({ drafter: promptLookup(), sampler: samplerChain([]), ...options }).catch(
        (error: { code?: string; name: string }) => error.code ?? error.name,
      )
    expect(await ask({ prompt: [] })).toBe('VALUE')
    expect(await ask({ gamma: 0 })).toBe('VALUE')
    expect(await ask({ target: { extend: () => [], rewind: () => undefined } })).toBe('LOGITS')
    const control = new AbortController()
    control.abort()
    const error = await textOf({ drafter: promptLookup(), sampler: samplerChain([]), signal: control.signal }).catch((one: Error) => one)
    expect(error).toMatchObject({ name: 'AbortError' })
  })
})

describe('promptLookup', () => {
  it('finds the longest end of the text, where it occurred last', async () => {
    const guess = async (text: number[], count = 3): Promise<number[]> =>
      (await promptLookup({ longest: 3 }).propose(text, count, samplerChain([]))).map(({ id }) => id)
    expect(await guess([1, 2, 3, 9, 1, 2, 3])).toEqual([9, 1, 2])
    expect(await guess([1, 2, 5, 1, 2, 6, 7, 1, 2])).toEqual([6, 7, 1])
    expect(await guess([7, 2, 5, 2])).toEqual([5, 2])
    expect(await guess([1, 2, 3])).toEqual([])
    expect(await guess([4, 4, 4], 2)).toEqual([4])
  })
})

describe('fork', () => {
  it('gives samplers that choose otherwise, the same each time', () => {
    const sampler = samplerChain([temperature(1.5)], { seed: 1 })
    const ids = (index: number): number[] => {
      const own = sampler.fork(index)
      return Array.from({ length: 30 }, () => own.choose(target([1, 2])))
    }
    expect(ids(0)).toEqual(ids(0))
    expect(ids(0)).not.toEqual(ids(1))
  })
})

describe('contrastiveSearch', () => {
  const hidden = (id: number): number[] => Array.from({ length: 4 }, (_, i) => Math.cos(id * (i + 1)) + 0.1)

  it('chooses by its definition', async () => {
    const [alpha, topK] = [0.6, 3]
    const prompt = [1, 2]
    const expected: number[] = []
    const cosine = (a: number[], b: number[]): number => {
      const dot = (x: number[], y: number[]): number => x.reduce((sum, value, i) => sum + value * y[i]!, 0)
      return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
    }
    for (let i = 0; i < 12; i++) {
      const text = [...prompt, ...expected]
      const logits = target(text)
      const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0)
      const best = [...logits.keys()]
        .sort((a, b) => logits[b]! - logits[a]!)
        .slice(0, topK)
        .map((id) => ({
          id,
          score:
            ((1 - alpha) * Math.exp(logits[id]!)) / total - alpha * Math.max(...text.map((other) => cosine(hidden(id), hidden(other)))),
        }))
        .sort((a, b) => b.score - a.score)[0]!
      expected.push(best.id)
    }
    const found: number[] = []
    const search = contrastiveSearch({
      prompt: { logits: target(prompt), hidden: prompt.map(hidden) },
      expand: (ids, tokens) => tokens.map((id) => ({ logits: target([...prompt, ...ids, id]), hidden: hidden(id) })),
      alpha,
      topK,
      maxTokens: 12,
    })
    for await (const id of search) found.push(id)
    expect(found).toEqual(expected)
  })
})
