import { referenceDevice, type Device } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { gpt2 } from '../architectures/gpt2.js'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { disposeWeights, mapWeights, namedWeights } from '../architectures/weights.js'
import { FixedCache } from '../cache/fixed.js'
import { createModel, type CreateModelOptions, type DecoderModel } from './model.js'
import { piecesOf } from './programs.js'
import type { SamplerLike, TokenEvent, TokenizerLike } from './types.js'

const config = llama({ vocabSize: 13, width: 16, layers: 2, heads: 4, kvHeads: 2, hidden: 24, context: 32 })

/** a to m for 0 to 12. */
const letters: TokenizerLike = {
  encode: (text) => Array.from(text, (letter) => letter.charCodeAt(0) - 97),
  decode: (ids) => String.fromCharCode(...Array.from(ids, (id) => id + 97)),
}

async function open(device: Device = referenceDevice(), options: Partial<CreateModelOptions> = {}): Promise<DecoderModel> {
  const small = initWeights(options.config ?? config, { seed: 4 })
  const weights = mapWeights(small, (weight) => weight.mul(weight.rank === 2 ? 20 : 1))
  for (const weight of namedWeights(weights).values()) await weight.realize({ device })
  disposeWeights(small)
  return createModel({ config, weights, tokenizer: letters, device, ...options })
}

/** Gives ids in turn, whatever the logits. */
const scripted = (...ids: number[]): SamplerLike & { readonly seen: number[] } => {
  const seen: number[] = []
  let next = 0
  return { seen, choose: () => ids[next++ % ids.length]!, accept: (id) => void seen.push(id) }
}

describe('piecesOf', () => {
  it('covers every token once, fills up only where there is room, and never leaves the cache', () => {
    expect(piecesOf(1, 9)).toEqual([{ tokens: 1, length: 1 }])
    expect(piecesOf(300, 512)).toEqual([
      { tokens: 256, length: 256 },
      { tokens: 16, length: 16 },
      { tokens: 16, length: 16 },
      { tokens: 12, length: 16 },
    ])
    expect(piecesOf(5, 15)).toEqual(Array.from({ length: 5 }, () => ({ tokens: 1, length: 1 })))
    for (let count = 1; count < 600; count++) {
      for (const slack of [0, 3, 15, 300]) {
        let at = 0
        for (const { tokens, length } of piecesOf(count, count + slack)) {
          expect(tokens <= length && at + length <= count + slack).toBe(true)
          at += tokens
        }
        expect(at).toBe(count)
      }
    }
  })
})

describe('createModel', () => {
  it('generates the same with and without a cache, from prompts of any length', async () => {
    using model = await open()
    const seen = new Set<number>()
    for (const length of [1, 2, 3, 15, 16, 17, 20]) {
      const prompt = Array.from({ length }, (_, i) => (5 * i + length) % 13)
      const cached = await model.generate(prompt, { maxTokens: 10, logprobs: true })
      const plain = await model.generate(prompt, { maxTokens: 10, logprobs: true, useCache: false })
      expect(cached.ids).toEqual(plain.ids)
      cached.logprobs!.forEach((logprob, i) => expect(logprob).toBeCloseTo(plain.logprobs![i]!, 4))
      expect(cached).toMatchObject({ finishReason: 'length', promptTokens: length })
      for (const id of cached.ids) seen.add(id)
    }
    expect(seen.size).toBeGreaterThan(3)
  })

  it('looks at whole sequences that are longer than its cache', async () => {
    const ids = Array.from({ length: 20 }, (_, i) => (7 * i) % 13)
    using large = await open()
    using small = await open(referenceDevice(), { capacity: 8 })
    await expect(small.generate(ids, { maxTokens: 1 })).rejects.toMatchObject({ code: 'CAPACITY' })
    expect(await small.logits(ids.slice(0, 8))).toEqual(await large.logits(ids.slice(0, 8)))
    expect(await small.logits(ids)).toEqual(await large.logits(ids))
    expect(await small.hidden(ids)).toEqual(await large.hidden(ids))
  })

  it('reports the log-probabilities that its logits give', async () => {
    using model = await open()
    const { ids, logprobs } = await model.generate([1, 2], { maxTokens: 4, logprobs: true })
    const logits = await model.logits([1, 2, ...ids])
    ids.forEach((id, i) => {
      const row = logits.slice((i + 1) * 13, (i + 2) * 13)
      expect(logprobs![i]).toBeCloseTo(row[id]! - Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0)), 4)
    })
  })

  it('serves several streams at once, each with a cache of its own', async () => {
    using model = await open()
    const prompts = [[1], [2, 3], [4, 5, 6]]
    const alone: number[][] = []
    for (const prompt of prompts) alone.push([...(await model.generate(prompt, { maxTokens: 6 })).ids])
    const together = await Promise.all(prompts.map((prompt) => model.generate(prompt, { maxTokens: 6 })))
    expect(together.map(({ ids }) => ids)).toEqual(alone)
  })

  it('streams text as it becomes certain and ends at stop ids and texts', async () => {
    using model = await open()
    const events = async (sampler: SamplerLike, options: object): Promise<TokenEvent[]> => {
      const out: TokenEvent[] = []
      for await (const event of model.stream('ab', { sampler, ...options })) out.push(event)
      return out
    }
    expect(await events(scripted(2, 3, 4), { maxTokens: 3 })).toEqual([
      { id: 2, text: 'c' },
      { id: 3, text: 'd' },
      { id: 4, text: 'e', finishReason: 'length' },
    ])
    expect(await events(scripted(2, 3, 4), { stop: [3] })).toEqual([
      { id: 2, text: 'c' },
      { id: 3, text: '', finishReason: 'stop' },
    ])
    expect(await events(scripted(2, 3, 4, 5), { stop: ['de'] })).toEqual([
      { id: 2, text: 'c' },
      { id: 3, text: '' },
      { id: 4, text: '', finishReason: 'stop' },
    ])
    expect(await events(scripted(2, 3), { stop: ['de'], maxTokens: 2 })).toEqual([
      { id: 2, text: 'c' },
      { id: 3, text: 'd', finishReason: 'length' },
    ])
    expect(await model.generate('ab', { sampler: scripted(2, 3, 4), stop: [4] })).toMatchObject({
      ids: [2, 3, 4],
      text: 'cd',
      finishReason: 'stop',
    })
    expect(await events(scripted(1), { maxTokens: 0 })).toEqual([])
  })

  it('tells the sampler of every token', async () => {
    using model = await open()
    const sampler = scripted(2, 3)
    await model.generate('ab', { sampler, maxTokens: 2 })
    expect(sampler.seen).toEqual([0, 1, 2, 3])
  })

  it('fills the context to the last position and says so', async () => {
    using model = await open(referenceDevice(), { capacity: 6 })
    // Six positions: two of the prompt, four of sampled tokens that are read again, and one that is only sampled.
    expect(await model.generate([1, 2])).toMatchObject({ finishReason: 'context', ids: { length: 5 } })
    expect(await model.generate([1, 2], { useCache: false })).toMatchObject({ finishReason: 'context', ids: { length: 5 } })
    expect(await model.generate([1, 2], { maxTokens: 5 })).toMatchObject({ finishReason: 'length', ids: { length: 5 } })
    await expect(model.generate([1, 2], { maxTokens: 6 })).rejects.toThrow(
      'a prompt of 2 tokens and 6 sampled ones takes 7 positions; this model has 6',
    )
    await expect(model.generate([1, 2, 3, 4, 5, 6, 7])).rejects.toThrow('a prompt of 7 tokens takes 7 positions; this model has 6')
  })

  it('stops within a step when the signal says so, and frees the cache', async () => {
    const device = referenceDevice()
    using model = await open(device)
    await model.generate([1], { maxTokens: 2 })
    const before = device.memory().liveBytes
    const controller = new AbortController()
    let count = 0
    const failure = await (async () => {
      for await (const event of model.stream([1, 2, 3], { signal: controller.signal }))
        if (event.id >= 0 && ++count === 3) controller.abort(new Error('enough'))
    })().catch((error: unknown) => error)
    expect(failure).toMatchObject({ name: 'AbortError', code: 'ABORTED' })
    expect(count).toBe(3)
    await expect(model.generate([1], { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    expect(device.memory().liveBytes).toBe(before)
  })

  it('lets timers run, so that an abort from outside arrives', async () => {
    const wide = gpt2({ vocabSize: 13, width: 16, layers: 1, heads: 1, context: 4096 })
    using model = await open(referenceDevice(), { config: wide })
    await expect(model.generate([1], { signal: AbortSignal.timeout(150) })).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('frees everything: on leaving a stream early, and on dispose', async () => {
    const device = referenceDevice()
    const model = await open(device)
    await model.generate([1, 2, 3], { maxTokens: 2 })
    const before = device.memory()
    for await (const event of model.stream([1, 2, 3])) if (event.id >= 0) break
    for (let i = 0; i < 3; i++) await model.generate([1, 2, 3], { maxTokens: 3 })
    expect(device.memory()).toMatchObject({ liveBytes: before.liveBytes, liveBuffers: before.liveBuffers })
    model.dispose()
    expect(device.memory()).toMatchObject({ liveBytes: 0, liveBuffers: 0 })
    await expect(model.generate([1])).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  it('leaves borrowed weights as they were', async () => {
    const weights = initWeights(config, { seed: 4 })
    const device = referenceDevice()
    const model = await createModel({ config, weights, device, borrowWeights: true })
    await model.generate([1], { maxTokens: 1 })
    model.dispose()
    expect(weights.embedding.weight.frozen).toBe(false)
    expect(await weights.embedding.weight.data()).toHaveLength(13 * 16)
  })

  it('refuses wrong input before anything runs', async () => {
    using model = await open()
    await expect(model.generate([1, 13])).rejects.toThrow('token id 13 at index 1 is not in the vocabulary; this model knows 0 to 12')
    await expect(model.generate([-1])).rejects.toThrow('token id -1')
    await expect(model.generate([0.5])).rejects.toThrow('token id 0.5')
    await expect(model.generate([])).rejects.toThrow('the prompt has no tokens')
    await expect(model.generate('az')).rejects.toMatchObject({ code: 'TOKEN' })
    await expect(model.logits(Array.from({ length: 33 }, () => 0))).rejects.toMatchObject({ code: 'CAPACITY' })
    await expect(model.generate([1], { maxTokens: -1 })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(model.generate([1], { stop: [''] })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(model.generate([1], { sampler: scripted(13) })).rejects.toThrow('the sampler chose 13')
    using mute = await createModel({ config, weights: initWeights(config, { seed: 1 }), device: referenceDevice() })
    await expect(mute.generate('a')).rejects.toThrow('needs a tokenizer')
    await expect(mute.generate([1], { stop: ['x'] })).rejects.toThrow('needs a tokenizer')
    await expect(createModel({ config, weights: initWeights({ ...config, width: 8 }, { seed: 1 }) })).rejects.toMatchObject({
      code: 'WEIGHTS',
    })
    await expect(createModel({ config, weights: initWeights(config, { seed: 1 }), capacity: 33 })).rejects.toMatchObject({
      code: 'CAPACITY',
    })
  })
})

describe('FixedCache', () => {
  it('counts its tokens and refuses more than it holds, with the numbers', () => {
    const cache = new FixedCache(config, { capacity: 4, batch: 2 })
    expect(cache.bytes).toBe(2 * 2 * 4 * (2 * 2 * 4 * 4))
    cache.reserve(4)
    expect(() => cache.reserve(5)).toThrow('the cache holds 4 tokens; 0 are in it and 5 more were to be written, at positions 0 to 4')
    cache.replace(cache.layers, 3)
    expect(cache.position).toBe(3)
    cache.reserve(1)
    expect(() => cache.reserve(2)).toThrow('at positions 3 to 4')
    cache.truncate(1)
    expect(cache.position).toBe(1)
    expect(() => cache.truncate(2)).toThrow('cannot be cut at 2')
    cache.dispose()
    cache.dispose()
    expect(() => cache.layers).toThrow('disposed')
    expect(() => new FixedCache(config, { capacity: 33 })).toThrow("from 1 to the model's context of 32")
  })
})
