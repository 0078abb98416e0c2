import { random, throwIfAborted } from '@tesserae/core'
import { tensor, type Device, type DeviceName } from '@tesserae/tensor'
import type { ProcessGroup } from '@tesserae/tensor/parallel'
import { checkConfig, type DecoderConfig } from '../architectures/config.js'
import { checkWeights, disposeWeights, type DecoderWeights } from '../architectures/weights.js'
import { TransformerError } from '../errors.js'
import { disposeRotary, rotaryTables, type RotaryTables } from '../layers/rotary.js'
import { checkBatch, type Batches } from './data.js'
import { DataParallel } from './data-parallel.js'
import { batchTensors, createEvaluator, disposeBatch, type Evaluator } from './evaluate.js'
import { freshOptimizerState, makeTrainable, type OptimizerOptions, type OptimizerState } from './optimizer.js'
import { cosineSchedule, scheduleOf, type Schedule } from './schedule.js'
import { StepLoop } from './step-loop.js'
import { makeStepPrograms, type Accumulated, type BatchInputs, type Stepped, type StepPrograms } from './step.js'

/** Everything that the next step depends on beside the options: saved and loaded, training goes on bit for bit. */
export interface TrainingState extends OptimizerState {
  readonly config: DecoderConfig
  /** Steps done. */
  readonly step: number
  readonly seed: number | string
}

export interface TrainOptions {
  /** The model; may be left out with `state`. */
  readonly config?: DecoderConfig
  /** Weights to start from. They are taken over: each step writes its own in their place. */
  readonly weights?: DecoderWeights
  /** A state to go on from, instead of weights; taken over likewise. */
  readonly state?: TrainingState
  /** Batch `step · accumulate + i` is the i-th of a step; in a group of N ranks, batch `(step · accumulate + i) · N + rank` is the rank's i-th. */
  readonly data: Batches
  /** Steps in all, those of a resumed state included. */
  readonly steps: number
  /** Batches whose gradients make one step; default 1. */
  readonly accumulate?: number
  /** A rate, or one for each step; default nanoGPT's: 6e-4 falling to a tenth along a cosine, warm-up over a tenth of the steps, at most 2,000. */
  readonly learningRate?: number | Schedule
  /** Default nanoGPT's: betas 0.9 and 0.95, ε 1e-8, decay 0.1. */
  readonly optimizer?: OptimizerOptions
  /** Largest gradient norm; Infinity for no limit. Default 1. */
  readonly clip?: number
  /** Seed of dropout; default 0. A resumed state brings its own. */
  readonly seed?: number | string
  /** Measure other data every so many steps, and after the last. */
  readonly evaluation?: { readonly data: Batches; readonly every: number; readonly batches?: number }
  /** Stops between steps, so that the state stays whole, with an error named AbortError. */
  readonly signal?: AbortSignal
  /** Where to run; default the device that the weights are on, or the default device. */
  readonly device?: Device | DeviceName
  /**
   * Other ranks to train with, all of which are given the same options. N ranks do what one process does that accumulates N times as many batches: each takes its share of them, gradients are added up, and every
   * rank makes the same update. The weights, or the state, are rank 0's. Events are the same on all ranks, which have to iterate alike; a signal aborted on one stops all before the next step. Where one
   * fails the others are told so, with its rank, and the group is of no more use.
   */
  readonly group?: ProcessGroup
  /** Bytes of gradients exchanged at once in a group; default 25 MiB. */
  readonly bucketBytes?: number
}

/** What one step did. In a group: what the step of all ranks did. */
export interface StepEvent {
  /** Steps done, this one included. */
  readonly step: number
  readonly steps: number
  /** Mean −log p over the step's targets before the update, in nats. */
  readonly loss: number
  /** Norm of all gradients before clipping. */
  readonly gradNorm: number
  readonly learningRate: number
  /** Targets learnt from. */
  readonly tokens: number
  readonly seconds: number
  readonly tokensPerSecond: number
  /** Where this step was followed by an evaluation. */
  readonly validationLoss?: number
}

/**
 * A training run: iterate it to train, leave the loop to pause, iterate again to go on. It owns weights, moments and programs; `using`, or
 * `dispose()`, after {@link TrainingRun.release} of what is to be kept.
 */
export interface TrainingRun extends AsyncIterable<StepEvent>, Disposable {
  /** Steps done. */
  readonly step: number
  /** The weights after the last step; handles change with every step. */
  readonly weights: DecoderWeights
  /** The state after the last step. Its tensors are the run's own and are gone after the next step: save them before it. */
  state(): TrainingState
  /** Hands the weights to the caller and ends the run: everything else is freed. */
  release(): DecoderWeights
  dispose(): void
}

/**
 * Trains a decoder by AdamW. Nothing runs until the result is iterated.
 *
 * Errors: OPTION, CONFIG, WEIGHTS at once; while iterating TOKEN and DATA for unusable batches, DIVERGED when the loss is no longer a
 * number, and AbortError; in a group PEER, naming the ranks that are gone or late, or were given other options. After an abort the run can be iterated again or saved.
 */
export function train(options: TrainOptions): TrainingRun {
  return new Run(options)
}

class Run extends StepLoop<StepEvent, DecoderWeights> implements TrainingRun {
  private readonly options: TrainOptions
  private readonly config: DecoderConfig
  private readonly seed: number | string
  private readonly schedule: Schedule
  private readonly accumulate: number
  private readonly rotary: RotaryTables | undefined
  private readonly programs: StepPrograms
  private readonly ranks: DataParallel | undefined
  private begun = false
  private evaluator: Evaluator | undefined
  private current: OptimizerState
  private done: number

  constructor(options: TrainOptions) {
    super({
      name: 'train',
      kind: 'training',
      refuse: (code, message) => new TransformerError(code, message),
      // Ranks stop together, which takes an exchange.
      signal: options.group === undefined ? options.signal : undefined,
    })
    const { weights, state, steps, accumulate = 1, learningRate, clip = 1 } = options
    const start = state ?? weights
    if (start === undefined || (state !== undefined && weights !== undefined))
      throw new TransformerError('OPTION', 'train: give either weights, to start with, or state, to go on from')
    const config = state?.config ?? options.config
    if (config === undefined) throw new TransformerError('OPTION', 'train: config is missing; a state brings its own, weights do not')
    this.config = checkConfig(config)
    if (!Number.isInteger(steps) || steps < 1) throw new TransformerError('OPTION', `train: steps must be a positive integer, got ${steps}`)
    if (!Number.isInteger(accumulate) || accumulate < 1)
      throw new TransformerError('OPTION', `train: accumulate must be a positive integer, got ${accumulate}`)
    if (!(clip > 0)) throw new TransformerError('OPTION', `train: clip must be above 0 (Infinity for no limit), got ${clip}`)
    this.options = options
    this.ranks =
      options.group === undefined ? undefined : new DataParallel({ group: options.group, name: 'train', bucketBytes: options.bucketBytes })
    this.accumulate = accumulate
    this.done = state?.step ?? 0
    this.seed = state?.seed ?? options.seed ?? 0
    this.schedule = scheduleOf(learningRate, { name: 'train', fallback: () => defaultSchedule(steps) })
    const trained = state === undefined ? weights! : state.weights
    checkWeights(trained, this.config)
    this.current = state === undefined ? freshOptimizerState(trained) : { weights: state.weights, m: state.m, v: state.v }
    this.rotary = this.config.positions === 'rotary' ? rotaryTables(this.config) : undefined
    const { device } = options
    this.programs = makeStepPrograms({
      config: this.config,
      optimizer: options.optimizer ?? {},
      clip,
      ...(this.rotary === undefined ? {} : { rotary: this.rotary }),
      ...(device === undefined ? {} : { device }),
    })
  }

  get step(): number {
    return this.done
  }

  get weights(): DecoderWeights {
    this.check()
    return this.current.weights
  }

  state(): TrainingState {
    this.check()
    return { config: this.config, step: this.done, seed: this.seed, ...this.current }
  }

  protected kept(): DecoderWeights {
    return this.current.weights
  }

  protected async begin(): Promise<void> {
    const { ranks } = this
    if (ranks !== undefined && !this.begun) {
      const { steps, evaluation, clip = 1, optimizer = {} } = this.options
      const { config, seed, accumulate, done: step } = this
      const measured = evaluation === undefined ? {} : { every: evaluation.every, batches: evaluation.batches }
      const facts = { config, steps, step, seed, accumulate, clip, optimizer, evaluation: measured }
      this.current = await ranks.guard(() => ranks.begin(this.current, this.options.state !== undefined, facts))
    }
    this.begun = true
    await makeTrainable(this.current.weights)
  }

  protected isDone(): boolean {
    return this.done >= this.options.steps
  }

  protected advance(): Promise<StepEvent> {
    return this.ranks === undefined ? this.makeStep() : this.ranks.guard(() => this.makeStep())
  }

  /** One step and what is due after it. */
  private async makeStep(): Promise<StepEvent> {
    const start = performance.now()
    const learningRate = this.schedule(this.done)
    const micro = await this.batches()
    const own = micro.reduce((sum, { learnt }) => sum + learnt, 0)
    const [tokens] = this.ranks === undefined ? [own] : await this.ranks.tally([own] as const, learningRate, this.options.signal)
    const stepped = await this.update(
      micro.map(({ batch, learnt, key }) => ({ tensors: () => batchTensors(batch), masked: learnt < batch.ids.length, key })),
      1 / tokens,
      learningRate,
    )
    this.current = stepped.state
    this.done++
    using metrics = stepped.metrics
    const [loss, gradNorm] = (await metrics.data()) as Float32Array as unknown as readonly [number, number]
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm))
      throw new TransformerError(
        'DIVERGED',
        `step ${this.done}: the loss is ${loss} and the gradient norm ${gradNorm}, so the weights are no longer usable; go back to a checkpoint and lower the learning rate (now ${learningRate}) or the clipping limit`,
      )
    const seconds = (performance.now() - start) / 1000
    const validationLoss = await this.evaluateIfDue()
    return {
      step: this.done,
      steps: this.options.steps,
      loss,
      gradNorm,
      learningRate,
      tokens,
      seconds,
      tokensPerSecond: tokens / seconds,
      ...(validationLoss === undefined ? {} : { validationLoss }),
    }
  }

  private async batches() {
    const keys = this.config.dropout === 0 ? undefined : random(this.seed).stream('dropout')
    const out = []
    for (let i = 0; i < this.accumulate; i++) {
      const index = this.ranks?.batchIndex(this.done, i, this.accumulate) ?? this.done * this.accumulate + i
      const batch = await this.options.data.at(index)
      out.push({ batch, learnt: checkBatch(batch, this.config.vocabSize), key: keys?.fold(index).key })
    }
    return out
  }

  private async update(micro: readonly MicroBatch[], scale: number, learningRate: number): Promise<Stepped> {
    const number = this.done + 1
    const { ranks } = this
    if (micro.length === 1 && ranks === undefined)
      return withInputs(micro[0]!, scale, (inputs) => this.programs.step(this.current, inputs, learningRate, number))
    let sums: Accumulated | undefined
    try {
      for (const part of micro) {
        if (ranks === undefined) throwIfAborted(this.options.signal, 'Training')
        const before: Accumulated | undefined = sums
        sums = await withInputs(part, scale, (inputs) => this.programs.accumulate(this.current.weights, before, inputs))
      }
      if (ranks !== undefined) sums = await ranks.sum(sums!)
      return await this.programs.update(this.current, sums!, learningRate, number)
    } catch (error) {
      if (sums !== undefined) {
        disposeWeights(sums.grads)
        sums.loss.dispose()
      }
      throw error
    }
  }

  private async evaluateIfDue(): Promise<number | undefined> {
    const { evaluation, steps, signal, device } = this.options
    if (evaluation === undefined || (this.done % evaluation.every !== 0 && this.done !== steps)) return undefined
    this.evaluator ??= createEvaluator({
      config: this.config,
      ...(this.rotary === undefined ? {} : { rotary: this.rotary }),
      ...(device === undefined ? {} : { device }),
    })
    const { data, batches = data.count } = evaluation
    if (this.ranks === undefined || batches === undefined) {
      const { loss } = await this.evaluator.run(this.current.weights, data, {
        ...(batches === undefined ? {} : { batches }),
        ...(signal === undefined ? {} : { signal }),
      })
      return loss
    }
    const share = this.ranks.share(data, Math.min(batches, data.count ?? Infinity))
    const own = share.batches < 1 ? undefined : await this.evaluator.run(this.current.weights, share.data, { batches: share.batches })
    return this.ranks.meanLoss(own)
  }

  protected freeRest(): void {
    this.programs.dispose()
    this.evaluator?.dispose()
    disposeWeights(this.current.m)
    disposeWeights(this.current.v)
    if (this.rotary !== undefined) disposeRotary(this.rotary)
  }

  protected freeKept(): void {
    disposeWeights(this.current.weights)
  }
}

interface MicroBatch {
  readonly tensors: () => BatchInputs['batch']
  readonly masked: boolean
  readonly key: readonly [number, number] | undefined
}

/** Makes a micro-batch's tensors for the length of one call. */
async function withInputs<T>({ tensors, masked, key }: MicroBatch, scale: number, call: (inputs: BatchInputs) => Promise<T>): Promise<T> {
  const batch = tensors()
  const keyTensor = key === undefined ? undefined : tensor(Uint32Array.from(key), { shape: [2] })
  try {
    return await call({ batch, masked, scale, key: keyTensor })
  } finally {
    disposeBatch(batch)
    keyTensor?.dispose()
  }
}

const defaultSchedule = (steps: number): Schedule =>
  cosineSchedule({ peak: 6e-4, warmup: Math.min(2000, Math.floor(steps / 10)), decay: steps })
