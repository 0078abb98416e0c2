import { random } from '@tesserae/core'
import { sampler } from '@tesserae/sampling'
import { referenceDevice, resolveDevice, type Device } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { gpt2 } from '../architectures/gpt2.js'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { disposeWeights, mapWeights, namedWeights } from '../architectures/weights.js'
import { createModel, type CreateModelOptions, type DecoderModel } from './model.js'
import type { GenerateOptions, Generation, SamplerLike } from './types.js'

const config = llama({ vocabSize: 13, width: 16, layers: 2, heads: 4, kvHeads: 2, hidden: 24, context: 96 })

async function open(device: Device, options: Partial<CreateModelOptions> = {}): Promise<DecoderModel> {
  const small = initWeights(options.config ?? config, { seed: 4 })
  const weights = mapWeights(small, (weight) => weight.mul(weight.rank === 2 ? 20 : 1))
  for (const weight of namedWeights(weights).values()) await weight.realize({ device })
  disposeWeights(small)
  return createModel({ config, weights, device, ...options })
}

/** A reference device that counts its runs of programs. */
function counting(): { readonly device: Device; readonly runs: () => number } {
  const device = referenceDevice()
  const run = device.run.bind(device)
  let runs = 0
  return {
    device: Object.assign(device, {
      run: (...args: Parameters<Device['run']>) => {
        runs++
        return run(...args)
      },
    }),
    runs: () => runs,
  }
}

const text = (length: number, seed = 0): number[] => Array.from({ length }, (_, i) => (7 * i + i * i * (seed + 1) + seed) % 13)

/** Heads of 8 values are attended to in caches that lie beside each other, where a device has such. */
const wide = { ...config, width: 32, headWidth: 8 }

describe.each([
  ['reference', 'reference', config],
  ['cpu, caches apart', 'cpu', config],
  ['cpu, caches beside each other', 'cpu', wide],
] as const)('streams side by side on %s', (_, name, config) => {
  it('give what each gives alone, whoever comes, goes and breaks off beside it', async () => {
    const device = await resolveDevice(name)
    using alone = await open(device, { config, prefixCache: false })
    using shared = await open(device, { config, maxStreams: 4, prefixCache: 3 })
    const stream = random('joins and leaves')
    const between = (low: number, high: number): number => low + Math.floor(stream.uniform() * (high - low + 1))
    const jobs = Array.from({ length: 16 }, (_, i) => ({
      prompt: text(between(1, 40), between(0, 2)),
      options: { maxTokens: between(1, 20), logprobs: 2, stop: [between(0, 12)] },
      seed: i,
      delay: between(0, 6),
      leaves: stream.uniform() < 0.3 ? between(1, 10) : Infinity,
      fails: stream.uniform() < 0.2 ? between(1, 10) : Infinity,
    }))
    const chooser = (seed: number, fails: number): SamplerLike => {
      const inner = sampler({ temperature: 0.9, topK: 6, seed })
      let count = 0
      return {
        choose: (logits) => {
          if (++count > fails) throw new Error(`sampler ${seed} fails`)
          return inner.choose(logits)
        },
        accept: (id) => inner.accept(id),
      }
    }
    const run = async (model: DecoderModel, { prompt, options, seed, leaves, fails }: (typeof jobs)[number]) => {
      const controller = new AbortController()
      const ids: number[] = []
      const logprobs: number[] = []
      let end: unknown
      try {
        const settings: GenerateOptions = { ...options, sampler: chooser(seed, fails), signal: controller.signal }
        for await (const event of model.stream(prompt, settings)) {
          ids.push(event.id)
          logprobs.push(event.logprob!, event.top![1]!.logprob)
          expect(event.top).toHaveLength(2)
          if (ids.length === leaves) {
            if (seed % 2 === 0) break
            controller.abort()
          }
        }
      } catch (error) {
        end = (error as Error).name === 'AbortError' ? 'aborted' : (error as Error).message
      }
      return { ids, logprobs, end }
    }
    const expected: Awaited<ReturnType<typeof run>>[] = []
    for (const job of jobs) expected.push(await run(alone, job))
    const found = await Promise.all(
      jobs.map(async (job) => {
        for (let i = 0; i < job.delay; i++) await new Promise((resolve) => setTimeout(resolve, 1))
        return run(shared, job)
      }),
    )
    for (const [i, { ids, logprobs, end }] of found.entries()) {
      expect({ ids, end }, `job ${i}`).toEqual({ ids: expected[i]!.ids, end: expected[i]!.end })
      logprobs.forEach((logprob, k) => expect(Math.abs(logprob - expected[i]!.logprobs[k]!)).toBeLessThan(1e-4))
    }
    expect(new Set(found.map(({ end }) => end)).size).toBeGreaterThan(1)
  })
})

describe('shared steps', () => {
  it('are one run for all streams that wait', async () => {
    const { device, runs } = counting()
    using model = await open(device)
    const prompts = [3, 5, 2, 7, 4, 6, 3, 2].map((length, i) => text(length, i))
    const generate = (prompt: number[]): Promise<Generation> => model.generate(prompt, { maxTokens: 20 })
    await Promise.all(prompts.map(generate))
    const before = runs()
    await Promise.all(prompts.map(generate))
    // A piece for each prompt, and fewer steps than two for each token of one stream: they begin one after another.
    expect(runs() - before).toBeLessThan(8 + 20 + 8)
  })

  it('go on between the pieces of a long prompt', async () => {
    const long = { ...config, context: 1024 }
    using model = await open(referenceDevice(), { config: long })
    await model.generate([1], { maxTokens: 1 })
    const order: string[] = []
    const reader = async (name: string, prompt: number[], maxTokens: number): Promise<void> => {
      for await (const _ of model.stream(prompt, { maxTokens })) order.push(name)
    }
    const short = reader('short', [1, 2], 40)
    while (order.length === 0) await new Promise((resolve) => setTimeout(resolve, 0))
    await Promise.all([short, reader('long', text(520), 1)])
    // The prompt of 520 goes in nine pieces of 64 or fewer, with a token for the other stream after each but perhaps the last.
    const before = order.slice(0, order.indexOf('long')).length
    expect(before).toBeGreaterThanOrEqual(8)
    expect(before).toBeLessThan(41)
  })

  it('let more streams wait than there is room for, the first first', async () => {
    using model = await open(referenceDevice(), { maxStreams: 2 })
    const ends: number[] = []
    const expected: (readonly number[])[] = []
    for (let i = 0; i < 6; i++) expected.push((await model.generate(text(4, i), { maxTokens: 5 })).ids)
    const found = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const { ids } = await model.generate(text(4, i), { maxTokens: 5 })
        ends.push(i)
        return ids
      }),
    )
    expect(found).toEqual(expected)
    expect(ends).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('end for a stream within one step of its signal, whose place the next one gets', async () => {
    using model = await open(referenceDevice(), { maxStreams: 1 })
    const controller = new AbortController()
    const first = model.generate(text(4), { signal: controller.signal })
    const second = model.generate(text(5, 1), { maxTokens: 3 })
    const waiting = new AbortController()
    const third = model.generate(text(5, 2), { signal: waiting.signal })
    waiting.abort()
    await expect(third).rejects.toMatchObject({ name: 'AbortError' })
    controller.abort(new Error('enough'))
    await expect(first).rejects.toMatchObject({ name: 'AbortError', code: 'ABORTED' })
    expect((await second).ids).toHaveLength(3)
  })

  it('are not held up by streams that nobody reads from: their places are lent after a second', async () => {
    using model = await open(referenceDevice(), { maxStreams: 1 })
    const { ids: expected } = await model.generate(text(20, 3), { maxTokens: 6 })
    const idle = model.stream(text(20, 3), { maxTokens: 6 })
    const ids = [(await idle.next()).value!.id]
    expect((await model.generate(text(5), { maxTokens: 2 })).ids).toHaveLength(2)
    for await (const { id } of idle) ids.push(id)
    expect(ids).toEqual(expected)
  })

  it('fail for all when the model is disposed, and leave nothing behind', async () => {
    const device = referenceDevice()
    const model = await open(device, { maxStreams: 2 })
    const idle = model.stream(text(3))
    await idle.next()
    const running = Array.from({ length: 4 }, (_, i) => model.generate(text(6, i)).catch((error: unknown) => error))
    await new Promise((resolve) => setTimeout(resolve, 2))
    model.dispose()
    for (const end of await Promise.all(running)) expect(end).toMatchObject({ code: 'DISPOSED' })
    await expect(idle.next()).rejects.toMatchObject({ code: 'DISPOSED' })
    await device.sync()
    expect(device.memory()).toMatchObject({ liveBytes: 0, liveBuffers: 0 })
  })
})

describe('the prefix cache', () => {
  it('goes on where another text left off, with the same ids', async () => {
    const { device, runs } = counting()
    using model = await open(device)
    using plain = await open(device, { prefixCache: false })
    const prompt = text(30)
    const first = await model.generate(prompt, { maxTokens: 10 })
    expect(first.cachedTokens).toBe(0)
    const turn = [...prompt, ...first.ids, 5, 6, 7]
    const before = runs()
    const second = await model.generate(turn, { maxTokens: 4, logprobs: true })
    // One piece for the rest, then a step for each token but the first.
    expect(runs() - before).toBe(4)
    expect(second.cachedTokens).toBe(39) // the last sampled token was never computed
    const expected = await plain.generate(turn, { maxTokens: 4, logprobs: true })
    expect(expected.cachedTokens).toBe(0)
    expect(second.ids).toEqual(expected.ids)
    second.logprobs!.forEach((logprob, i) => expect(logprob).toBeCloseTo(expected.logprobs![i]!, 4))
    // A text that parts earlier, and one that shares too little to be worth it.
    expect((await model.generate([...prompt.slice(0, 25), 1, 1], { maxTokens: 1 })).cachedTokens).toBe(25)
    expect((await model.generate([...prompt.slice(0, 10), 1, 1], { maxTokens: 1 })).cachedTokens).toBe(0)
  })

  it('is copied from streams that are under way, and computed once for those that come together', async () => {
    const { device, runs } = counting()
    using model = await open(device)
    const prompt = text(60)
    const texts = Array.from({ length: 4 }, (_, i) => [...prompt, i])
    const expected: (readonly number[])[] = []
    for (const ids of texts) expected.push((await model.generate(ids, { maxTokens: 5 })).ids)
    using fresh = await open(device)
    const before = runs()
    const found = await Promise.all(texts.map((ids) => fresh.generate(ids, { maxTokens: 5 })))
    expect(found.map(({ ids }) => ids)).toEqual(expected)
    expect(found.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 60, 60, 60])
    // Four pieces for the first prompt, three copies, one token each, and the steps.
    expect(runs() - before).toBeLessThan(4 + 3 + 4 + 8)
  })

  it('keeps as many as it is told, the least used giving way', async () => {
    using model = await open(referenceDevice(), { prefixCache: 2 })
    const texts = [0, 1, 2].map((seed) => [seed, ...text(30, seed)])
    const cached = async (i: number): Promise<number> => (await model.generate(texts[i]!, { maxTokens: 1 })).cachedTokens
    expect([await cached(0), await cached(1)]).toEqual([0, 0])
    expect([await cached(0), await cached(1), await cached(0)]).toEqual([30, 30, 30])
    expect([await cached(2), await cached(0), await cached(1)]).toEqual([0, 30, 0])
  })

  it('keeps nothing when it is off', async () => {
    const device = referenceDevice()
    using model = await open(device, { prefixCache: false })
    const before = device.memory().liveBytes
    await model.generate(text(30), { maxTokens: 3 })
    const { liveBytes } = device.memory()
    expect((await model.generate(text(30), { maxTokens: 3 })).cachedTokens).toBe(0)
    expect(device.memory().liveBytes).toBe(liveBytes)
    // What is left are the model's own tables.
    expect(liveBytes - before).toBeLessThan(2 * 2 * config.kvHeads * config.headWidth * config.context * 4)
    await expect(open(device, { prefixCache: 9 })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(open(device, { maxStreams: 0 })).rejects.toMatchObject({ code: 'OPTION' })
  })
})

describe('endless text', () => {
  it.each([
    ['rotary', config],
    ['learned', gpt2({ vocabSize: 13, width: 16, layers: 2, heads: 2, context: 96 })],
  ])('keeps the sinks and the later half, as if they were the text: %s', async (_, own) => {
    using model = await open(referenceDevice(), { config: own, capacity: 40 })
    const prompt = text(12)
    const { ids, finishReason } = await model.generate(prompt, { maxTokens: 70, overflow: 'slide', sinks: 4 })
    expect({ count: ids.length, finishReason }).toEqual({ count: 70, finishReason: 'length' })
    // Step by step: what is seen when the capacity of 40 is exceeded is 4 + 18 tokens.
    let seen = prompt.slice()
    for (const id of ids) {
      if (seen.length > 40) seen = [...seen.slice(0, 4), ...seen.slice(-18)]
      expect((await model.generate(seen, { maxTokens: 1 })).ids).toEqual([id])
      seen.push(id)
    }
    await expect(model.generate(prompt, { overflow: 'slide', sinks: 21 })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(model.generate(text(41), { overflow: 'slide' })).rejects.toMatchObject({ code: 'CAPACITY' })
  })
})

describe('log-probabilities', () => {
  it('come with the most likely tokens', async () => {
    using model = await open(referenceDevice())
    const { ids, logprobs, top } = await model.generate([1, 2], { maxTokens: 3, logprobs: 13 })
    top!.forEach((list, i) => {
      expect(list[0]).toEqual({ id: ids[i], logprob: logprobs![i] })
      expect(list.map(({ logprob }) => logprob)).toEqual(list.map(({ logprob }) => logprob).toSorted((a, b) => b - a))
      expect(list.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)).toBeCloseTo(1, 5)
    })
    await expect(model.generate([1], { logprobs: 14 })).rejects.toMatchObject({ code: 'OPTION' })
  })
})
