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
import type { KlEstimator } from '../losses/kl.js'
import type { ScalarHead, ScalarModel } from '../rewards/model.js'
import type { Reward, RewardSample } from '../rewards/reward.js'
import type { RolloutSampling } from '../rollouts/rollout.js'
import type { PpoMetrics } from './ppo-metrics.js'

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

/** What one step did. */
export interface PpoStep {
  /** Steps done, this one included. */
  readonly index: number
  readonly steps: number
  readonly metrics: PpoMetrics
  /** The completions that were learnt from, with the score of each; null was left out. */
  readonly samples: readonly RewardSample[]
  readonly scores: readonly (number | null)[]
  readonly seconds: number
  /** The run's state after this step, see {@link PpoRun.state}. */
  state(): PpoState
}

/**
 * A PPO run: iterate it to train, leave the loop to pause, iterate again to go on. It owns what it trains, moments and programs; `using`, or
 * `dispose()`, after {@link PpoRun.release} of what is to be kept.
 */
export interface PpoRun extends AsyncIterable<PpoStep>, Disposable {
  /** Steps done. */
  readonly step: number
  /** The policy and value function after the last step; handles change with every step. */
  readonly trained: PpoTrained
  /** The state after the last step. Its tensors are the run's own and are gone after the next step: save them before it. */
  state(): PpoState
  /** Hands the trained weights to the caller and ends the run: everything else is freed. */
  release(): PpoTrained
  dispose(): void
}
