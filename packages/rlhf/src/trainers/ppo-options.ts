import type {
  DecoderConfig,
  DecoderWeights,
  Lora,
  LoraWeights,
  OptimizerOptions,
  OptimizerState,
  Schedule,
  TokenizerLike,
} from '@tesserae/transformer'
import type { Device, DeviceName, Tensor } from '@tesserae/tensor'
import type { AdaptiveKlOptions } from '../advantage/kl-controller.js'
import { RlhfError } from '../errors.js'
import type { KlEstimator } from '../losses/kl.js'
import type { ScalarHead, ScalarModel } from '../rewards/model.js'
import type { Reward } from '../rewards/reward.js'
import type { RolloutSampling } from '../rollouts/rollout.js'

/** A decoder as PPO is given it. */
export interface PolicyModel {
  readonly config: DecoderConfig
  readonly weights: DecoderWeights
}

/** Everything that PPO changes: the policy's weights, or its adapter's, and the value function's. */
export interface PpoTrained<Leaf = Tensor> {
  readonly policy: DecoderWeights<Leaf> | LoraWeights<Leaf>
  readonly value: {
    /** A trunk of its own; absent where it reads the policy's hidden states. */
    readonly weights?: DecoderWeights<Leaf>
    readonly head: ScalarHead<Leaf>
  }
}

/** Everything that the next step depends on beside the options: saved and loaded, training goes on bit for bit. */
export interface PpoState extends OptimizerState<PpoTrained> {
  readonly config: DecoderConfig
  /** Configuration of a value function with a trunk of its own. */
  readonly valueConfig?: DecoderConfig
  /** Steps done. */
  readonly step: number
  /** Updates of the weights done. */
  readonly updates: number
  readonly seed: number | string
  /** Coefficient of the KL penalty for the next step. */
  readonly klCoefficient: number
  /** The frozen copy of the first policy, where the run made one. */
  readonly reference?: DecoderWeights
}

export interface PpoOptions {
  /**
   * What to train. Its weights are taken over: each step writes its own in their place. With `lora` they are only read, and stay the caller's. Left out
   * where a state without an adapter brings it.
   */
  readonly policy?: PolicyModel
  /** Train this adapter alone. Its weights are taken over; those of a resumed state take their place. */
  readonly lora?: Lora
  /** A state to go on from; taken over. */
  readonly state?: PpoState
  /** What the KL penalty holds the policy to; stays the caller's. Default: the policy with its adapter off, or a frozen copy of it as it starts. */
  readonly reference?: PolicyModel
  /**
   * The value function: `shared` (default), a head on the policy's hidden states; `own`, a copy of the policy with a head; or a model with a scalar head,
   * such as the reward model, which is taken over.
   */
  readonly value?: 'shared' | 'own' | ScalarModel
  /** Scores each completion, see {@link Reward}. A sample with null is left out of the step. */
  readonly reward: Reward
  /** Milliseconds until an unanswered reward counts as hanging; default 60,000. */
  readonly deadline?: number
  /** Prompts to draw from, in an order of their own for each pass, or those of a step. Texts need a tokenizer. */
  readonly prompts: readonly (string | ArrayLike<number>)[] | ((step: number) => readonly (string | ArrayLike<number>)[])
  readonly tokenizer?: TokenizerLike
  /** Steps in all, those of a resumed state included. */
  readonly steps: number
  /** Completions sampled a step; default 64. */
  readonly rows?: number
  /** Most tokens of a completion. */
  readonly maxTokens: number
  /** Columns that prompt and completion have room for; default what the longest prompt needs, or the context when prompts are a function. */
  readonly length?: number
  /** Ids that end a completion. */
  readonly stop?: readonly number[]
  /** Default: temperature 1 and nothing cut off. */
  readonly sampling?: RolloutSampling
  /** Passes over a step's completions; default 4. */
  readonly epochs?: number
  /** Updates in a pass: a divisor of rows. Default 4. */
  readonly minibatches?: number
  /** A rate, or one for each step; default 3e-6. */
  readonly learningRate?: number | Schedule
  /** Of the value function; default the policy's. */
  readonly valueLearningRate?: number | Schedule
  /** Default: betas 0.9 and 0.999, ε 1e-8, no decay. */
  readonly optimizer?: OptimizerOptions
  /** Largest norm of all gradients together; Infinity for no limit. Default 1. */
  readonly clip?: number
  /** Coefficient of the KL penalty in the reward: fixed, or steered to a target divergence per sequence. Default 0.05. */
  readonly kl?: number | (AdaptiveKlOptions & { readonly initial?: number })
  /** Estimator in the reward; default k1. */
  readonly klEstimator?: KlEstimator
  /** Discount γ; default 1. */
  readonly gamma?: number
  /** λ of generalised advantage estimation; default 0.95. */
  readonly lambda?: number
  /** ε of the policy's ratio; default 0.2. */
  readonly policyClip?: number
  /** How far a value may move from its old one; default 0.2. */
  readonly valueClip?: number
  /** Weight of the value loss; default 0.1. */
  readonly valueCoefficient?: number
  /** Weight of an entropy bonus; default 0. */
  readonly entropyCoefficient?: number
  /** Bring advantages to mean 0 and variance 1 over a step's tokens; default true. */
  readonly whitenAdvantages?: boolean
  /** Bring token rewards to variance 1, keeping their mean; default false. */
  readonly whitenRewards?: boolean
  /** Add the score at the last token (default, as OpenRLHF) or one place after it (as TRL). */
  readonly scoreAt?: 'last' | 'after'
  /** Taken off the score of a completion that did not end by itself; default 0. */
  readonly missingEosPenalty?: number
  /** Default 0. A resumed state brings its own. */
  readonly seed?: number | string
  /** Largest difference of a log-probability between rollout and trainer; default 1e-5. */
  readonly logprobTolerance?: number
  /** Stops between steps or before the first update of one, so that the state stays whole, with an error named AbortError. */
  readonly signal?: AbortSignal
  readonly device?: Device | DeviceName
}

/** The options with their defaults, checked. */
export interface PpoSettings {
  readonly rows: number
  readonly epochs: number
  readonly minibatches: number
  readonly learningRate: Schedule
  readonly valueLearningRate: Schedule
  readonly optimizer: OptimizerOptions
  readonly clip: number
  readonly klEstimator: KlEstimator
  readonly gamma: number
  readonly lambda: number
  readonly policyClip: number
  readonly valueClip: number
  readonly valueCoefficient: number
  readonly entropyCoefficient: number
  readonly whitenAdvantages: boolean
  readonly whitenRewards: boolean
  readonly scoreAt: 'last' | 'after'
  readonly missingEosPenalty: number
  readonly temperature: number
}

const scheduleOf = (rate: number | Schedule): Schedule => (typeof rate === 'function' ? rate : () => rate)

/** Errors: OPTION, naming the option. */
export function ppoSettings(options: PpoOptions): PpoSettings {
  const { learningRate = 3e-6, valueLearningRate = learningRate, optimizer, sampling } = options
  const settings: PpoSettings = {
    rows: options.rows ?? 64,
    epochs: options.epochs ?? 4,
    minibatches: options.minibatches ?? 4,
    learningRate: scheduleOf(learningRate),
    valueLearningRate: scheduleOf(valueLearningRate),
    optimizer: { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, ...optimizer },
    clip: options.clip ?? 1,
    klEstimator: options.klEstimator ?? 'k1',
    gamma: options.gamma ?? 1,
    lambda: options.lambda ?? 0.95,
    policyClip: options.policyClip ?? 0.2,
    valueClip: options.valueClip ?? 0.2,
    valueCoefficient: options.valueCoefficient ?? 0.1,
    entropyCoefficient: options.entropyCoefficient ?? 0,
    whitenAdvantages: options.whitenAdvantages ?? true,
    whitenRewards: options.whitenRewards ?? false,
    scoreAt: options.scoreAt ?? 'last',
    missingEosPenalty: options.missingEosPenalty ?? 0,
    temperature: sampling?.temperature ?? 1,
  }
  const fail = (name: string, value: unknown, expected: string): never => {
    throw new RlhfError('OPTION', `ppo: ${name} is ${String(value)}; expected ${expected}`)
  }
  const counts = {
    steps: options.steps,
    maxTokens: options.maxTokens,
    rows: settings.rows,
    epochs: settings.epochs,
    minibatches: settings.minibatches,
  }
  for (const [name, value] of Object.entries(counts)) if (!Number.isInteger(value) || value < 1) fail(name, value, 'a positive integer')
  if (settings.rows % settings.minibatches !== 0) fail('minibatches', settings.minibatches, `a divisor of rows (${settings.rows})`)
  for (const name of ['gamma', 'lambda'] as const)
    if (!(settings[name] >= 0 && settings[name] <= 1)) fail(name, settings[name], 'a number from 0 to 1')
  for (const name of ['policyClip', 'valueClip', 'clip', 'temperature'] as const)
    if (!(settings[name] > 0)) fail(name, settings[name], 'a number above 0')
  for (const name of ['valueCoefficient', 'entropyCoefficient', 'missingEosPenalty'] as const)
    if (!(settings[name] >= 0)) fail(name, settings[name], 'a number of at least 0')
  for (const rate of [learningRate, valueLearningRate])
    if (typeof rate === 'number' && !(rate >= 0)) fail('learningRate', rate, 'a number of at least 0')
  return settings
}
