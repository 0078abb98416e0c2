import { random, throwIfAborted } from '@tesserae/core'
import { tensor, type Tensor } from '@tesserae/tensor'
import {
  createBatchGenerator,
  disposeRotary,
  rotaryTables,
  withLora,
  type BatchGenerator,
  type DecoderConfig,
  type DecoderWeights,
  type LoraWeights,
} from '@tesserae/transformer'
import { adaptiveKl, fixedKl, type KlController } from '../advantage/kl-controller.js'
import { RlhfError } from '../errors.js'
import { scoreSamples, type RewardSample } from '../rewards/reward.js'
import { checkRolloutLogprobs, collectRollout, type Rollout } from '../rollouts/rollout.js'
import { ppoMetrics, type PpoMetrics } from './ppo-metrics.js'
import { ppoSettings, type PpoOptions, type PpoSettings, type PpoState, type PpoTrained } from './ppo-options.js'
import { makePpoPrograms, type Experience, type Frozen, type PpoPrograms, type RolloutTensors, type Runnable } from './ppo-programs.js'
import { promptSource, type PromptSource } from './ppo-prompts.js'
import { copyWeights, disposeAll, prepare, startState, zerosLike } from './ppo-state.js'

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

/**
 * Trains a policy by proximal policy optimisation (Schulman et al., arXiv:1707.06347) as it is done for language models (Stiennon et al.,
 * arXiv:2009.01325): sample completions, score them, take −β·KL from the reference at each token, estimate advantages, and update policy and value
 * function for a few passes. Nothing runs until the result is iterated.
 *
 * Errors: OPTION, CONFIG at once; while iterating REWARD for rewards that fail, ROLLOUT when generation and training disagree, LENGTH, TOKEN for
 * prompts, DIVERGED when the loss is no longer a number, and AbortError. After an abort the run can be iterated again or saved.
 */
export function ppo(options: PpoOptions): PpoRun {
  return new Run(options)
}

class Run implements PpoRun {
  private readonly settings: PpoSettings
  private readonly prompts: PromptSource
  private readonly programs: PpoPrograms
  private readonly generator: BatchGenerator<PpoTrained['policy']>
  private readonly tables: Runnable[]
  private readonly kl: KlController
  private readonly base: DecoderWeights | undefined
  private copyTrunk: boolean
  private current: PpoState
  private gone = false
  private running = false

  constructor(private readonly options: PpoOptions) {
    this.settings = ppoSettings(options)
    const { lora, policy, kl = 0.05, device, reference } = options
    const at = options.state?.klCoefficient
    this.kl = typeof kl === 'number' ? fixedKl(kl) : adaptiveKl(at === undefined ? kl : { ...kl, initial: at })
    const { state, copyTrunk } = startState(options, this.kl.value)
    this.current = state
    this.copyTrunk = copyTrunk
    this.base = lora === undefined ? undefined : policy!.weights
    this.prompts = promptSource(options, { ...this.settings, config: state.config, seed: state.seed })
    const own = runnable(state.config)
    const value = state.valueConfig === undefined ? undefined : runnable(state.valueConfig)
    const other = reference === undefined ? own : runnable(reference.config)
    this.tables = [...new Set([own, other, ...(value === undefined ? [] : [value])])]
    const models = { policy: own, reference: other, ...(value && { value }), ...(lora && { lora: lora.config }) }
    this.programs = makePpoPrograms(models, this.settings, device)
    this.generator = createBatchGenerator<PpoTrained['policy']>({
      config: state.config,
      rows: this.settings.rows,
      capacity: this.prompts.length,
      ...(lora && { weights: (pairs) => withLora(this.base!, { config: lora.config, weights: pairs as LoraWeights }) }),
      ...(device === undefined ? {} : { device }),
    })
  }

  get step(): number {
    return this.current.step
  }

  get trained(): PpoTrained {
    return this.state().weights
  }

  state(): PpoState {
    if (this.gone) throw new RlhfError('DISPOSED', 'this PPO run has ended: it was disposed, or its weights were released')
    return this.current
  }

  release(): PpoTrained {
    const { trained } = this
    this.end()
    return trained
  }

  dispose(): void {
    if (this.gone) return
    this.end()
    disposeAll(this.current.weights)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PpoStep, void, undefined> {
    this.state()
    if (this.running) throw new RlhfError('OPTION', 'ppo: this run is being iterated already; one loop at a time')
    this.running = true
    try {
      await this.begin()
      while (this.current.step < this.options.steps) {
        yield await this.one()
        this.state()
      }
    } finally {
      this.running = false
    }
  }

  /** What needs waiting for before the first step: copies, and weights that may be written into. */
  private async begin(): Promise<void> {
    await prepare([this.current.weights, this.current.m, this.current.v])
    const { policy, value } = this.current.weights
    if (this.copyTrunk) {
      this.copyTrunk = false
      const weights = await copyWeights(this.base ?? (policy as DecoderWeights))
      const extend = (critic: PpoTrained['value'], trunk: DecoderWeights): PpoTrained['value'] => ({ ...critic, weights: trunk })
      this.current = {
        ...this.current,
        weights: { policy, value: extend(value, weights) },
        m: { ...this.current.m, value: extend(this.current.m.value, zerosLike(weights)) },
        v: { ...this.current.v, value: extend(this.current.v.value, zerosLike(weights)) },
      }
    }
    if (this.base === undefined && this.options.reference === undefined && this.current.reference === undefined)
      this.current = { ...this.current, reference: await copyWeights(policy as DecoderWeights) }
  }

  private async one(): Promise<PpoStep> {
    const start = performance.now()
    const { signal, deadline, steps } = this.options
    throwIfAborted(signal, 'Training')
    const rollout = await this.sample()
    const limits = { ...(deadline === undefined ? {} : { deadline }), ...(signal === undefined ? {} : { signal }) }
    const scores = await scoreSamples(this.options.reward, rollout.samples, limits)
    throwIfAborted(signal, 'Training')
    const metrics = await this.learn(rollout, scores)
    const seconds = (performance.now() - start) / 1000
    const { step: index } = this.current
    return { index, steps, metrics, samples: rollout.samples, scores, seconds, state: () => this.state() }
  }

  private sample(): Promise<Rollout> {
    const { maxTokens, stop, sampling, tokenizer, signal } = this.options
    const { step, seed, weights } = this.current
    return collectRollout(this.generator, weights.policy, this.prompts.at(step), {
      maxTokens,
      length: this.prompts.length,
      seed: `${seed}/step ${step}/sample`,
      ...(stop && { stop }),
      ...(sampling && { sampling }),
      ...(tokenizer && { tokenizer }),
      ...(signal && { signal }),
    })
  }

  private async learn(rollout: Rollout, scores: readonly (number | null)[]): Promise<PpoMetrics> {
    const { step, updates } = this.current
    const coefficient = this.kl.value
    const { tensors, mask } = rolloutTensors(rollout, scores, this.settings.missingEosPenalty)
    const frozen: Frozen = { base: this.base, reference: this.options.reference?.weights ?? this.current.reference }
    let learnt: { readonly experience: Experience; readonly kl: Tensor } | undefined
    try {
      learnt = await this.programs.experience(this.current.weights, frozen, tensors, coefficient)
      const gap = checkRolloutLogprobs(rollout, (await learnt.experience.logprobs.data()) as Float32Array, tolerances(this.options))
      const klOfRows = (await learnt.kl.data()) as Float32Array
      throwIfAborted(this.options.signal, 'Training')
      const rows = await this.updates({ rollout: tensors, experience: learnt.experience }, frozen, mask)
      const metrics = ppoMetrics({
        rollout,
        scores,
        kl: klOfRows,
        klCoefficient: coefficient,
        gap,
        rows,
        learningRate: this.settings.learningRate(step),
      })
      if (!rows.every((row) => row.every(Number.isFinite)))
        throw new RlhfError(
          'DIVERGED',
          `step ${step + 1}: a loss or gradient norm is no longer a number (updates ${updates + 1} to ${this.current.updates}); go back to a checkpoint and lower the learning rate (now ${metrics.learningRate})`,
        )
      this.kl.update(metrics.kl, metrics.scored)
      this.current = { ...this.current, step: step + 1, klCoefficient: this.kl.value }
      return metrics
    } finally {
      disposeAll([tensors, learnt])
    }
  }

  /** All passes over a step's rows; the metrics of each update. */
  private async updates(
    batch: { rollout: RolloutTensors; experience: Experience },
    frozen: Frozen,
    mask: Float32Array,
  ): Promise<Float32Array[]> {
    const { epochs, minibatches, rows, learningRate, valueLearningRate } = this.settings
    const { step, seed } = this.current
    const out: Tensor[] = []
    for (let epoch = 0; epoch < epochs; epoch++) {
      const order = Int32Array.from(random(seed).stream('minibatches').fold(step).fold(epoch).permutation(rows))
      for (let from = 0; from < rows; from += rows / minibatches) {
        const some = order.slice(from, from + rows / minibatches)
        const columns = mask.length / rows
        if (!some.some((row) => mask.subarray(row * columns, (row + 1) * columns).includes(1))) continue
        using picked = tensor(some, { adopt: true })
        const { weights, m, v, updates } = this.current
        const rates = { policy: learningRate(step), value: valueLearningRate(step), number: updates + 1 }
        const { state, metrics } = await this.programs.update({ weights, m, v }, frozen, { ...batch, rows: picked }, rates)
        this.current = { ...this.current, ...state, updates: updates + 1 }
        out.push(metrics)
      }
    }
    const values = await Promise.all(out.map(async (metrics) => (await metrics.data()) as Float32Array))
    disposeAll(out)
    return values
  }

  private end(): void {
    this.gone = true
    this.programs.dispose()
    this.generator.dispose()
    for (const { rotary } of this.tables) if (rotary !== undefined) disposeRotary(rotary)
    disposeAll([this.current.m, this.current.v, this.current.reference])
  }
}

const runnable = (config: DecoderConfig): Runnable => ({
  config,
  ...(config.positions === 'rotary' ? { rotary: rotaryTables(config) } : {}),
})

const tolerances = ({ logprobTolerance }: PpoOptions): { tolerance?: number } =>
  logprobTolerance === undefined ? {} : { tolerance: logprobTolerance }

/** A rollout and its scores as tensors. Rows without a score are masked; those that were cut off pay for it. */
function rolloutTensors(
  rollout: Rollout,
  scores: readonly (number | null)[],
  penalty: number,
): { tensors: RolloutTensors; mask: Float32Array } {
  const { rows, length } = rollout
  const mask = rollout.mask.slice()
  const values = new Float32Array(rows)
  for (const [row, score] of scores.entries()) {
    if (score === null) mask.fill(0, row * (length - 1), (row + 1) * (length - 1))
    else values[row] = score - (rollout.samples[row]!.finishReason === 'stop' ? 0 : penalty)
  }
  const tensors = {
    ids: tensor(rollout.ids, { shape: [rows, length] }),
    mask: tensor(mask, { shape: [rows, length - 1] }),
    ends: tensor(rollout.ends),
    scores: tensor(values),
  }
  return { tensors, mask }
}
