import { arange, where, type Tensor } from '@tesserae/tensor'
import { checkWeights, forwardHidden, type DecoderConfig, type DecoderWeights, type ForwardOptions } from '@tesserae/transformer'
import type { RenderedPair } from '../data/prepare.js'
import type { Rendered } from '../data/template.js'
import { RlhfError } from '../errors.js'
import { bradleyTerryLoss } from '../losses/bradley-terry.js'
import { modelReward, scalarsOf, type ModelRewardOptions, type ScalarHead, type ScalarModel } from '../rewards/model.js'
import { pairBatch } from './pairs.js'
import { initScalarHead } from '../rewards/scalar-head.js'
import { freshState, startRun, type RunOptions, type RunState, type TrainerRun } from './run.js'

/** What a reward model learns: a decoder, and the head that reads its last hidden state. The decoder's own output head is carried along unused. */
export interface RewardWeights<Leaf = Tensor> {
  readonly weights: DecoderWeights<Leaf>
  readonly head: ScalarHead<Leaf>
}

export type RewardState = RunState<RewardWeights>
/** Metrics of a step: `accuracy` is the share of pairs ordered right, `margin` the mean difference of the two rewards. */
export type RewardRun = TrainerRun<RewardWeights, 'accuracy' | 'margin', RewardState>

export interface RewardTrainOptions extends RunOptions {
  /** The decoder to start from, usually the fine-tuned policy. Its weights are taken over, so give a copy of what is still needed. */
  readonly policy?: { readonly config: DecoderConfig; readonly weights: DecoderWeights; readonly head?: ScalarHead }
  /** A state to go on from; taken over likewise. */
  readonly state?: RewardState
  /** Pairs from `preparePreferences`. Their margins count where all have one. */
  readonly data: readonly RenderedPair[]
  /** Factor of (r_w + r_l)², which keeps rewards near 0; default 0. */
  readonly centering?: number
}

/**
 * Trains a reward model on preferences: −log σ(r_w − r_l − margin). The reward is read at the last token, that is after the answer's end. A head that is
 * not given starts normal with variance 1/(width + 1). Default rate 1e-5, no dropout. Nothing runs until the result is iterated; `{ config, ...run.release() }`
 * is the model.
 *
 * Errors: OPTION, ROW, WEIGHTS, CONFIG at once; while iterating LENGTH for examples beyond the context, DIVERGED, and AbortError.
 */
export function trainReward(options: RewardTrainOptions): RewardRun {
  const { policy, state, data, centering = 0 } = options
  if ((policy === undefined) === (state === undefined))
    throw new RlhfError('OPTION', 'trainReward: give either policy, to start with, or state, to go on from')
  const start = state ?? beginning(policy!, options)
  checkWeights(start.weights.weights, start.config)
  const withMargins = data.length > 0 && data.every(({ margin }) => margin !== undefined)
  return startRun<RewardWeights, 'accuracy' | 'margin', RewardState>({
    name: 'trainReward',
    options,
    defaultRate: 1e-5,
    start,
    examples: data.length,
    dropout: false,
    facts: { centering, withMargins },
    batch(indices) {
      const pairs = indices.map((index) => data[index]!)
      return pairBatch(pairs, {
        longest: start.config.context,
        extra: withMargins ? { margin: Float32Array.from(pairs, ({ margin }) => margin!) } : {},
      })
    },
    loss(weights, batch, { model, count }) {
      const rewards = rewardsOf(weights, batch as Readonly<Record<'ids' | 'last', Tensor>>, model)
      const [chosen, rejected] = rewards.split((rewards.shape[0] as number) / 2) as [Tensor, Tensor]
      const { margin } = batch
      return bradleyTerryLoss({ chosen, rejected }, { centering, count, ...(margin === undefined ? {} : { margin }) })
    },
  })
}

function beginning({ config, weights, head }: NonNullable<RewardTrainOptions['policy']>, { seed = 0 }: RewardTrainOptions): RewardState {
  return freshState(config, { weights, head: head ?? initScalarHead(config.width, { seed }) }, { seed })
}

/** The reward of each row, read at its last token: ids i32 [B, T], last i32 [B] → [B]. For programs of one's own. */
export function rewardsOf(
  { weights, head }: RewardWeights,
  { ids, last }: { readonly ids: Tensor; readonly last: Tensor },
  options: ForwardOptions,
): Tensor {
  const scores = scalarsOf(head, forwardHidden(weights, ids, options))
  return where(arange(ids.shape[1]!).unsqueeze(0).eq(last.unsqueeze(-1)), scores, 0).sum(-1)
}

/** Gives rewards to rendered conversations; `using`, or `dispose()`. The model stays the caller's. */
export interface RewardScorer extends Disposable {
  /** One number for each example, read at its last token. Errors: LENGTH beyond the context. */
  score(examples: readonly Pick<Rendered, 'ids'>[], options?: { readonly signal?: AbortSignal }): Promise<number[]>
  dispose(): void
}

/** A scorer of a reward model, such as `{ config, ...run.release() }`. */
export function rewardScorer(model: ScalarModel, options: ModelRewardOptions = {}): RewardScorer {
  const reward = modelReward(model, options)
  const dispose = (): void => reward[Symbol.dispose]()
  return {
    async score(examples, { signal = new AbortController().signal } = {}) {
      const samples = examples.map(({ ids }, index) => ({ index, prompt: [...ids], completion: [], finishReason: 'stop' as const }))
      return (await reward.score(samples, { signal })) as number[]
    },
    dispose,
    [Symbol.dispose]: dispose,
  }
}

export interface RewardEvaluation {
  /** Share of pairs whose chosen answer has the higher reward. */
  readonly accuracy: number
  /** Mean of r_w − r_l. */
  readonly margin: number
  /** Mean −log σ(r_w − r_l). */
  readonly loss: number
  readonly pairs: number
}

/** Measures a reward model on pairs, which should be held out from training. */
export async function evaluateReward(
  model: ScalarModel,
  pairs: readonly RenderedPair[],
  options: ModelRewardOptions & { readonly signal?: AbortSignal } = {},
): Promise<RewardEvaluation> {
  if (pairs.length === 0) throw new RlhfError('ROW', 'evaluateReward: there are no pairs to measure on')
  using scorer = rewardScorer(model, options)
  const scores = await scorer.score(
    pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]),
    options,
  )
  const differences = pairs.map((_, i) => scores[2 * i]! - scores[2 * i + 1]!)
  const mean = (value: (difference: number) => number): number => differences.reduce((sum, d) => sum + value(d), 0) / pairs.length
  return {
    accuracy: mean((d) => (d > 0 ? 1 : 0)),
    margin: mean((d) => d),
    // log(1 + e^−d) without overflow.
    loss: mean((d) => Math.max(0, -d) + Math.log1p(Math.exp(-Math.abs(d)))),
    pairs: pairs.length,
  }
}

/**
 * The same model with its head shifted and scaled so that its rewards have mean 0 and deviation 1 on `examples`, such as the fine-tuned policy's own
 * answers: KL coefficients then mean the same for every model. Orders stay. The caller owns the new head, and still owns the model's.
 */
export async function normalizeRewardModel(
  model: ScalarModel,
  examples: readonly Pick<Rendered, 'ids'>[],
  options: ModelRewardOptions = {},
): Promise<ScalarModel> {
  using scorer = rewardScorer(model, options)
  const scores = await scorer.score(examples)
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length
  const deviation = Math.sqrt(scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / (scores.length - 1))
  if (!(deviation > 0))
    throw new RlhfError(
      'REWARD',
      `normalizeRewardModel: ${scores.length} examples have rewards of deviation ${deviation}; expected at least two that differ`,
    )
  const { weight, bias } = model.head
  const head = { weight: weight.mul(1 / deviation), bias: (bias ?? weight.slice(1, 0, 1).reshape(1).mul(0)).sub(mean).mul(1 / deviation) }
  await Promise.all([head.weight.realize(), head.bias.realize()])
  return { config: model.config, weights: model.weights, head }
}
