import { resolveDevice, type Device } from '@tesserae/tensor'
import type { Tokenizer } from '@tesserae/tokenizer'
import { initWeights, namedWeights, type DecoderConfig } from '@tesserae/transformer'
import { beforeAll, describe, expect, it } from 'vitest'
import { preferences, template, tinyConfig, tinyPolicy, tinyTokenizer } from '../__fixtures__/tiny.js'
import { preparePreferences, type RenderedPair } from '../data/prepare.js'
import { initScalarHead } from '../rewards/scalar-head.js'
import { dpo, type DpoRun, type DpoTrainOptions } from './dpo.js'
import { evaluateReward, normalizeRewardModel, rewardScorer, trainReward, type RewardTrainOptions } from './reward.js'

let device: Device
let tokenizer: Tokenizer
let config: DecoderConfig
let data: RenderedPair[]
beforeAll(async () => {
  device = await resolveDevice('cpu')
  tokenizer = await tinyTokenizer()
  config = tinyConfig(tokenizer)
  data = preparePreferences(preferences, { tokenizer, template, maxLength: 48 })
})

interface Trainable extends AsyncIterable<{ readonly index: number; readonly metrics: Readonly<Record<string, number>> }> {
  readonly weights: unknown
}

/** Metrics of all steps, stopping after some. */
async function take(run: Trainable, steps = Infinity): Promise<Readonly<Record<string, number>>[]> {
  const out: Readonly<Record<string, number>>[] = []
  for await (const { metrics } of run) if (out.push(metrics) === steps) break
  return out
}

describe('trainReward', () => {
  const options = (): RewardTrainOptions => ({ policy: tinyPolicy(config), data, rows: 3, learningRate: 5e-3, device })

  it('learns which answers are preferred, and scores them', async () => {
    using run = trainReward({ ...options(), epochs: 15 })
    const steps = await take(run)
    expect(steps).toHaveLength(30)
    const [first, last] = [steps[0]!, steps.at(-1)!]
    expect(last['loss']!).toBeLessThan(first['loss']! / 3)
    expect(last['accuracy']).toBe(1)
    expect(last['margin']!).toBeGreaterThan(1)
    const model = { config, ...run.weights }
    const measured = await evaluateReward(model, data, { device })
    expect(measured).toMatchObject({ accuracy: 1, pairs: 6 })
    expect(measured.loss).toBeLessThan(0.3)
    using scorer = rewardScorer(model, { device, rows: 4 })
    const scores = await scorer.score(data.flatMap(({ chosen, rejected }) => [chosen, rejected]))
    expect(scores.reduce((sum, score, i) => sum + (i % 2 === 0 ? score : -score), 0) / 6).toBeCloseTo(measured.margin, 4)

    const normal = await normalizeRewardModel(
      model,
      data.map(({ chosen }) => chosen),
      { device },
    )
    using normalScorer = rewardScorer(normal, { device })
    const scaled = await normalScorer.score(data.map(({ chosen }) => chosen))
    const mean = scaled.reduce((a, b) => a + b, 0) / 6
    expect(mean).toBeCloseTo(0, 3)
    expect(Math.sqrt(scaled.reduce((sum, score) => sum + (score - mean) ** 2, 0) / 5)).toBeCloseTo(1, 3)
  })

  it('reads the reward at the last token, whatever padding follows', async () => {
    const model = { config, weights: initWeights(config, { seed: 3 }), head: initScalarHead(config.width, { seed: 3 }) }
    const [short, long] = [{ ids: data[0]!.chosen.ids.slice(0, 9) }, { ids: data[0]!.chosen.ids }]
    using scorer = rewardScorer(model, { device, rows: 2 })
    const [alone] = await scorer.score([short])
    const [, beside] = await scorer.score([long, short])
    expect(Math.abs(alone! - beside!)).toBeLessThan(1e-5)
    await expect(scorer.score([{ ids: new Int32Array(60) }])).rejects.toMatchObject({ code: 'LENGTH' })
  })

  it('takes margins, and keeps rewards near 0 when told', async () => {
    const run = async (more: Partial<RewardTrainOptions>): Promise<number> => {
      using one = trainReward({ ...options(), steps: 1, rows: 6, ...more })
      return (await take(one))[0]!['loss']!
    }
    const plain = await run({})
    expect(await run({ data: data.map((pair) => ({ ...pair, margin: 1 })) })).toBeGreaterThan(plain + 0.3)
    expect(await run({ centering: 1 })).toBeGreaterThan(plain)
  })

  it('starts the head with variance 1 / (width + 1)', async () => {
    const { weight } = initScalarHead(4095, { seed: 1 })
    const values = Array.from(await weight.data())
    expect(values.reduce((sum, value) => sum + value * value, 0) / 4095).toBeCloseTo(1 / 4096, 4)
  })
})

describe('dpo', () => {
  const options = (more: Partial<DpoTrainOptions> = {}): DpoTrainOptions => ({
    policy: tinyPolicy(config),
    data,
    rows: 3,
    learningRate: 2e-3,
    device,
    ...more,
  })
  const bits = async (run: DpoRun): Promise<number[][]> =>
    Promise.all([...namedWeights(run.weights).values()].map(async (leaf) => Array.from(await leaf.data())))

  it('starts at the reference, then prefers the chosen answers', async () => {
    using run = dpo(options({ epochs: 15 }))
    const steps = await take(run)
    expect(steps[0]!['loss']!).toBeCloseTo(Math.LN2, 4)
    expect(steps[0]!['margin']!).toBeCloseTo(0, 4)
    expect(steps.at(-1)!['loss']!).toBeLessThan(0.4)
    expect(steps.at(-1)!['accuracy']).toBe(1)
    expect(steps.at(-1)!['rewardChosen']!).toBeGreaterThan(steps.at(-1)!['rewardRejected']!)
    expect(run.state().reference!.shape).toEqual([6, 2])
  })

  it.each([['hinge', 1] as const, ['ipo', 25] as const, ['robust', Math.LN2] as const])('starts %s at %d', async (variant, loss) => {
    using run = dpo(options({ variant, steps: 1, labelSmoothing: variant === 'robust' ? 0.1 : 0 }))
    expect((await take(run))[0]!['loss']!).toBeCloseTo(loss, 2)
  })

  it('is held to another model where one is given', async () => {
    const reference = tinyPolicy(config, 9)
    using run = dpo(options({ reference, steps: 1 }))
    expect(Math.abs((await take(run))[0]!['margin']!)).toBeGreaterThan(1e-4)
    expect((await reference.weights.embedding.weight.data()).length).toBeGreaterThan(0)
  })

  it('goes on bit for bit without the reference', async () => {
    using straight = dpo(options({ steps: 4 }))
    await take(straight)
    const first = dpo(options({ steps: 4 }))
    await take(first, 2)
    const { policy: _, ...rest } = options({ steps: 4 })
    using second = dpo({ ...rest, state: first.state() })
    await take(second)
    expect(await bits(second)).toEqual(await bits(straight))
    expect(() => dpo({ ...rest, data: data.slice(1), state: second.state() })).toThrow('log-probabilities of 6 pairs, and 5 were given')
  })
})
