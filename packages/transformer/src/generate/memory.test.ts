import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { referenceDevice, type Device, type DeviceRoom } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { countParameters } from '../architectures/count.js'
import { gpt2 } from '../architectures/gpt2.js'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { disposeWeights } from '../architectures/weights.js'
import { FixedCache } from '../cache/fixed.js'
import { loadCheckpoint, saveModel } from '../checkpoints/node/model.js'
import { createBatchGenerator } from './batch.js'
import { modelMemory } from './memory.js'
import { createModel } from './model.js'

const config = llama({ vocabSize: 300, width: 16, layers: 2, heads: 4, kvHeads: 2, hidden: 24, context: 32 })
const sum = (tensors: readonly { readonly bytes: number }[]): number => tensors.reduce((total, { bytes }) => total + bytes, 0)
const withRoom = (room: DeviceRoom): Device => Object.assign(referenceDevice(), { room: () => room })

describe('modelMemory', () => {
  it('is what the weights, the tables and a cache take', () => {
    const { weights, cache } = modelMemory(config, { capacity: 20, batch: 3 })
    const tables = 2 * 4 * 20 * (config.headWidth / 2)
    expect(sum(weights)).toBe(4 * countParameters(config).total + tables)
    using real = new FixedCache(config, { capacity: 20, batch: 3 })
    expect(sum(cache)).toBe(real.bytes)
    const learned = gpt2({ vocabSize: 11, width: 8, layers: 2, heads: 2, context: 6 })
    expect(sum(modelMemory(learned).weights)).toBe(4 * countParameters(learned).total)
    expect(modelMemory(learned, { capacity: 0 }).cache).toEqual([])
  })
})

describe('a device that is too small', () => {
  it('is refused by createModel with the tensor and the limit, before anything is allocated', async () => {
    const device = referenceDevice({ maxBytes: 16384 })
    const weights = initWeights(config, { seed: 1 })
    await expect(createModel({ config, weights, device })).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      message: expect.stringMatching(
        /the largest tensor, '(embedding|head)\.weight', takes 18\.8 KiB \(19200 bytes\).* at most 16 KiB \(16384 bytes\)/,
      ) as unknown,
    })
    expect(device.memory().peakBytes).toBe(0)
    disposeWeights(weights)
  })

  it('is refused by createModel with what it has free', async () => {
    const { weights: needed, cache } = modelMemory(config)
    const free = sum(needed) + sum(cache) - 1
    const weights = initWeights(config, { seed: 1 })
    const short = withRoom({ free, source: 'a driver' })
    await expect(createModel({ config, weights, device: short })).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      message: expect.stringMatching(
        /^needs \S+ KiB for weights \+ 4 KiB for cache, \S+ KiB together, .* has \S+ KiB free \(a driver\)/,
      ) as unknown,
    })
    expect(short.memory().peakBytes).toBe(0)
    // A shorter cache fits, and so do weights that wait in the same memory.
    const shorter = await createModel({ config, weights, device: short, capacity: 31, borrowWeights: true })
    shorter.dispose()
    using _ = await createModel({ config, weights, device: withRoom({ free: sum(cache) + 2048, host: true, source: 'the system' }) })
  })

  it('is refused by loadCheckpoint before the weights are read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tesserae-'))
    try {
      const weights = initWeights(config, { seed: 1 })
      await saveModel(folder, { config, weights })
      disposeWeights(weights)
      const device = withRoom({ free: 1000, source: 'a driver' })
      const loaded = await loadCheckpoint(folder)
      disposeWeights(loaded.weights)
      await rm(join(folder, 'model.safetensors'))
      await expect(loadCheckpoint(folder, { device, capacity: 4 })).rejects.toMatchObject({
        code: 'OUT_OF_MEMORY',
        message: expect.stringMatching(/^needs .* for weights \+ 512 bytes for cache.* has 1000 bytes free/) as unknown,
      })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('runs as many generations at once as have room, and the others after them', async () => {
    const { weights: needed, cache } = modelMemory(config)
    const device = withRoom({ free: 2.5 * sum(cache), host: true, source: 'the system' })
    using model = await createModel({ config, weights: initWeights(config, { seed: 1 }), device })
    const all = await Promise.all([1, 2, 3, 4, 5].map((id) => model.generate([id], { maxTokens: 4 })))
    expect(all.map(({ ids }) => ids.length)).toEqual([4, 4, 4, 4, 4])
    expect(device.memory().liveBytes).toBeLessThan(sum(needed) + 3 * sum(cache))
    await expect(createModel({ config, weights: initWeights(config, { seed: 1 }), device, maxStreams: 3 })).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
    })
  })

  it('is refused for a batch whose cache does not fit', async () => {
    const weights = initWeights(config, { seed: 1 })
    const device = withRoom({ free: 40_000, source: 'a driver' })
    using generator = createBatchGenerator({ config, device })
    expect(await generator.generate(weights, [[1, 2]], { maxTokens: 1 })).toHaveLength(1)
    await expect(
      generator.generate(
        weights,
        Array.from({ length: 16 }, () => [1, 2]),
        { maxTokens: 1 },
      ),
    ).rejects.toThrow(/^needs 64 KiB for cache, on .* has 39\.1 KiB free/)
    disposeWeights(weights)
  })
})
