import { describe, expect, it } from 'vitest'
import { beamCases, tableModel } from '../__fixtures__/hugging-face.js'
import { badWords } from '../samplers/sequences.js'
import type { SamplerStep } from '../step.js'
import { beamSearch, type Beam, type BeamSearchOptions } from './beam.js'

const logSoftmax = (logits: Float32Array): number[] => {
  const max = Math.max(...logits)
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0)
  return Array.from(logits, (logit) => logit - max - Math.log(total))
}

describe('beamSearch', () => {
  it.each(beamCases)('finds what Hugging Face’s does: $name', async ({ deviation }) => {
    expect(await deviation()).toBeLessThan(2e-5)
  })

  it('finds the best of all texts when there are enough beams', async () => {
    const maxTokens = 3
    const all: { ids: number[]; score: number }[] = []
    const visit = (ids: number[], score: number): void => {
      if (ids.length === maxTokens || ids.at(-1) === 1) return void all.push({ ids, score })
      logSoftmax(tableModel(1)([{ parent: 0, ids, score }])[0]!).forEach((logprob, id) => visit([...ids, id], score + logprob))
    }
    visit([], 0)
    all.sort((a, b) => b.score - a.score)
    const found = await beamSearch({
      logits: tableModel(1),
      beams: 1000,
      count: 20,
      maxTokens,
      stop: [1],
      lengthPenalty: 0,
      earlyStopping: 'never',
    })
    expect(found.map(({ ids }) => ids)).toEqual(all.slice(0, 20).map(({ ids }) => ids))
    found.forEach(({ score, stopped, ids }, i) => {
      expect(score).toBeCloseTo(all[i]!.score, 5)
      expect(stopped).toBe(ids.at(-1) === 1)
    })
  })

  it('hands on which beam is continued, so that a cache can follow', async () => {
    let caches: number[][] = []
    const options = { beams: 6, groups: 3, diversity: 0.8, maxTokens: 8, stop: [1], count: 6 } as const
    const found = await beamSearch({
      ...options,
      logits: (beams) => {
        caches = beams.map(({ parent, ids }) => [...(caches[parent] ?? []), ...ids.slice(-1)])
        caches.forEach((cache, i) => expect(cache).toEqual(beams[i]!.ids))
        return tableModel(0)(caches.map((ids) => ({ parent: 0, ids, score: 0 })))
      },
    })
    expect(found).toEqual(await beamSearch({ ...options, logits: tableModel(0) }))
  })

  it('keeps groups apart by what a token costs that another has just taken', async () => {
    const options = { logits: tableModel(1), beams: 4, groups: 4, count: 4, maxTokens: 1, lengthPenalty: 0 } as const
    const best = logSoftmax(tableModel(1)([{ parent: 0, ids: [], score: 0 }])[0]!)
      .map((logprob, id) => ({ id, logprob }))
      .sort((a, b) => b.logprob - a.logprob)
    // Without a cost all groups find the same; where it is high enough each takes the next.
    expect((await beamSearch(options)).map(({ ids }) => ids[0])).toEqual([0, 1, 2, 3].map(() => best[0]!.id))
    // A text of one token ends as it is chosen, and is not gone on with.
    const longer = await beamSearch({ ...options, maxTokens: 2, diversity: 50 })
    expect(new Set(longer.map(({ ids }) => ids[0]))).toEqual(new Set(best.slice(0, 4).map(({ id }) => id)))
  })

  it('is constrained by steps, which every beam has copies of', async () => {
    const banned = badWords([[3], [4, 5], [7, 8, 9]])
    const found = await beamSearch({ logits: tableModel(0), beams: 5, count: 5, maxTokens: 7, steps: [banned] })
    expect(found).toHaveLength(5)
    for (const { ids } of found) expect(ids.join()).not.toMatch(/\b3\b|4,5|7,8,9/)
    // What each beam's copy was told is that beam's text.
    const spy = (seen: number[]): SamplerStep => ({
      name: 'spy',
      apply: () => void texts.push(seen),
      accept: (id) => void seen.push(id),
      clone: () => spy([...seen]),
    })
    const texts: number[][] = []
    const asked: (readonly number[])[] = []
    const logits = (beams: readonly Beam[]): Float32Array[] => {
      asked.push(...beams.map(({ ids }) => ids))
      return tableModel(0)(beams)
    }
    await beamSearch({ logits, beams: 3, maxTokens: 5, steps: [spy([])] })
    expect(texts).toEqual(asked)
  })

  it('gives what there is where nothing goes on', async () => {
    // Two tokens only, of which one ends the text, and then none at all.
    const logits = (beams: readonly Beam[]): Float32Array[] =>
      beams.map(({ ids }) => (ids.length < 2 ? Float32Array.of(0, 0, -Infinity) : Float32Array.of(-Infinity, -Infinity, -Infinity)))
    const found = await beamSearch({ logits, beams: 4, count: 4, maxTokens: 9, stop: [1], lengthPenalty: 0 })
    expect(found.map(({ ids }) => ids)).toEqual([[1], [0, 1]])
  })

  it('ends when its signal aborts, and tells how far it is', async () => {
    const control = new AbortController()
    const steps: number[] = []
    const running = beamSearch({
      logits: tableModel(0),
      maxTokens: 50,
      signal: control.signal,
      onStep: ({ tokens }) => {
        steps.push(tokens)
        if (tokens === 3) control.abort()
      },
    })
    await expect(running).rejects.toMatchObject({ name: 'AbortError' })
    expect(steps).toEqual([1, 2, 3])
  })

  it('refuses options out of range and logits that are none', async () => {
    const refused = async (options: Partial<BeamSearchOptions>): Promise<unknown> =>
      beamSearch({ logits: tableModel(0), maxTokens: 3, ...options }).catch((error: { code?: string }) => error.code)
    for (const options of [
      { beams: 0 },
      { beams: 4, count: 5 },
      { maxTokens: 0 },
      { groups: 3 },
      { lengthPenalty: NaN },
      { earlyStopping: 'always' as never },
      { diversity: -1 },
      { stop: [-1] },
      { steps: [{ name: 'own', apply: () => undefined, accept: () => undefined }] },
    ])
      expect(await refused(options), JSON.stringify(options)).toBe('VALUE')
    expect(await refused({ logits: () => [] })).toBe('LOGITS')
    expect(await refused({ logits: () => [[NaN]] })).toBe('LOGITS')
  })
})
