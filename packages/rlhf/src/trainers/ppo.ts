import { throwIfAborted } from '@tesserae/core'
import {
  createBatchGenerator,
  disposeRotary,
  makeTrainable,
  StepLoop,
  withLora,
  type BatchGenerator,
  type DecoderWeights,
  type LoraWeights,
} from '@tesserae/transformer'
import { adaptiveKl, fixedKl, type KlController } from '../advantage/kl-controller.js'
import { RlhfError } from '../errors.js'
import { scoreSamples } from '../rewards/reward.js'
import { collectRollout, type Rollout } from '../rollouts/rollout.js'
import { learn } from './ppo-learn.js'
import { runnable, type Runnable } from './ppo-models.js'
import type { PpoOptions, PpoRun, PpoState, PpoStep, PpoTrained } from './ppo-options.js'
import { makePpoPrograms, type PpoPrograms } from './ppo-programs.js'
import { promptSource, type PromptSource } from './ppo-prompts.js'
import { ppoSettings, type PpoSettings } from './ppo-settings.js'
import { startState, withCopies } from './ppo-state.js'
import { disposeAll } from './tensors.js'

/**
 * Trains a policy by proximal policy optimisation (Schulman et al., arXiv:1707.06347) as it is done for language models (Stiennon et al.,
 * arXiv:2009.01325): sample completions, score them, take −β·KL from the reference at each token, estimate advantages, and update policy and value
 * function for a few passes. Nothing runs until the result is iterated.
 *
 * Errors: OPTION, CONFIG at once; while iterating REWARD for rewards that fail, ROLLOUT when generation and training disagree, LENGTH, TOKEN for
 * prompts, DIVERGED when the loss is no longer a number, and AbortError. After an abort the run can be iterated again or saved.
 */
export function ppo(options: PpoOptions): PpoRun {
  // Every other trainer has the option, so it is asked for here as well; without a word each rank would train a policy of its own.
  if ('group' in options && options.group !== undefined)
    throw new RlhfError(
      'OPTION',
      'ppo: takes no group: completions are sampled, and rewards and advantages brought to scale, by one process. Run it without `group`; sft, trainReward and dpo take one',
    )
  return new Run(options)
}

class Run extends StepLoop<PpoStep, PpoTrained> implements PpoRun {
  private readonly settings: PpoSettings
  private readonly prompts: PromptSource
  private readonly programs: PpoPrograms
  private readonly generator: BatchGenerator<PpoTrained['policy']>
  private readonly tables: Runnable[]
  private readonly kl: KlController
  private readonly base: DecoderWeights | undefined
  private copyTrunk: boolean
  current: PpoState

  constructor(private readonly options: PpoOptions) {
    super({ name: 'ppo', kind: 'PPO', refuse: (code, message) => new RlhfError(code, message), signal: options.signal })
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
    this.check()
    return this.current
  }

  protected kept(): PpoTrained {
    return this.current.weights
  }

  protected async begin(): Promise<void> {
    await makeTrainable([this.current.weights, this.current.m, this.current.v])
    const needsReference = this.base === undefined && this.options.reference === undefined
    this.current = await withCopies(this.current, {
      trunk: this.copyTrunk ? (this.base ?? this.policyWeights) : undefined,
      needsReference,
    })
    this.copyTrunk = false
  }

  protected isDone(): boolean {
    return this.current.step >= this.options.steps
  }

  protected async advance(): Promise<PpoStep> {
    const start = performance.now()
    const { signal, deadline, steps } = this.options
    const rollout = await this.sample()
    const limits = { ...(deadline === undefined ? {} : { deadline }), ...(signal === undefined ? {} : { signal }) }
    const scores = await scoreSamples(this.options.reward, rollout.samples, limits)
    throwIfAborted(signal, 'Training')
    const metrics = await learn(
      this,
      { rollout, scores },
      {
        settings: this.settings,
        programs: this.programs,
        frozen: { base: this.base, reference: this.options.reference?.weights ?? this.current.reference },
        kl: this.kl,
        logprobTolerance: this.options.logprobTolerance,
        signal,
      },
    )
    const seconds = (performance.now() - start) / 1000
    const { step: index } = this.current
    return { index, steps, metrics, samples: rollout.samples, scores, seconds, state: () => this.state() }
  }

  private get policyWeights(): DecoderWeights {
    return this.current.weights.policy as DecoderWeights
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

  protected freeRest(): void {
    this.programs.dispose()
    this.generator.dispose()
    for (const { rotary } of this.tables) if (rotary !== undefined) disposeRotary(rotary)
    disposeAll([this.current.m, this.current.v, this.current.reference])
  }
  protected freeKept(): void {
    disposeAll(this.current.weights)
  }
}
