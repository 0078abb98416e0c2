import { random } from '@tesserae/core'
import { sampler } from '@tesserae/sampling'
import { referenceDevice, type Device } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { openCuda } from '../../../tensor/src/device/cuda/device.js'
import { emulatedDriver } from '../../../tensor/src/device/cuda/testing/driver.js'
import type { DecoderConfig } from '../architectures/config.js'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { disposeWeights, mapWeights, namedWeights } from '../architectures/weights.js'
import { modelMemory } from './memory.js'
import { createModel, type CreateModelOptions, type DecoderModel } from './model.js'

const config: DecoderConfig = llama({ vocabSize: 13, width: 16, layers: 2, heads: 4, kvHeads: 2, hidden: 24, context: 96 })

async function open(options: Partial<CreateModelOptions> = {}, device: Device = referenceDevice()): Promise<DecoderModel> {
  const small = initWeights(options.config ?? config, { seed: 4 })
  const weights = mapWeights(small, (weight) => weight.mul(weight.rank === 2 ? 20 : 1))
  for (const weight of namedWeights(weights).values()) await weight.realize({ device })
  disposeWeights(small)
  return createModel({ config, weights, device, blockSize: 4, ...(device.name === 'reference' ? { paged: true } : {}), ...options })
}

const text = (length: number, seed = 0): number[] => Array.from({ length }, (_, i) => (7 * i + i * i * (seed + 1) + seed) % 13)

/** A device that counts its runs of programs, and fails one of them. */
function watched(failing = Infinity) {
  const device = referenceDevice()
  const run = device.run.bind(device)
  const seen = { device, runs: 0, failing }
  Object.assign(device, {
    run: (...args: Parameters<Device['run']>) => {
      if (++seen.runs === seen.failing) throw new Error('the device stumbles')
      return run(...args)
    },
  })
  return seen
}

describe('caches in pages', () => {
  it.each([
    ['plenty of blocks', 96, true],
    ['too few blocks for all', 24, true],
    ['too few blocks, and nothing kept', 25, false],
  ] as const)('give what each text gives alone, whoever comes, goes and breaks off beside it: %s', async (_, cacheBlocks, prefixCache) => {
    const device = referenceDevice()
    using alone = await open({ paged: false, prefixCache: false }, device)
    using shared = await open({ maxStreams: 5, cacheBlocks, prefixCache }, device)
    const stream = random('pages')
    const between = (low: number, high: number): number => low + Math.floor(stream.uniform() * (high - low + 1))
    const jobs = Array.from({ length: 20 }, (__, i) => ({
      // Many begin alike.
      prompt: [...text(between(0, 30), between(0, 1)), ...text(between(1, 8), i)],
      maxTokens: between(1, 40),
      delay: between(0, 4),
      leaves: stream.uniform() < 0.3 ? between(1, 10) : Infinity,
      seed: i,
    }))
    const run = async (model: DecoderModel, { prompt, maxTokens, leaves, seed }: (typeof jobs)[number]): Promise<number[]> => {
      const controller = new AbortController()
      const ids: number[] = []
      try {
        const chooser = sampler({ temperature: 0.8, topK: 5, seed })
        for await (const { id } of model.stream(prompt, { maxTokens, sampler: chooser, signal: controller.signal })) {
          ids.push(id)
          if (ids.length === leaves) {
            if (seed % 2 === 0) break
            controller.abort()
          }
        }
      } catch (error) {
        expect((error as Error).name).toBe('AbortError')
      }
      return ids
    }
    const expected: number[][] = []
    for (const job of jobs) expected.push(await run(alone, job))
    const found = await Promise.all(
      jobs.map(async (job) => {
        for (let i = 0; i < job.delay; i++) await new Promise((resolve) => setTimeout(resolve, 1))
        return run(shared, job)
      }),
    )
    expect(found).toEqual(expected)
    expect(shared.pages).toMatchObject({ inUse: 0, blockSize: 4, most: cacheBlocks })
    expect(shared.pages!.made).toBeLessThanOrEqual(cacheBlocks)
    if (!prefixCache) expect(shared.pages).toMatchObject({ made: 0, kept: 0, bytes: 0 })
  })

  it('set back the text that came last when blocks run out, and compute it again', async () => {
    const seen = watched()
    using model = await open({ maxStreams: 2, cacheBlocks: 24, prefixCache: false }, seen.device)
    const alone: (readonly number[])[] = []
    for (const seed of [1, 2]) alone.push((await model.generate(text(8, seed), { maxTokens: 70 })).ids)
    const before = seen.runs
    const counts = [0, 0]
    const ends: (readonly number[])[] = []
    const together = [1, 2].map(async (seed, i) => {
      const ids: number[] = []
      for await (const { id } of model.stream(text(8, seed), { maxTokens: 70 })) {
        ids.push(id)
        counts[i]!++
      }
      ends.push([...counts])
      return ids
    })
    expect(await Promise.all(together)).toEqual(alone)
    // Both came to about half, 12 blocks each; then the first went on alone, and the second was read anew.
    expect(ends[0]![0]).toBe(70)
    expect(ends[0]![1]).toBeGreaterThan(30)
    expect(ends[0]![1]).toBeLessThan(45)
    expect(seen.runs - before).toBeGreaterThan(100)
    expect(seen.runs - before).toBeLessThan(130)
    expect(model.pages).toMatchObject({ inUse: 0, made: 0 })
  })

  it('take memory as texts grow, not for what they could hold', async () => {
    using model = await open({ blockSize: 16, maxStreams: 8, config: { ...config, context: 4096 } })
    expect(model.pages).toMatchObject({ made: 0, bytes: 0, most: 8 * 256 })
    const rows = Array.from({ length: 8 }, (_, i) => model.open(text(90 + i, i)))
    await Promise.all(rows.map((row) => row.next()))
    expect(model.pages).toMatchObject({ made: 64, inUse: 8 * 6 + 1 })
    const perToken = 2 * 2 * config.kvHeads * config.headWidth * 4
    expect(model.pages!.bytes).toBe(64 * 16 * perToken)
    const fixed = modelMemory({ ...config, context: 4096 }, { batch: 8 }).cache.reduce((sum, { bytes }) => sum + bytes, 0)
    expect(fixed).toBe(8 * 4096 * perToken)
    // Twice as long they take twice the memory, and stay what they were.
    for (const [i, row] of rows.entries()) row.ids.push(...text(100, i))
    const logits = await Promise.all(rows.map((row) => row.next()))
    expect(model.pages).toMatchObject({ made: 128, inUse: rows.reduce((sum, { ids }) => sum + Math.ceil(ids.length / 16), 0) })
    const whole = await model.logits(rows[3]!.ids)
    logits[3]!.forEach((value, i) => expect(value).toBeCloseTo(whole[(rows[3]!.ids.length - 1) * 13 + i]!, 3))
    for (const row of rows) row.close()
    expect(model.pages).toMatchObject({ inUse: 0, kept: rows.reduce((sum, { ids }) => sum + Math.floor(ids.length / 16), 0) })
  })

  it('take up to a quarter of the memory that a card has free at once, so that programs are compiled for one size', async () => {
    const own = referenceDevice()
    const perBlock = 2 * 2 * config.kvHeads * config.headWidth * 4 * 4
    Object.assign(own, { room: () => ({ free: 1200 * perBlock, source: 'the test' }) })
    using some = await open({ maxStreams: 32 }, own)
    using row = some.open(text(9))
    await row.next()
    expect(some.pages).toMatchObject({ made: 300, most: 32 * 24 })
    Object.assign(own, { room: () => ({ free: 1e9, source: 'the test' }) })
    using all = await open({ maxStreams: 8 }, own)
    using other = all.open(text(9))
    await other.next()
    expect(all.pages).toMatchObject({ made: 8 * 24, bytes: 8 * 24 * perBlock })
  })

  it('are shared by texts that begin alike, block by block, without copies', async () => {
    const seen = watched()
    using model = await open({ maxStreams: 4 }, seen.device)
    const beginning = text(40)
    using first = model.open([...beginning, 1])
    await first.next()
    const before = seen.runs
    const others = [2, 3, 4].map((id) => model.open([...beginning, id, id, id]))
    await Promise.all(others.map((row) => row.next()))
    // A piece for each, and nothing else.
    expect(seen.runs - before).toBe(3)
    expect(others.map(({ cachedTokens }) => cachedTokens)).toEqual([40, 40, 40])
    // Ten blocks for all, and one for each.
    expect(model.pages).toMatchObject({ inUse: 10 + 4 })
    for (const row of others) row.close()
    expect(model.pages).toMatchObject({ inUse: 11, kept: 0 })
    const later = await model.generate([...beginning, 9, 9], { maxTokens: 2 })
    expect(later.cachedTokens).toBe(40)
    // The last full block is written over by a text that parts within it.
    first.replace(38, [5, 5, 5])
    using alone = await open({ paged: false })
    using same = alone.open(first.ids)
    const [found, expected] = [await first.next(), await same.next()]
    found.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4))
    expect((await model.generate([...beginning, 9, 9], { maxTokens: 2 })).ids).toEqual(later.ids)
  })

  it('part where texts part: beams, guidance, guesses and contrasts give what caches of fixed capacity give', async () => {
    using paged = await open({ blockSize: 5 })
    using fixed = await open({ paged: false })
    const prompt = text(21)
    const both = async (ask: (model: DecoderModel) => Promise<unknown>): Promise<void> => expect(await ask(paged)).toEqual(await ask(fixed))
    await both(async (model) => (await model.beamSearch(prompt, { beams: 4, maxTokens: 15 })).map(({ ids }) => [...ids]))
    await both(async (model) => (await model.generate(prompt, { maxTokens: 20, guidance: { scale: 1.5, negative: text(7, 3) } })).ids)
    await both(async (model) => (await model.generate(prompt, { maxTokens: 20, speculative: { draft: 'prompt', tokens: 7 } })).ids)
    await both(async (model) => (await model.generate(prompt, { maxTokens: 20, contrastive: { topK: 4, penaltyAlpha: 0.4 } })).ids)
    await both(async (model) => (await model.generate(prompt, { maxTokens: 120, overflow: 'slide' })).ids)
    expect(paged.pages).toMatchObject({ inUse: 0 })
  })

  it('hold of layers with a window what tokens to come can see', async () => {
    const own = { ...config, context: 512, layers: 3, windows: [9, 0, 7] }
    using model = await open({ config: own, blockSize: 8, maxStreams: 2 })
    using row = model.open(text(400))
    for (let step = 0; step < 30; step++) {
      const logits = await row.next()
      if (step % 10 === 0) {
        const whole = (await model.logits(row.ids)).subarray(-13)
        expect(Math.max(...whole.map((value, i) => Math.abs(value - logits[i]!)))).toBeLessThan(2e-4)
      }
      row.ids.push(step % 13)
    }
    // The layer without a window has all of it, those with one 8 tokens, and 64 by which a text may be cut back.
    expect(model.pages!.inUse).toBe(Math.ceil(429 / 8) + 10)
    const { cache } = modelMemory(own, { blockSize: 8 })
    expect(cache.map(({ bytes }) => bytes / (2 * 4 * config.headWidth))).toEqual([344, 344, 512, 512, 344, 344])
    // Cut back by little it goes on; by more it is computed anew.
    for (const back of [40, 200]) {
      row.replace(row.ids.length - back, [1, 2, 3])
      const logits = await row.next()
      const whole = (await model.logits(row.ids)).subarray(-13)
      expect(Math.max(...whole.map((value, i) => Math.abs(value - logits[i]!)))).toBeLessThan(2e-4)
    }
    // Texts share what both kinds of layers have.
    const shared = await model.generate([...row.ids, 4, 5], { maxTokens: 3 })
    expect(shared.cachedTokens).toBe(Math.floor(row.ids.length / 8) * 8)
    expect(shared.ids).toEqual((await model.generate([...row.ids, 4, 5], { maxTokens: 3, useCache: false })).ids)
  })

  it('are computed anew for all texts where the device failed one', async () => {
    const seen = watched()
    using model = await open({ maxStreams: 3 }, seen.device)
    const expected = (await model.generate(text(20, 2), { maxTokens: 12 })).ids
    const other = model.stream(text(20, 2), { maxTokens: 12 })
    const ids = [(await other.next()).value!.id]
    seen.failing = seen.runs + 1
    await expect(model.generate(text(9), { maxTokens: 3 })).rejects.toThrow('the device stumbles')
    for await (const { id } of other) ids.push(id)
    expect(ids).toEqual(expected)
  })

  it('leave nothing behind, whenever a model is disposed', async () => {
    for (const wait of [0, 2, 6]) {
      const device = referenceDevice()
      const model = await open({ maxStreams: 2 }, device)
      const idle = model.stream(text(3))
      await idle.next()
      const running = Array.from({ length: 4 }, (_, i) => model.generate(text(6, i)).catch((error: unknown) => error))
      await new Promise((resolve) => setTimeout(resolve, wait))
      model.dispose()
      for (const end of await Promise.all(running)) expect(end).toMatchObject({ code: 'DISPOSED' })
      await expect(idle.next()).rejects.toMatchObject({ code: 'DISPOSED' })
      await device.sync()
      expect(device.memory()).toMatchObject({ liveBytes: 0, liveBuffers: 0 })
    }
  })

  it.each(['f16', 'q8', 'q4'] as const)('are kept in %s as caches of fixed capacity are', async (cacheType) => {
    const own = { ...config, width: 32, headWidth: 8 }
    using paged = await open({ config: own, cacheType, maxStreams: 3 })
    using fixed = await open({ config: own, cacheType, maxStreams: 3, paged: false })
    const prompts = [text(30), [...text(30), 4], text(11, 2)]
    const ids = async (model: DecoderModel): Promise<readonly (readonly number[])[]> =>
      Promise.all(prompts.map(async (prompt) => (await model.generate(prompt, { maxTokens: 12 })).ids))
    expect(await ids(paged)).toEqual(await ids(fixed))
    const [beam] = await paged.beamSearch(prompts[2]!, { beams: 3, maxTokens: 6 })
    expect(beam!.ids).toEqual((await fixed.beamSearch(prompts[2]!, { beams: 3, maxTokens: 6 }))[0]!.ids)
    const bytes = modelMemory(own, { cacheType, blockSize: 4, cacheBlocks: paged.pages!.made }).cache.reduce(
      (sum, one) => sum + one.bytes,
      0,
    )
    expect(paged.pages).toMatchObject({ inUse: 0, bytes })
  })

  it('say what they cannot be', async () => {
    await expect(open({ cacheBlocks: 23 })).rejects.toThrow(
      'cacheBlocks must be an integer of 24 or more, which one text of 96 tokens takes in blocks of 4',
    )
    await expect(open({ blockSize: 0 })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(open({ paged: false, cacheBlocks: 30 })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    using fixed = await open({ paged: false })
    expect(fixed.pages).toBeUndefined()
    // Texts that are of use together only, and are more than there is.
    using small = await open({ cacheBlocks: 24, maxStreams: 4 })
    await expect(small.beamSearch(text(60), { beams: 4, maxTokens: 30 })).rejects.toMatchObject({ code: 'CAPACITY' })
    expect(small.pages).toMatchObject({ inUse: 0 })
    expect((await small.generate(text(60), { maxTokens: 36 })).ids).toHaveLength(36)
  })
})

describe('emulated CUDA', () => {
  it('keeps caches in pages by itself, and steps several texts in one batch', async () => {
    const device = openCuda(emulatedDriver({ order: 'random', checks: { global: true } }))
    const own = { ...config, layers: 1, context: 64 }
    {
      using model = await open({ config: own, blockSize: 8 }, device)
      using reference = await open({ config: own, paged: false })
      const prompts = [text(19), [...text(17), 3], text(5, 2)]
      const ids = async (of: DecoderModel): Promise<(readonly number[])[]> =>
        (await Promise.all(prompts.map((prompt) => of.generate(prompt, { maxTokens: 6 })))).map((one) => one.ids)
      expect(await ids(model)).toEqual(await ids(reference))
      expect(model.pages).toMatchObject({ inUse: 0, kept: 3 + 1 })
    }
    expect(device.memory()).toMatchObject({ liveBuffers: 0 })
    await device.dispose()
  })
})
