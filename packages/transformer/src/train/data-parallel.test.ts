import { referenceDevice } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { errorOf, threadRanks, valueOf } from '../../../tensor/src/parallel/testing/thread-ranks.js'
import { gpt2 } from '../architectures/gpt2.js'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { namedWeights } from '../architectures/weights.js'
import { largestDifference, pairwise } from '../testing/pairwise.js'
import { randomWindows, sequentialWindows, type Batches } from './data.js'
import { train, type StepEvent, type TrainingRun, type TrainOptions } from './run.js'

const sizes = { vocabSize: 11, width: 8, layers: 2, heads: 2, context: 6 }
const small = llama({ ...sizes, kvHeads: 1, hidden: 12 })
const tokens = Uint16Array.from({ length: 60 }, (_, i) => (i * i + 3 * i) % 11)
const random = randomWindows(tokens, { rows: 3, length: 6, seed: 5 })
/** Batches that differ in how much there is to learn: every other one has a row and a half taken out. */
const data: Batches = {
  async at(index) {
    const batch = await random.at(index)
    return index % 2 === 0 ? batch : { ...batch, targets: batch.targets.map((target, i) => (i < 9 ? -1 : target)) }
  },
}

const begin = (options: Partial<TrainOptions> = {}): TrainingRun => {
  const { config = small, state } = options
  const start = state === undefined ? { config, weights: initWeights(config, { seed: 1 }) } : {}
  return train({ ...start, data, steps: 4, device: referenceDevice(), learningRate: 1e-2, ...options })
}

async function all(run: TrainingRun): Promise<StepEvent[]> {
  const events: StepEvent[] = []
  for await (const event of run) events.push(event)
  return events
}

async function bits(run: TrainingRun): Promise<Record<string, number[]>> {
  const out: Record<string, number[]> = {}
  for (const [name, leaf] of namedWeights(run.weights)) out[name] = [...(await leaf.bytes())]
  return out
}

describe('train in a group', () => {
  it('does on two ranks what one process does with batches twice as large', async () => {
    using alone = begin({ data: pairwise(data) })
    const expected = await all(alone)
    const results = await threadRanks(2, async (group) => {
      // Only rank 0's weights count.
      using run = begin({ group, weights: initWeights(small, { seed: 1 + group.rank }), bucketBytes: 512 })
      const events = await all(run)
      return { events, difference: await largestDifference(run.weights, alone.weights), bits: await bits(run) }
    })
    const [zero, one] = results.map(valueOf)
    expect(one!.bits).toEqual(zero!.bits)
    for (const { events, difference } of [zero!, one!]) {
      expect(difference).toBeLessThanOrEqual(1e-6)
      events.forEach(({ step, loss, gradNorm, tokens: learnt }, i) => {
        expect({ step, learnt }).toEqual({ step: expected[i]!.step, learnt: expected[i]!.tokens })
        expect(loss).toBeCloseTo(expected[i]!.loss, 5)
        expect(gradNorm).toBeCloseTo(expected[i]!.gradNorm, 4)
      })
    }
  })

  it.each([
    ['two', 2, 3],
    ['three', 3, 2],
  ])('does on %s ranks, dropout included, what one process does that accumulates their batches', async (_, size, accumulate) => {
    const config = gpt2({ ...sizes, bias: false, dropout: 0.25 })
    using alone = begin({ config, accumulate: size * accumulate, steps: 2, seed: 9 })
    await all(alone)
    const results = await threadRanks(size, async (group) => {
      using run = begin({ config, accumulate, steps: 2, seed: 9, group })
      await all(run)
      return await largestDifference(run.weights, alone.weights)
    })
    for (const result of results) expect(valueOf(result)).toBeLessThanOrEqual(1e-6)
  })

  it('goes on from a state bit for bit', async () => {
    const straight = await threadRanks(2, async (group) => {
      using run = begin({ group })
      await all(run)
      return await bits(run)
    })
    const resumed = await threadRanks(2, async (group) => {
      const device = referenceDevice()
      const first = begin({ group, device, steps: 2 })
      await all(first)
      using second = begin({ group, device, state: first.state() })
      expect((await all(second)).map(({ step }) => step)).toEqual([3, 4])
      return await bits(second)
    })
    expect(resumed.map(valueOf)).toEqual(straight.map(valueOf))
  })

  it('shares an evaluation out, also when there are fewer batches than ranks', async () => {
    const validation = sequentialWindows(tokens, { rows: 4, length: 6 })
    for (const batches of [1, 3]) {
      using alone = begin({ steps: 1, accumulate: 2, evaluation: { data: validation, every: 1, batches } })
      const [expected] = await all(alone)
      const results = await threadRanks(2, async (group) => {
        using run = begin({ steps: 1, group, evaluation: { data: validation, every: 1, batches } })
        return (await all(run))[0]!.validationLoss
      })
      for (const result of results) expect(valueOf(result)).toBeCloseTo(expected!.validationLoss!, 6)
    }
  })

  it("stops all ranks at the same step by one rank's signal, their states whole", async () => {
    const results = await threadRanks(2, async (group) => {
      const controller = new AbortController()
      using run = begin({ group, steps: 50, ...(group.rank === 1 ? { signal: controller.signal } : {}) })
      const failure: unknown = await (async () => {
        for await (const { step } of run) if (step === 2) controller.abort(new Error('enough'))
      })().catch((error: unknown) => error)
      await group.barrier()
      return { failure, step: run.state().step, bits: await bits(run) }
    })
    const [zero, one] = results.map(valueOf)
    expect(zero!.failure).toMatchObject({ name: 'AbortError', message: 'Training was aborted by the signal of rank 1' })
    expect(one!.failure).toMatchObject({ name: 'AbortError', cause: { message: 'enough' } })
    expect([zero!.step, one!.step]).toEqual([2, 2])
    expect(one!.bits).toEqual(zero!.bits)
  })

  it('tells the others why a rank cannot go on', async () => {
    const foreign: Batches = {
      at: async (index) => (index === 3 ? { ...(await data.at(1)), ids: new Int32Array(18).fill(99) } : data.at(index)),
    }
    const results = await threadRanks(2, async (group) => {
      using run = begin({ group, data: foreign })
      return await all(run)
    })
    expect(errorOf(results[0]!)).toMatchObject({
      code: 'PEER',
      problem: 'gave-up',
      ranks: [1],
      message: expect.stringMatching(/rank 1 has left the group: TransformerError: the training data has token id 99/),
    })
    expect(errorOf(results[1]!)).toMatchObject({ code: 'TOKEN' })
  })

  it.each<[string, Partial<TrainOptions>, RegExp]>([
    [
      'model',
      { config: gpt2({ ...sizes, bias: false }) },
      /train: blocks\.0\.attention\.key\.weight is f32\[8, ?8\] on rank 1 and f32\[4, ?8\] on rank 0/,
    ],
    ['number of batches', { accumulate: 2 }, /train: accumulate is 2 on rank 1 and 1 on rank 0/],
    ['clipping', { clip: 2 }, /train: clip is 2 on rank 1/],
    ['rate', { learningRate: 2e-2 }, /train: the learning rate is 0\.02 on rank 1 and 0\.01 on rank 0/],
  ])('names the rank that was given another %s', async (_, other, message) => {
    const results = await threadRanks(2, async (group) => {
      using run = begin({ group, ...(group.rank === 1 ? other : {}) })
      return await all(run)
    })
    for (const result of results)
      expect(errorOf(result)).toMatchObject({ code: 'PEER', problem: 'differs', ranks: [1], message: expect.stringMatching(message) })
  })

  it('leaves nothing on the device', async () => {
    const results = await threadRanks(2, async (group) => {
      const device = referenceDevice()
      const run = begin({ group, device })
      await all(run)
      run.dispose()
      return device.memory()
    })
    for (const result of results) expect(valueOf(result)).toMatchObject({ liveBytes: 0, liveBuffers: 0 })
  })
})
