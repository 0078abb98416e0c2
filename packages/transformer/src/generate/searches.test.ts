import { beamSearch, sampler } from '@tesserae/sampling'
import { referenceDevice, type Device } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { disposeWeights, mapWeights, namedWeights } from '../architectures/weights.js'
import { createModel, type CreateModelOptions, type DecoderModel } from './model.js'

const config = llama({ vocabSize: 13, width: 16, layers: 2, heads: 4, kvHeads: 2, hidden: 24, context: 96 })

async function open({ seed = 4, ...options }: Partial<CreateModelOptions> & { seed?: number } = {}): Promise<DecoderModel> {
  const device: Device = referenceDevice()
  const small = initWeights(options.config ?? config, { seed })
  const weights = mapWeights(small, (weight) => weight.mul(weight.rank === 2 ? 20 : 1))
  for (const weight of namedWeights(weights).values()) await weight.realize({ device })
  disposeWeights(small)
  return createModel({ config, weights, device, ...options })
}

const prompt = [1, 5, 2, 9, 1, 5, 3, 7, 2, 2, 1, 5, 2, 9, 4, 4, 0, 11]

function logSoftmax(logits: Float32Array): number[] {
  const peak = Math.max(...logits)
  const log = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - peak), 0))
  return Array.from(logits, (logit) => logit - peak - log)
}

describe('speculative generation', () => {
  it('gives the same text, guess by guess, whoever guesses', async () => {
    using model = await open()
    using other = await open({ seed: 5, config: { ...config, layers: 1 } })
    const { ids, logprobs } = await model.generate(prompt, { maxTokens: 40, logprobs: true })
    for (const draft of ['prompt', other, model] as const) {
      const events = []
      for await (const event of model.stream(prompt, { maxTokens: 40, logprobs: 2, speculative: { draft, tokens: 4 } })) events.push(event)
      expect(events.map(({ id }) => id)).toEqual(ids)
      events.forEach(({ logprob }, i) => expect(logprob).toBeCloseTo(logprobs![i]!, 4))
      expect(events.at(-1)!.finishReason).toBe('length')
      const drafted = events.filter((event) => event.drafted === true).length
      // The model itself guesses right each time: four tokens of five.
      if (draft === model) expect(drafted).toBe(32)
      else if (draft === 'prompt') expect(drafted).toBeGreaterThan(0)
    }
  })

  it('fills the capacity, stops where it should, and runs beside other streams', async () => {
    using model = await open({ capacity: 30 })
    const plain = await model.generate(prompt)
    const speculative = { draft: 'prompt', tokens: 7 } as const
    const [guessed, stopped, beside] = await Promise.all([
      model.generate(prompt, { speculative }),
      model.generate(prompt, { speculative, stop: [plain.ids[3]!] }),
      model.generate(prompt, { maxTokens: 8 }),
    ])
    expect(guessed).toMatchObject({ ids: plain.ids, finishReason: 'context' })
    expect(stopped).toMatchObject({ ids: plain.ids.slice(0, plain.ids.indexOf(plain.ids[3]!) + 1), finishReason: 'stop' })
    expect(beside.ids).toEqual(plain.ids.slice(0, 8))
  })

  it('draws as the sampler does: guesses of the very distribution are always right', async () => {
    using model = await open()
    const events = []
    const chooser = sampler({ temperature: 1, seed: 3 })
    for await (const event of model.stream(prompt, { maxTokens: 30, sampler: chooser, speculative: { draft: model, tokens: 5 } }))
      events.push(event)
    expect(events.filter((event) => event.drafted === true)).toHaveLength(25)
    expect(new Set(events.map(({ id }) => id)).size).toBeGreaterThan(3)
  })

  it('refuses what cannot be guessed for', async () => {
    using model = await open()
    using wide = await open({ config: { ...config, vocabSize: 14 } })
    using short = await open({ capacity: 20 })
    const attempt = (options: object): Promise<unknown> =>
      model.generate(prompt, { maxTokens: 10, speculative: { draft: 'prompt' }, ...options })
    await expect(attempt({ speculative: { draft: wide } })).rejects.toThrow('the draft model has 14 tokens, the model 13')
    await expect(attempt({ speculative: { draft: short } })).rejects.toThrow('the draft model has 20 positions and 27 are needed')
    await expect(attempt({ speculative: { draft: 'prompt', tokens: 64 } })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(attempt({ sampler: { choose: () => 1 } })).rejects.toThrow('must tell its distribution')
    await expect(attempt({ overflow: 'slide' })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(attempt({ guidance: { scale: 2 } })).rejects.toMatchObject({ code: 'OPTION' })
  })
})

describe('guidance', () => {
  it('moves away from the other prompt, step by step', async () => {
    using model = await open()
    const negative = [3, 3, 8]
    const { ids } = await model.generate(prompt, { maxTokens: 12, guidance: { scale: 2.5, negative } })
    const [text, other] = [[...prompt], [...negative]]
    for (const id of ids) {
      const last = async (all: number[]): Promise<Float32Array> => (await model.logits(all)).slice(-13)
      const [a, b] = [await last(text), await last(other)]
      const mixed = a.map((logit, i) => b[i]! + 2.5 * (logit - b[i]!))
      expect(id).toBe(mixed.indexOf(Math.max(...mixed)))
      text.push(id)
      other.push(id)
    }
    const plain = await model.generate(prompt, { maxTokens: 12 })
    expect(ids).not.toEqual(plain.ids)
    expect((await model.generate(prompt, { maxTokens: 12, guidance: { scale: 1 } })).ids).toEqual(plain.ids)
  })

  it('takes its two places together, however many want them', async () => {
    using model = await open({ maxStreams: 3 })
    const guidance = { scale: 2, negative: [4, 4] }
    const { ids } = await model.generate(prompt, { maxTokens: 6, guidance })
    const start = performance.now()
    const all = await Promise.all(Array.from({ length: 4 }, () => model.generate(prompt, { maxTokens: 6, guidance })))
    for (const one of all) expect(one.ids).toEqual(ids)
    expect(performance.now() - start).toBeLessThan(1000) // nobody had to wait for a place to be lent
    using single = await open({ maxStreams: 1 })
    await expect(single.generate(prompt, { guidance })).rejects.toThrow('make it with maxStreams: 2 or more')
    await expect(model.generate(prompt, { guidance: { scale: -1 } })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(model.generate(prompt, { guidance: { scale: 2, negative: [13] } })).rejects.toMatchObject({ code: 'TOKEN' })
  })
})

describe('beamSearch', () => {
  it.each([
    { beams: 4, count: 4, maxTokens: 8 },
    { beams: 3, count: 3, maxTokens: 12, stop: [2], lengthPenalty: 0.5 },
    { beams: 6, groups: 3, diversity: 0.7, count: 6, maxTokens: 6, stop: [1] },
    { beams: 1, maxTokens: 5 },
  ])('finds what it finds by whole sequences: $beams beams', async (options) => {
    using model = await open()
    const expected = await beamSearch({
      ...options,
      logits: (beams) => Promise.all(beams.map(async ({ ids }) => (await model.logits([...prompt, ...ids])).slice(-13))),
    })
    const found = await model.beamSearch(prompt, options)
    expect(found.map(({ ids, stopped }) => ({ ids, stopped }))).toEqual(expected.map(({ ids, stopped }) => ({ ids, stopped })))
    found.forEach(({ score }, i) => expect(score).toBeCloseTo(expected[i]!.score, 4))
  })

  it('gives its places back, and refuses more beams than there are', async () => {
    const letters = {
      encode: (text: string) => Array.from(text, (letter) => letter.charCodeAt(0) - 97),
      decode: (ids: Iterable<number>) => String.fromCharCode(...Array.from(ids, (id) => id + 97)),
    }
    using model = await open({ maxStreams: 4, tokenizer: letters })
    const { ids, text } = (await model.beamSearch('abc', { maxTokens: 4, beams: 4 }))[0]!
    expect(text).toBe(letters.decode(ids))
    const both = await Promise.all([
      model.beamSearch('abc', { maxTokens: 4 }),
      model.beamSearch('abc', { maxTokens: 4 }),
      model.generate('abc', { maxTokens: 4 }),
    ])
    expect([both[0][0]!.ids, both[1][0]!.ids]).toEqual([ids, ids])
    await expect(model.beamSearch('a', { beams: 5, maxTokens: 2 })).rejects.toThrow('make it with maxStreams: 5')
    await expect(model.beamSearch('a', { signal: AbortSignal.abort(), maxTokens: 2 })).rejects.toMatchObject({ name: 'AbortError' })
    await expect(model.beamSearch('a', { maxTokens: 97 })).rejects.toMatchObject({ code: 'CAPACITY' })
  })
})

describe('score', () => {
  it('is what the logits say, within the capacity and beyond it', async () => {
    using model = await open({ capacity: 24 })
    using whole = await open()
    const ids = Array.from({ length: 60 }, (_, i) => (5 * i + i * i) % 13)
    const expected = async (start: number, from: number, to: number): Promise<number[]> => {
      const logits = await whole.logits(ids.slice(start, to))
      return ids.slice(from + 1, to + 1).map((id, i) => logSoftmax(logits.slice((from - start + i) * 13, (from - start + i + 1) * 13))[id]!)
    }
    const short = await model.score(ids.slice(0, 20))
    const near = (found: Float32Array, wanted: number[]): void => {
      expect(found).toHaveLength(wanted.length)
      wanted.forEach((one, i) => expect(Math.abs(found[i]! - one)).toBeLessThan(1e-4))
    }
    near(short.logprobs, await expected(0, 0, 19))
    expect(short.logprob).toBeCloseTo(
      short.logprobs.reduce((a, b) => a + b, 0),
      4,
    )
    expect(short.perplexity).toBeCloseTo(Math.exp(-short.logprob / 19), 4)
    const long = await model.score(ids, { stride: 16 })
    near(long.logprobs, [
      ...(await expected(0, 0, 24)),
      ...(await expected(16, 24, 40)),
      ...(await expected(32, 40, 56)),
      ...(await expected(48, 56, 59)),
    ])
    await expect(model.score([1])).rejects.toMatchObject({ code: 'TOKEN' })
    await expect(model.score(ids, { stride: 25 })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(model.score(ids, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('what lies beneath', () => {
  it('gives the states that the head turns into logits', async () => {
    using model = await open()
    const hidden = await model.hidden(prompt)
    expect(hidden).toHaveLength(prompt.length * config.width)
    const logits = await model.logits(prompt)
    const head = (await (model.weights.head!.weight as { data(): Promise<ArrayLike<number>> }).data()) as Float32Array
    for (let t = 0; t < prompt.length; t++)
      for (let id = 0; id < 13; id++) {
        let sum = 0
        for (let i = 0; i < config.width; i++) sum += hidden[t * config.width + i]! * head[id * config.width + i]!
        expect(Math.abs(sum - logits[t * 13 + id]!)).toBeLessThan(1e-4)
      }
  })

  it('lets a text be gone on with by hand', async () => {
    using model = await open()
    const { ids } = await model.generate(prompt, { maxTokens: 6 })
    using text = model.open(prompt)
    for (const id of ids) {
      const logits = await text.next()
      expect(logits.indexOf(Math.max(...logits))).toBe(id)
      text.ids.push(id)
    }
    text.replace(prompt.length, ids.slice(0, 2))
    const rows = await text.nextOf(3)
    expect(rows.map((logits) => logits.indexOf(Math.max(...logits)))).toEqual(ids.slice(0, 3))
    expect(() => model.open([13])).toThrow('token id 13')
  })
})
