import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { normalizeReward, rewardStatistics } from './normalize.js'
import { scoreSamples, type Reward, type RewardSample } from './reward.js'

const sample = (index: number, text?: string): RewardSample => ({
  index,
  prompt: [1, 2],
  completion: [index, 7],
  finishReason: 'stop',
  ...(text === undefined ? {} : { promptText: 'ask', completionText: text }),
})
const samples = [sample(0), sample(1), sample(2)]
const first = ({ completion }: RewardSample): number => completion[0]!

describe('scoreSamples', () => {
  it('takes functions that answer now, later or not, and rewards that score all together', async () => {
    expect(await scoreSamples(first, samples)).toEqual([0, 1, 2])
    const slow: Reward = async (one) => {
      await sleep(5 - one.index)
      return one.index === 1 ? null : one.index
    }
    expect(await scoreSamples(slow, samples)).toEqual([0, null, 2])
    expect(await scoreSamples({ score: async (all) => all.map(first) }, samples)).toEqual([0, 1, 2])
    expect(await scoreSamples(first, [])).toEqual([])
    // Query builders and their like can be awaited without being promises.
    const thenable = ({ index }: RewardSample): Promise<number> =>
      // oxlint-disable-next-line unicorn/no-thenable -- that is what this tests
      ({ then: (done: (value: number) => void) => done(index) }) as unknown as Promise<number>
    expect(await scoreSamples(thenable, samples)).toEqual([0, 1, 2])
    expect(await scoreSamples(normalizeReward(thenable, { mean: 1, deviation: 2 }), samples)).toEqual([-0.5, 0, 0.5])
  })

  it('names the sample of a reward that throws, is no number or hangs', async () => {
    const failing =
      (what: () => number | null | Promise<number | null>): Reward =>
      (one) =>
        one.index === 1 ? what() : 0
    const refusal = (reward: Reward, all = samples): Promise<unknown> =>
      scoreSamples(reward, all, { deadline: 20 }).then(
        () => undefined,
        (error: { code: string; message: string }) => `${error.code} ${error.message}`,
      )
    const thrown = failing(() => {
      throw new Error('no network')
    })
    expect(await refusal(thrown)).toBe('REWARD the reward of sample 1 (prompt [1, 2], completion [1, 7]) threw: no network')
    expect(await refusal(thrown, [sample(0), sample(1, 'answer')])).toBe(
      'REWARD the reward of sample 1 (prompt "ask", completion "answer") threw: no network',
    )
    expect(await refusal(failing(() => Promise.reject(new Error('late'))))).toContain('threw: late')
    expect(await refusal(failing(() => NaN))).toContain('sample 1 (prompt [1, 2], completion [1, 7]) is NaN; expected a finite number')
    expect(await refusal(failing(() => undefined as unknown as null))).toContain('is a undefined')
    expect(await refusal(failing(() => new Promise(() => undefined)))).toContain(
      'sample 1 (prompt [1, 2], completion [1, 7]) did not answer within 20 ms',
    )
    expect(await refusal({ score: () => new Promise(() => undefined) })).toContain('samples 0 to 2 did not answer within 20 ms')
    expect(await refusal({ score: async () => [1, 2] })).toContain('gave 2 answers; expected one for each of 3 samples')
    expect(await refusal({ score: async () => [1, 2, Infinity] })).toContain('sample 2 (prompt [1, 2], completion [2, 7]) is Infinity')
  })

  it('tells functions to stop when another has failed, and stops at a signal', async () => {
    let told = false
    const reward: Reward = (one, { signal }) => {
      if (one.index === 0) throw new Error('broken')
      return new Promise((resolve) => signal.addEventListener('abort', () => ((told = true), resolve(null))))
    }
    await expect(scoreSamples(reward, samples)).rejects.toThrow('broken')
    expect(told).toBe(true)
    const controller = new AbortController()
    const hanging = scoreSamples(() => new Promise<number>(() => undefined), samples, { signal: controller.signal })
    controller.abort()
    await expect(hanging).rejects.toMatchObject({ name: 'AbortError' })
    await expect(scoreSamples(first, samples, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('normalizeReward', () => {
  it('brings the samples it was measured on to mean 0 and deviation 1', async () => {
    const values = [4, 6, null, 11]
    const some = values.map((_, i) => sample(i))
    const reward: Reward = (one) => values[one.index]!
    const statistics = await rewardStatistics(reward, some)
    expect(statistics).toEqual({ mean: 7, deviation: Math.sqrt(13) })
    for (const kind of [reward, { score: async () => values }]) {
      const scores = await scoreSamples(normalizeReward(kind, statistics), some)
      expect(scores[2]).toBeNull()
      const numbers = scores.filter((score) => score !== null)
      expect(numbers.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 12)
      expect(numbers.reduce((a, b) => a + b * b, 0) / 2).toBeCloseTo(1, 12)
    }
  })

  it('needs two rewards to measure, and shifts a constant one', async () => {
    await expect(rewardStatistics(() => null, samples)).rejects.toThrow('0 of 3 samples have a reward')
    const constant = await rewardStatistics(() => 3, samples)
    expect(
      await scoreSamples(
        normalizeReward(() => 3, constant),
        samples,
      ),
    ).toEqual([0, 0, 0])
  })
})
