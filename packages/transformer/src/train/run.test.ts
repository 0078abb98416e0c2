import { referenceDevice, type Device } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import type { DecoderConfig } from '../architectures/config.js'
import { gpt2 } from '../architectures/gpt2.js'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { namedWeights } from '../architectures/weights.js'
import { TransformerError } from '../errors.js'
import { randomWindows, sequentialWindows, type Batches } from './data.js'
import { evaluate } from './evaluate.js'
import { train, type StepEvent, type TrainingRun, type TrainOptions } from './run.js'

const sizes = { vocabSize: 11, width: 8, layers: 2, heads: 2, context: 6 }
const small = gpt2(sizes)
const tokens = Uint16Array.from({ length: 60 }, (_, i) => (i * i + 3 * i) % 11)
const data = randomWindows(tokens, { rows: 3, length: 6, seed: 5 })

const begin = (device: Device, options: Partial<TrainOptions> & { config?: DecoderConfig } = {}): TrainingRun => {
  const config = options.config ?? small
  return train({ config, weights: initWeights(config, { seed: 1 }), data, steps: 4, device, learningRate: 1e-2, ...options })
}

async function all(run: TrainingRun): Promise<StepEvent[]> {
  const events: StepEvent[] = []
  for await (const event of run) events.push(event)
  return events
}

async function bits(run: TrainingRun): Promise<Record<string, number[]>> {
  const out: Record<string, number[]> = {}
  const { weights, m, v } = run.state()
  for (const [part, record] of Object.entries({ weights, m, v }))
    for (const [name, leaf] of namedWeights(record)) out[`${part}.${name}`] = [...(await leaf.bytes())]
  return out
}

async function codeOf(action: () => unknown): Promise<string> {
  try {
    await action()
    return 'no error'
  } catch (error) {
    return TransformerError.isInstance(error) ? error.code : String(error)
  }
}

describe('train', () => {
  it.each([
    ['GPT-2', small],
    ['Llama', llama({ ...sizes, kvHeads: 1, hidden: 12 })],
  ])('overfits one small batch with %s', async (_, config) => {
    const one: Batches = { at: () => data.at(0) }
    using run = begin(referenceDevice(), {
      config,
      data: one,
      steps: 60,
      learningRate: 3e-2,
      clip: Infinity,
      optimizer: { weightDecay: 0 },
    })
    const events = await all(run)
    expect(events[0]!.loss).toBeCloseTo(Math.log(11), 1)
    expect(events.at(-1)!.loss).toBeLessThan(0.1)
    expect(events.map(({ step }) => step)).toEqual(Array.from({ length: 60 }, (__, i) => i + 1))
  })

  it('goes on bit for bit from a state, dropout included', async () => {
    const config = gpt2({ ...sizes, dropout: 0.25 })
    using straight = begin(referenceDevice(), { config, steps: 6, seed: 9 })
    await all(straight)
    const device = referenceDevice()
    const first = begin(device, { config, steps: 3, seed: 9 })
    await all(first)
    using resumed = train({ state: first.state(), data, steps: 6, device, learningRate: 1e-2 })
    expect(resumed.step).toBe(3)
    await all(resumed)
    expect(await bits(resumed)).toEqual(await bits(straight))
  })

  it('draws other dropout masks for another seed', async () => {
    const config = gpt2({ ...sizes, dropout: 0.25 })
    const losses = await Promise.all(
      [1, 1, 2].map(async (seed) => {
        using run = begin(referenceDevice(), { config, steps: 1, seed })
        return (await all(run))[0]!.loss
      }),
    )
    expect(losses[1]).toBe(losses[0])
    expect(losses[2]).not.toBe(losses[0])
  })

  it('accumulates gradients as if the micro-batches were one batch, whatever their token counts', async () => {
    const wide: Batches = { at: async (index) => joined(await data.at(2 * index), masked(await data.at(2 * index + 1))) }
    const narrow: Batches = { at: async (index) => (index % 2 === 0 ? data.at(index) : masked(await data.at(index))) }
    using whole = begin(referenceDevice(), { data: wide, steps: 2 })
    using parts = begin(referenceDevice(), { data: narrow, steps: 2, accumulate: 2 })
    const [expected, got] = [await all(whole), await all(parts)]
    got.forEach((event, i) => {
      expect(event.loss).toBeCloseTo(expected[i]!.loss, 5)
      expect(event.gradNorm).toBeCloseTo(expected[i]!.gradNorm, 4)
      expect(event.tokens).toBe(expected[i]!.tokens)
    })
  })

  it('pauses when the loop is left, and goes on', async () => {
    using run = begin(referenceDevice())
    for await (const event of run) if (event.step === 2) break
    expect(run.step).toBe(2)
    expect((await all(run)).map(({ step }) => step)).toEqual([3, 4])
    using straight = begin(referenceDevice())
    await all(straight)
    expect(await bits(run)).toEqual(await bits(straight))
  })

  it('stops at a signal between steps with the state whole', async () => {
    const controller = new AbortController()
    using run = begin(referenceDevice(), { steps: 50, signal: controller.signal })
    let seen = 0
    const failure = await (async () => {
      for await (const event of run) if ((seen = event.step) === 2) controller.abort(new Error('enough'))
    })().catch((error: unknown) => error)
    expect(failure).toMatchObject({ name: 'AbortError', code: 'ABORTED' })
    expect(seen).toBe(2)
    expect(run.state().step).toBe(2)
    using straight = begin(referenceDevice(), { steps: 2 })
    await all(straight)
    expect(await bits(run)).toEqual(await bits(straight))
  })

  it('measures other data when due and after the last step', async () => {
    const validation = sequentialWindows(tokens, { rows: 4, length: 6 })
    using run = begin(referenceDevice(), { steps: 3, evaluation: { data: validation, every: 2 } })
    const events = await all(run)
    expect(events.map(({ validationLoss }) => validationLoss !== undefined)).toEqual([false, true, true])
    const direct = await evaluate(run.weights, validation, { config: small })
    expect(direct.loss).toBe(events[2]!.validationLoss)
    expect(direct.tokens).toBe(54)
    expect(direct.perplexity).toBeCloseTo(Math.exp(direct.loss), 9)
  })

  it('leaves nothing on the device, and hands weights over when asked', async () => {
    const device = referenceDevice()
    const run = begin(device, { evaluation: { data, every: 2, batches: 1 } })
    for await (const { step } of run) if (step === 2) break
    const before = device.memory().liveBytes
    await all(run)
    expect(device.memory().liveBytes).toBe(before)
    const weights = run.release()
    const leaves = [...namedWeights(weights).values()]
    expect(device.memory().liveBuffers).toBe(leaves.length)
    run.dispose()
    for (const leaf of leaves) leaf.dispose()
    expect(device.memory()).toMatchObject({ liveBytes: 0, liveBuffers: 0 })
  })

  it('refuses what cannot be trained, in words', async () => {
    const weights = initWeights(small, { seed: 1 })
    expect(await codeOf(() => train({ config: small, data, steps: 1 }))).toBe('OPTION')
    expect(await codeOf(() => train({ weights, data, steps: 1 }))).toBe('OPTION')
    expect(await codeOf(() => train({ config: small, weights, data, steps: 0 }))).toBe('OPTION')
    expect(await codeOf(() => train({ config: gpt2({ ...sizes, width: 16 }), weights, data, steps: 1 }))).toBe('WEIGHTS')
    expect(await codeOf(() => train({ config: gpt2({ ...sizes, bias: false }), weights, data, steps: 1 }))).toBe('WEIGHTS')
    const foreign = randomWindows([...tokens, 11], { rows: 60, length: 6, seed: 1 })
    using run = begin(referenceDevice(), { data: foreign })
    await expect(all(run)).rejects.toThrow("token id 11; this model's vocabulary is 0 to 10")
    using hot = begin(referenceDevice(), { learningRate: 1e30, steps: 20, clip: Infinity })
    expect(await codeOf(() => all(hot))).toBe('DIVERGED')
    const ended = begin(referenceDevice())
    ended.dispose()
    expect(await codeOf(() => all(ended))).toBe('DISPOSED')
  })
})

type Batch = Awaited<ReturnType<Batches['at']>>

/** The batch with its first row and a half taken out of the loss. */
const masked = (batch: Batch): Batch => ({ ...batch, targets: batch.targets.map((target, i) => (i < 9 ? -1 : target)) })

const joined = (a: Batch, b: Batch): Batch => ({
  ids: Int32Array.of(...a.ids, ...b.ids),
  targets: Int32Array.of(...a.targets, ...b.targets),
  rows: a.rows + b.rows,
  length: a.length,
})
