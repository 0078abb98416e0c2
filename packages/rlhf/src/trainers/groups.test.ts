/** Trainers on rows in groups: two ranks do what one process does that accumulates twice as many batches. */
import { referenceDevice, type Device } from '@tesserae/tensor'
import { runThreads } from '@tesserae/tensor/node'
import { describe, expect, it } from 'vitest'
import { errorOf, threadRanks, valueOf } from '../../../tensor/src/parallel/testing/thread-ranks.js'
import {
  beginTraining,
  finishTraining,
  groupTrainers,
  largestDifference,
  valuesOf,
  type AnyRun,
  type GroupTrainer,
  type GroupTraining,
} from '../testing/group-training.js'
import type { DpoState } from './dpo.js'
import { ppo } from './ppo.js'

const begin = (trainer: GroupTrainer, options: GroupTraining = {}): Promise<AnyRun> =>
  beginTraining(trainer, { device: referenceDevice(), ...options })

async function alone(trainer: GroupTrainer, options: GroupTraining = {}) {
  using run = await begin(trainer, options)
  return { metrics: await finishTraining(run), values: await valuesOf(run.weights), steps: run.steps }
}

describe.each(groupTrainers)('%s in a group', (trainer) => {
  it.each(trainer === 'sft' ? [1, 2] : [2])(
    'does on two ranks that accumulate %i what one process does that accumulates twice as many',
    async (accumulate) => {
      const expected = await alone(trainer, { accumulate: 2 * accumulate })
      const results = await threadRanks(2, async (group) => {
        using run = await begin(trainer, { accumulate, group, start: 1 + group.rank, bucketBytes: 512 })
        return { metrics: await finishTraining(run), values: await valuesOf(run.weights) }
      })
      const [zero, one] = results.map(valueOf)
      expect(one!.values).toEqual(zero!.values)
      expect(largestDifference(zero!.values, expected.values)).toBeLessThanOrEqual(1e-6)
      for (const { metrics } of [zero!, one!])
        metrics.forEach(({ tokensPerSecond: _, ...found }, i) => {
          for (const [name, value] of Object.entries(found)) expect(value, name).toBeCloseTo(expected.metrics[i]![name]!, 4)
        })
    },
  )
})

describe('trainers in a group', () => {
  it('run in threads of their own', async () => {
    const script = `
      import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}
      register()
      await import(${JSON.stringify(new URL('../testing/training-thread.ts', import.meta.url).href)})`
    const found: Float32Array[] = []
    await runThreads(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
      size: 2,
      data: { trainer: 'sft' },
      onMessage: (rank, values) => (found[rank] = values as Float32Array),
      worker: { execArgv: ['--conditions=@tesserae/source'] },
    })
    const expected = await alone('sft', { accumulate: 2 })
    expect(found[1]).toEqual(found[0])
    expect(largestDifference(found[0]!, expected.values)).toBeLessThanOrEqual(1e-6)
  }, 60_000)

  it('go on from a state bit for bit, what the reference said included', async () => {
    const trained = (resume: boolean) =>
      threadRanks(2, async (group) => {
        const device = referenceDevice()
        const first = await beginTraining('dpo', { group, device, steps: resume ? 1 : 2 })
        await finishTraining(first)
        using last = resume ? await beginTraining('dpo', { group, device, steps: 2, state: first.state() as DpoState }) : first
        if (resume) await finishTraining(last)
        return await valuesOf(last.weights)
      })
    expect((await trained(true)).map(valueOf)).toEqual((await trained(false)).map(valueOf))
  })

  it('share out the passes over the data', async () => {
    const expected = await alone('sft', { steps: undefined as never, epochs: 2, accumulate: 2 })
    const results = await threadRanks(2, async (group) => {
      using run = await begin('sft', { steps: undefined as never, epochs: 2, group })
      return run.steps
    })
    for (const result of results) expect(valueOf(result)).toBe(expected.steps)
  })

  it.each([
    ['rate', 'sft', { learningRate: 2e-3 }, /sft: the learning rate is 0\.002 on rank 1 and 0\.001 on rank 0/],
    ['number of rows', 'dpo', { rows: 2 }, /dpo: rows is 2 on rank 1 and 3 on rank 0/],
  ] as const)('name the rank that was given another %s', async (_, trainer, other, message) => {
    const results = await threadRanks(2, async (group) => {
      using run = await begin(trainer, { group, ...(group.rank === 1 ? other : {}) })
      return await finishTraining(run)
    })
    for (const result of results)
      expect(errorOf(result)).toMatchObject({ code: 'PEER', problem: 'differs', ranks: [1], message: expect.stringMatching(message) })
  })

  it("stop together by one rank's signal, their states whole, and leave nothing on the device", async () => {
    const results = await threadRanks(2, async (group) => {
      const controller = new AbortController()
      const device: Device = referenceDevice()
      const run = await begin('dpo', { group, device, steps: 50, ...(group.rank === 1 ? { signal: controller.signal } : {}) })
      const failure: unknown = await (async () => {
        for await (const { index } of run) if (index === 2) controller.abort(new Error('enough'))
      })().catch((error: unknown) => error)
      await group.barrier()
      const { step } = run.state()
      const values = await valuesOf(run.weights)
      run.dispose()
      return { failure, step, values, memory: device.memory() }
    })
    const [zero, one] = results.map(valueOf)
    expect(zero!.failure).toMatchObject({ name: 'AbortError', message: 'Training was aborted by the signal of rank 1' })
    expect([zero!.step, one!.step]).toEqual([2, 2])
    expect(one!.values).toEqual(zero!.values)
    for (const { memory } of [zero!, one!]) expect(memory).toMatchObject({ liveBytes: 0, liveBuffers: 0 })
  })

  it('are refused by ppo', () => {
    expect(() => ppo({ group: {} } as never)).toThrow(/ppo: takes no group.*completions are sampled.*by one process/)
  })
})
