import { fromBytes, mapTree, resolveDevice, type Tensor } from '@tesserae/tensor'
import { gpt2, initLora, initWeights, llama, type DecoderWeights } from '@tesserae/transformer'
import { describe, expect, it } from 'vitest'
import type { RewardFunction } from '../rewards/reward.js'
import { makePpoPrograms } from './ppo-programs.js'
import { rolloutTensors } from './ppo-learn.js'
import type { PpoOptions, PpoState, PpoStep } from './ppo-options.js'
import { ppoSettings } from './ppo-settings.js'
import { initScalarHead } from '../rewards/scalar-head.js'
import { copyWeights, leavesOf } from './tensors.js'
import { ppo } from './ppo.js'

const config = gpt2({ vocabSize: 8, width: 16, layers: 1, heads: 2, context: 8 })
const device = await resolveDevice('cpu')
const weights = (): DecoderWeights => initWeights(config, { seed: 1 })

/** Wants token 3: a bandit that a few steps solve. */
const threes: RewardFunction = ({ completion }) => completion.filter((id) => id === 3).length / 4
const options = (more: Partial<PpoOptions> = {}): PpoOptions => ({
  policy: { config, weights: weights() },
  reward: threes,
  prompts: [[1], [2, 4], [5], [6]],
  steps: 4,
  rows: 16,
  maxTokens: 4,
  stop: [7],
  learningRate: 1e-2,
  seed: 'test',
  device,
  ...more,
})

async function run(more: Partial<PpoOptions> = {}): Promise<PpoStep[]> {
  using training = ppo(options(more))
  const steps: PpoStep[] = []
  for await (const step of training) steps.push(step)
  return steps
}

async function bits(state: PpoState): Promise<unknown> {
  const { step, updates, klCoefficient, weights: trained, m, v } = state
  return { step, updates, klCoefficient, tensors: await Promise.all(leavesOf([trained, m, v]).map((leaf) => leaf.bytes())) }
}

/** What saving and loading do to a state. */
async function saved(state: PpoState): Promise<PpoState> {
  const copies = new Map<Tensor, Tensor>()
  for (const leaf of leavesOf([state.weights, state.m, state.v, state.reference]))
    copies.set(leaf, fromBytes((await leaf.bytes()).slice(), { dtype: 'f32', shape: leaf.shape }))
  const copied = <T>(record: T): T => mapTree(record, (leaf) => (leaf === undefined ? undefined : copies.get(leaf as Tensor))) as T
  const { m, v, reference } = state
  return { ...state, weights: copied(state.weights), m: copied(m), v: copied(v), ...(reference && { reference: copied(reference) }) }
}

describe('ppo', () => {
  it('learns what is rewarded, and reports it', async () => {
    const steps = await run({ steps: 12 })
    const [first, last] = [steps[0]!, steps.at(-1)!]
    expect(first.metrics).toMatchObject({ kl: 0, klCoefficient: 0.05, scored: 16 })
    expect(first.metrics.reward).toBeLessThan(0.3)
    expect(last.metrics.reward).toBeGreaterThan(0.6)
    expect(last.metrics.kl).toBeGreaterThan(1)
    expect(last.metrics.entropy).toBeLessThan(first.metrics.entropy)
    expect(Math.max(...steps.map(({ metrics }) => metrics.rolloutGap))).toBeLessThan(1e-5)
    expect(last).toMatchObject({ index: 12, steps: 12 })
    expect(last.scores).toEqual(last.samples.map((sample) => threes(sample, { signal: new AbortController().signal })))
  })

  it('updates from where it sampled: the first ratio is 1 and nothing is clipped', async () => {
    const [step] = await run({ steps: 1, epochs: 1, minibatches: 1 })
    expect(step!.metrics.ratio).toBeCloseTo(1, 6)
    expect(step!.metrics).toMatchObject({ clipFraction: 0, valueClipFraction: 0 })
    expect(step!.metrics.approxKl).toBeLessThan(1e-10)
  })

  const kinds: [string, () => Partial<PpoOptions>][] = [
    ['the whole policy', () => ({})],
    ['an adapter', () => ({ lora: initLora(config, { seed: 2, targets: ['blocks'] }) })],
    ['a value function of its own', () => ({ value: 'own' })],
    [
      'another model as value function, TRL-like options, an adaptive coefficient',
      () => {
        const other = llama({ vocabSize: 8, width: 8, layers: 1, heads: 2, context: 8, hidden: 12 })
        const value = { config: other, weights: initWeights(other, { seed: 5 }), head: initScalarHead(8, { seed: 5 }) }
        return {
          value,
          kl: { initial: 0.1, target: 1 },
          scoreAt: 'after',
          whitenRewards: true,
          missingEosPenalty: 1,
          klEstimator: 'k3',
          entropyCoefficient: 0.01,
        }
      },
    ],
  ]
  it.each(kinds)('goes on bit for bit from a saved state: %s', async (_, more) => {
    using straight = ppo(options(more()))
    for await (const { metrics } of straight) expect(Object.values(metrics).every(Number.isFinite)).toBe(true)
    const first = ppo(options(more()))
    let state: PpoState | undefined
    for await (const step of first)
      if (step.index === 2) {
        state = await saved(step.state())
        break
      }
    first.dispose()
    const { policy, ...rest } = options(more())
    using second = ppo({ ...rest, state: state!, ...(rest.lora === undefined ? {} : { policy: policy! }) })
    for await (const _step of second);
    expect(second.step).toBe(4)
    expect(await bits(second.state())).toEqual(await bits(straight.state()))
    if (typeof rest.kl === 'object') expect(second.state().klCoefficient).not.toBe(0.1)
  })

  it('trains an adapter and leaves the policy as it is, which is the reference', async () => {
    const base = weights()
    const before = await Promise.all(leavesOf(base).map(async (leaf) => (await leaf.bytes()).slice()))
    const lora = initLora(config, { seed: 2, targets: ['blocks', 'embedding'] })
    using training = ppo(options({ policy: { config, weights: base }, lora, steps: 12 }))
    const steps: PpoStep[] = []
    for await (const step of training) steps.push(step)
    expect(training.state().reference).toBeUndefined()
    expect(steps[0]!.metrics.kl).toBe(0)
    expect(steps.at(-1)!.metrics.kl).toBeGreaterThan(0.5)
    expect(steps.at(-1)!.metrics.reward).toBeGreaterThan(steps[0]!.metrics.reward + 0.1)
    expect(await Promise.all(leavesOf(base).map((leaf) => leaf.bytes()))).toEqual(before)
    expect(Object.keys(training.trained.policy)).toEqual(Object.keys(lora.weights))
  })

  it('measures the divergence from a reference that is given, and a penalty holds to it', async () => {
    const reference = { config, weights: initWeights(config, { seed: 9 }) }
    const [free] = await run({ reference, steps: 1 })
    expect(free!.metrics.kl).not.toBe(0)
    const loose = await run({ steps: 10, kl: 0 })
    const held = await run({ steps: 10, kl: 1 })
    expect(held.at(-1)!.metrics.kl).toBeLessThan(loose.at(-1)!.metrics.kl / 2)
  })

  it('leaves out samples without a score', async () => {
    const odd: RewardFunction = (sample, context) => (sample.index % 2 === 0 ? null : threes(sample, context))
    const [half] = await run({ reward: odd, steps: 1 })
    expect(half!.metrics.scored).toBe(8)
    expect(half!.scores.slice(0, 2)).toEqual([null, threes(half!.samples[1]!, { signal: new AbortController().signal })])
    const [all] = await run({ steps: 1 })
    expect(all!.metrics.scored).toBe(16)
    await expect(run({ reward: () => null })).rejects.toThrow('left out all 16 samples of the step')
    // A minibatch may be left out entirely.
    const one: RewardFunction = ({ index }) => (index === 3 ? 1 : null)
    using training = ppo(options({ reward: one, steps: 1, minibatches: 16 }))
    for await (const { metrics } of training) expect(metrics.scored).toBe(1)
    expect(training.state().updates).toBe(4)
    // One sampled token has no variance.
    const [token] = await run({ reward: one, steps: 1, maxTokens: 1 })
    expect(Object.values(token!.metrics).every(Number.isFinite)).toBe(true)
  })

  it('keeps its state when a reward fails or a signal comes, and can go on', async () => {
    let broken = true
    const controller = new AbortController()
    using training = ppo(
      options({
        steps: 2,
        signal: controller.signal,
        reward: (sample, context) => (broken && sample.index === 2 ? NaN : threes(sample, context)),
      }),
    )
    const once = async (): Promise<unknown> => {
      for await (const step of training) return step.index
    }
    await expect(once()).rejects.toThrow('the reward of sample 2 (prompt [')
    const before = await bits(training.state())
    broken = false
    expect(await once()).toBe(1)
    controller.abort()
    await expect(once()).rejects.toMatchObject({ name: 'AbortError' })
    expect(training.step).toBe(1)
    expect(before).toMatchObject({ step: 0, updates: 0 })
  })

  it('takes texts and functions as prompts, in an order that the seed decides', async () => {
    const tokenizer = { encode: (text: string) => Array.from(text, Number), decode: (ids: Iterable<number>) => Array.from(ids).join('') }
    const [text] = await run({ steps: 1, prompts: ['1', '24', '5', '6'], tokenizer })
    const [ids] = await run({ steps: 1 })
    expect(text!.samples.map(({ prompt }) => prompt)).toEqual(ids!.samples.map(({ prompt }) => prompt))
    expect(text!.samples[0]!.promptText).toBe(text!.samples[0]!.prompt.join(''))
    for (const prompt of [[1], [2, 4], [5], [6]])
      expect(ids!.samples.filter((sample) => sample.prompt.join() === prompt.join())).toHaveLength(4)
    const [made] = await run({ steps: 1, prompts: (step) => Array.from({ length: 16 }, (_, i) => [(step + i) % 7]) })
    expect(made!.samples[9]!.prompt).toEqual([2])
  })

  it('refuses what cannot be trained, saying why', async () => {
    const refusal = (more: Partial<PpoOptions>): string => {
      try {
        ppo(options(more)).dispose()
        return ''
      } catch (error) {
        return `${(error as { code: string }).code} ${(error as Error).message}`
      }
    }
    expect(refusal({ minibatches: 3 })).toBe('OPTION ppo: minibatches is 3; expected a divisor of rows (16)')
    expect(refusal({ steps: 0 })).toContain('steps is 0')
    expect(refusal({ lambda: 2 })).toContain('lambda is 2; expected a number from 0 to 1')
    expect(refusal({ prompts: [] })).toContain('prompts is empty')
    expect(refusal({ prompts: ['text'] })).toContain('a text prompt needs a tokenizer')
    expect(refusal({ maxTokens: 9 })).toContain('LENGTH ppo: rows of 11 columns were asked for')
    expect(refusal({ kl: -1 })).toContain('OPTION fixedKl: the coefficient must be at least 0')
    const { policy: _, ...without } = options()
    expect(() => ppo(without)).toThrow('give either policy, to start with, or state')
    const training = ppo(options())
    expect(() => ppo(options({ state: training.state() }))).toThrow('a state without an adapter brings the policy')
    training.dispose()
    expect(() => training.state()).toThrow('this PPO run has ended')
    await expect(run({ prompts: () => [[1]] })).rejects.toThrow('prompts(0) gave 1 prompts; expected 16')
    await expect(run({ learningRate: 1e30 })).rejects.toMatchObject({ code: 'DIVERGED' })
  })
})

describe('makePpoPrograms', () => {
  const rollout = {
    rows: 2,
    length: 6,
    ids: Int32Array.of(1, 2, 3, 4, 7, 0, 5, 6, 3, 3, 3, 3),
    mask: Float32Array.of(0, 1, 1, 1, 0, 1, 1, 1, 1, 1),
    logprobs: new Float32Array(10),
    ends: Int32Array.of(4, 5),
    samples: (['stop', 'length'] as const).map((finishReason, index) => ({ index, prompt: [], completion: [], finishReason })),
  }

  it('puts score and divergence where they belong', async () => {
    for (const scoreAt of ['last', 'after'] as const) {
      const settings = ppoSettings(options({ lambda: 1, whitenAdvantages: false, scoreAt }))
      const programs = makePpoPrograms({ policy: { config }, reference: { config } }, settings, device)
      const policy = weights()
      const head = { weight: fromBytes(new Uint8Array(64), { dtype: 'f32', shape: [1, 16] }) }
      const reference = initWeights(config, { seed: 9 })
      const { tensors } = rolloutTensors(rollout, [2, 3], 0.5)
      const { experience, kl } = await programs.experience({ policy, value: { head } }, { base: undefined, reference }, tensors, 0.1)
      const [logprobs, returns, advantages] = (await Promise.all(
        [experience.logprobs, experience.returns, experience.advantages].map((one) => one.data()),
      )) as Float32Array[]
      const same = makePpoPrograms({ policy: { config }, reference: { config } }, settings, device)
      const other = await same.experience(
        { policy: await copyWeights(reference), value: { head } },
        { base: undefined, reference },
        tensors,
        0.1,
      )
      const referenceLogprobs = (await other.experience.logprobs.data()) as Float32Array
      for (const [row, score] of [2, 3 - 0.5].entries()) {
        const at = (t: number): number => row * 5 + t
        const penalty = (t: number): number => 0.1 * (logprobs![at(t)]! - referenceLogprobs[at(t)]!)
        let sum = 0
        for (let t = 4; t >= 0; t--) {
          if (rollout.mask[at(t)] !== 1) continue
          sum += penalty(t)
          expect(returns![at(t)]).toBeCloseTo(score - sum, 5)
          expect(advantages![at(t)]).toBeCloseTo(score - sum, 5)
        }
        expect(((await kl.data()) as Float32Array)[row]).toBeCloseTo(sum / 0.1, 4)
      }
      expect(Array.from((await experience.valueMask.data()) as Float32Array)).toEqual(
        scoreAt === 'last' ? Array.from(rollout.mask) : [0, 1, 1, 1, 1, 1, 1, 1, 1, 1],
      )
      expect(advantages![0]).toBe(0)
      expect(advantages![4]).toBe(0)
      programs.dispose()
      same.dispose()
    }
  })

  it('gives nothing to learn to a row that is left out, and leaves it out of the whitening', async () => {
    const programs = makePpoPrograms({ policy: { config }, reference: { config } }, ppoSettings(options()), device)
    const head = { weight: fromBytes(new Uint8Array(64), { dtype: 'f32', shape: [1, 16] }) }
    const { tensors } = rolloutTensors(rollout, [2, null], 0.5)
    const { experience, kl } = await programs.experience(
      { policy: weights(), value: { head } },
      { base: undefined, reference: initWeights(config, { seed: 9 }) },
      tensors,
      0.1,
    )
    const advantages = (await experience.advantages.data()) as Float32Array
    expect(advantages.subarray(5).every((x) => x === 0)).toBe(true)
    expect(((await kl.data()) as Float32Array)[1]).toBe(0)
    const own = advantages.subarray(1, 4)
    expect(own.reduce((sum, x) => sum + x, 0)).toBeCloseTo(0, 5)
    expect(own.reduce((sum, x) => sum + x * x, 0) / 2).toBeCloseTo(1, 4)
    programs.dispose()
  })
})
