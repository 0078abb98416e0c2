/** What trainers that learn from rows share: parameters, moments, the compiled step, and the loop around it. */
import { random, throwIfAborted } from '@tesserae/core'
import { tensor, type Device, type DeviceName, type Tensor } from '@tesserae/tensor'
import type { ProcessGroup } from '@tesserae/tensor/parallel'
import {
  checkConfig,
  DataParallel,
  disposeRotary,
  freshOptimizerState,
  makeTrainable,
  rotaryTables,
  StepLoop,
  type DecoderConfig,
  type ModelOptions,
  type OptimizerOptions,
  type OptimizerState,
  type RotaryTables,
  type Schedule,
} from '@tesserae/transformer'
import { RlhfError } from '../errors.js'
import { batchIndices } from '../data/collate.js'
import type { Loss } from '../losses/loss.js'
import { makePrograms, type BatchRecord, type Programs, type Sums } from './programs.js'
import { disposeAll } from './tensors.js'

/** Everything that the next step depends on beside the options: saved and loaded, training goes on bit for bit. */
export interface RunState<Params> extends OptimizerState<Params> {
  readonly config: DecoderConfig
  /** Steps done. */
  readonly step: number
  readonly seed: number | string
}

/** What every trainer on rows may be told. */
export interface RunOptions {
  /** Steps in all, those of a resumed state included; default what `epochs` makes. */
  readonly steps?: number
  /** Passes over the data, where `steps` is not given; default 1. */
  readonly epochs?: number
  /** Rows in a batch, and at most as many as there are; default 8. */
  readonly rows?: number
  /** Batches whose gradients make one step; default 1. Equal to one batch of all their rows. */
  readonly accumulate?: number
  /** A rate, or one for each step, such as `cosineSchedule(…)`. */
  readonly learningRate?: number | Schedule
  /** Default: betas 0.9 and 0.999, ε 1e-8, no decay. */
  readonly optimizer?: OptimizerOptions
  /** Largest norm of all gradients together; Infinity for no limit. Default 1. */
  readonly clip?: number
  /** Of the order of the rows, and of dropout; default 0. A resumed state brings its own. */
  readonly seed?: number | string
  /** Stops between batches, so that the state stays whole, with an error named AbortError. */
  readonly signal?: AbortSignal
  /** Where to run; default the device that the weights are on, or the default device. */
  readonly device?: Device | DeviceName
  /**
   * Other ranks to train with, all of which are given the same options and data. N ranks do what one process does that accumulates N times as many batches: each takes its share of them, gradients are added up,
   * and every rank makes the same update. The weights, or the state, are rank 0's. Metrics are the same on all ranks, which have to iterate alike; a signal aborted on one stops all before the next step. Where
   * one fails the others are told so, with its rank, and the group is of no more use.
   */
  readonly group?: ProcessGroup
  /** Bytes of gradients exchanged at once in a group; default 25 MiB. */
  readonly bucketBytes?: number
}

/** What one step did, in numbers. */
export type StepMetrics<Metric extends string> = Readonly<Record<Metric, number>> & {
  readonly loss: number
  /** Norm of all gradients before clipping. */
  readonly gradNorm: number
  readonly learningRate: number
  /** Tokens that went through the model, without padding. */
  readonly tokens: number
  readonly tokensPerSecond: number
}

/** What one step did. */
export interface RunStep<Params, Metric extends string, State extends RunState<Params> = RunState<Params>> {
  /** Steps done, this one included. */
  readonly index: number
  readonly steps: number
  readonly metrics: StepMetrics<Metric>
  readonly seconds: number
  /** The run's state after this step, see {@link TrainerRun.state}. */
  state(): State
}

/**
 * A run of a trainer: iterate it to train, leave the loop to pause, iterate again to go on. It owns parameters, moments and programs; `using`, or
 * `dispose()`, after {@link TrainerRun.release} of what is to be kept.
 */
export interface TrainerRun<Params, Metric extends string, State extends RunState<Params> = RunState<Params>>
  extends AsyncIterable<RunStep<Params, Metric, State>>, Disposable {
  /** Steps done. */
  readonly step: number
  readonly steps: number
  /** What is trained, after the last step; handles change with every step. */
  readonly weights: Params
  /** The state after the last step. Its tensors are the run's own and are gone after the next step: save them before it. */
  state(): State
  /** Hands what was trained to the caller and ends the run: everything else is freed. */
  release(): Params
  dispose(): void
}

/** One batch on its way into a step. */
export interface Batch {
  /** Makes its tensors; the run frees them. */
  readonly tensors: () => BatchRecord
  /** What its sums are divided by: targets, or examples. Added up over the step's batches. */
  readonly count: number
  readonly tokens: number
}

/** What one trainer adds. */
export interface TrainerSpec<Params extends object, Metric extends string, State extends RunState<Params>> {
  readonly name: string
  readonly options: RunOptions
  readonly defaultRate: number
  readonly start: State
  /** Examples to draw from. */
  readonly examples: number
  /** Whether the configuration's dropout applies. */
  readonly dropout: boolean
  /** The batch of these examples. */
  readonly batch: (indices: readonly number[], state: State) => Batch
  /** Sums over the batch divided by `count`, metrics as well, so that parts of a step add up. */
  readonly loss: (params: Params, batch: BatchRecord, context: LossContext) => Loss<Metric>
  /** What needs waiting for before the first step; `ranks` in a group. */
  readonly begin?: (state: State, model: ModelOptions, ranks: DataParallel | undefined) => Promise<State>
  /** Options of this trainer alone that all ranks of a group have to share. */
  readonly facts?: Readonly<Record<string, unknown>>
}

export interface LossContext {
  readonly model: ModelOptions
  /** f32 scalar: the step's count. */
  readonly count: Tensor
  /** Options of a forward pass in training. */
  readonly train: { readonly train: boolean; readonly key?: Tensor }
}

/** A state from which nothing has been learnt. */
export const freshState = <Params>(
  config: DecoderConfig,
  weights: Params,
  { seed = 0 }: { readonly seed?: number | string | undefined },
): RunState<Params> => ({
  config: checkConfig(config),
  step: 0,
  seed,
  ...freshOptimizerState(weights),
})

/** Starts a run. Errors: OPTION. */
export const startRun = <Params extends object, Metric extends string, State extends RunState<Params>>(
  spec: TrainerSpec<Params, Metric, State>,
): TrainerRun<Params, Metric, State> => new Run(spec)

class Run<Params extends object, Metric extends string, State extends RunState<Params>>
  extends StepLoop<RunStep<Params, Metric, State>, Params>
  implements TrainerRun<Params, Metric, State>
{
  readonly steps: number
  private readonly rows: number
  private readonly accumulate: number
  private readonly schedule: Schedule
  private readonly model: ModelOptions
  private readonly rotary: RotaryTables | undefined
  private readonly programs: Programs<Params>
  private readonly ranks: DataParallel | undefined
  private current: State
  private begun = false

  constructor(private readonly spec: TrainerSpec<Params, Metric, State>) {
    const { name, options, examples, start } = spec
    super({
      name,
      kind: name,
      refuse: (code, message) => new RlhfError(code, message),
      // Ranks stop together, which takes an exchange.
      signal: options.group === undefined ? options.signal : undefined,
    })
    const { rows = 8, accumulate = 1, epochs = 1, learningRate = spec.defaultRate, clip = 1 } = options
    const positive = { rows, accumulate, ...(options.steps === undefined ? {} : { steps: options.steps }) }
    for (const [option, value] of Object.entries(positive))
      if (!Number.isInteger(value) || value < 1)
        throw new RlhfError('OPTION', `${name}: ${option} must be a positive integer, got ${value}`)
    for (const [option, value] of Object.entries({ epochs, clip }))
      if (!(value > 0)) throw new RlhfError('OPTION', `${name}: ${option} must be above 0, got ${value}`)
    if (typeof learningRate === 'number' && !(learningRate >= 0))
      throw new RlhfError('OPTION', `${name}: learningRate must be at least 0, got ${learningRate}`)
    if (examples === 0) throw new RlhfError('ROW', `${name}: there are no examples to learn from`)
    this.rows = Math.min(rows, examples)
    this.accumulate = accumulate
    const { group, bucketBytes } = options
    this.ranks = group === undefined ? undefined : new DataParallel({ group, name, bucketBytes })
    this.steps = options.steps ?? Math.ceil((examples * epochs) / (this.rows * (this.ranks?.stepBatches(accumulate) ?? accumulate)))
    this.schedule = typeof learningRate === 'function' ? learningRate : () => learningRate
    this.current = start
    this.rotary = start.config.positions === 'rotary' ? rotaryTables(start.config) : undefined
    this.model = { config: start.config, ...(this.rotary === undefined ? {} : { rotary: this.rotary }) }
    this.programs = makePrograms({
      name,
      clip,
      optimizer: { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, ...options.optimizer },
      loss: (params: Params, batch, count, key) =>
        spec.loss(params, batch, { model: this.model, count, train: key === undefined ? { train: false } : { train: true, key } }),
      ...(options.device === undefined ? {} : { device: options.device }),
    })
  }

  get step(): number {
    return this.current.step
  }

  get weights(): Params {
    return this.state().weights
  }

  state(): State {
    this.check()
    return this.current
  }

  protected kept(): Params {
    return this.current.weights
  }

  protected async begin(): Promise<void> {
    if (this.begun) return
    await (this.ranks === undefined ? this.prepare() : this.ranks.guard(() => this.prepare()))
    this.begun = true
  }

  private async prepare(): Promise<void> {
    const { ranks } = this
    if (ranks !== undefined) {
      const { config, step, seed, weights, m, v } = this.current
      const { clip = 1, optimizer = {} } = this.spec.options
      const { steps, rows, accumulate } = this
      const facts = { config, steps, step, seed, rows, accumulate, examples: this.spec.examples, clip, optimizer, ...this.spec.facts }
      this.current = { ...this.current, ...(await ranks.begin({ weights, m, v }, step > 0, facts)) }
    }
    await makeTrainable([this.current.weights, this.current.m, this.current.v])
    this.current = (await this.spec.begin?.(this.current, this.model, ranks)) ?? this.current
  }

  protected isDone(): boolean {
    return this.current.step >= this.steps
  }

  protected advance(): Promise<RunStep<Params, Metric, State>> {
    return this.ranks === undefined ? this.makeStep() : this.ranks.guard(() => this.makeStep())
  }

  private async makeStep(): Promise<RunStep<Params, Metric, State>> {
    const start = performance.now()
    const { ranks } = this
    const { step, seed, weights, m, v, config } = this.current
    const learningRate = this.schedule(step)
    const numberOf = (i: number): number => ranks?.batchIndex(step, i, this.accumulate) ?? step * this.accumulate + i
    const batches = Array.from({ length: this.accumulate }, (_, i) =>
      this.spec.batch(batchIndices(numberOf(i), { examples: this.spec.examples, rows: this.rows, seed }), this.current),
    )
    const own = [batches.reduce((sum, batch) => sum + batch.count, 0), batches.reduce((sum, batch) => sum + batch.tokens, 0)] as const
    const [count, tokens] = ranks === undefined ? own : await ranks.tally(own, learningRate, this.spec.options.signal)
    const keys = this.spec.dropout && config.dropout > 0 ? random(seed).stream('dropout') : undefined
    const keyOf = (i: number) => keys?.fold(numberOf(i)).key
    const rates = { learningRate, number: step + 1 }
    const stepped =
      batches.length === 1 && ranks === undefined
        ? await withTensors(batches[0]!, keyOf(0), (batch, key) => this.programs.step({ weights, m, v }, batch, { count, key, ...rates }))
        : await this.programs.update({ weights, m, v }, await this.sums(batches, count, keyOf), rates)
    this.current = { ...this.current, ...stepped.state, step: step + 1 }
    using metrics = stepped.metrics
    const [loss, gradNorm, ...others] = Array.from(await metrics.data()) as [number, number, ...number[]]
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm))
      throw new RlhfError(
        'DIVERGED',
        `${this.spec.name}: at step ${step + 1} the loss is ${loss} and the gradient norm ${gradNorm}, so the weights are no longer usable; go back to a checkpoint and lower the learning rate (now ${learningRate}) or the clipping limit`,
      )
    const seconds = (performance.now() - start) / 1000
    const named = Object.fromEntries(this.programs.metricNames.map((name, i) => [name, others[i]!])) as Record<Metric, number>
    return {
      index: step + 1,
      steps: this.steps,
      metrics: { ...named, loss, gradNorm, learningRate, tokens, tokensPerSecond: tokens / seconds },
      seconds,
      state: () => this.state(),
    }
  }

  /** Gradients of a step's batches, added up, over all ranks in a group. */
  private async sums(batches: readonly Batch[], count: number, keyOf: (i: number) => readonly number[] | undefined): Promise<Sums<Params>> {
    let sums: Sums<Params> | undefined
    try {
      for (const [i, batch] of batches.entries()) {
        if (this.ranks === undefined) throwIfAborted(this.spec.options.signal, 'Training')
        const before: Sums<Params> | undefined = sums
        sums = await withTensors(batch, keyOf(i), (tensors, key) =>
          this.programs.accumulate(this.current.weights, before, tensors, { count, key }),
        )
      }
      return this.ranks === undefined ? sums! : await this.ranks.sum(sums!)
    } catch (error) {
      disposeAll(sums)
      throw error
    }
  }

  protected freeRest(): void {
    this.programs.dispose()
    const { weights: _, ...rest } = this.current
    disposeAll(Object.values(rest).filter((part) => typeof part === 'object' && part !== this.current.config))
    if (this.rotary !== undefined) disposeRotary(this.rotary)
  }

  protected freeKept(): void {
    disposeAll(this.current.weights)
  }
}

/** A batch's tensors for the length of one call. */
async function withTensors<T>(
  batch: Batch,
  key: readonly number[] | undefined,
  call: (batch: BatchRecord, key: Tensor | undefined) => Promise<T>,
): Promise<T> {
  const tensors = batch.tensors()
  const keyTensor = key === undefined ? undefined : tensor(Uint32Array.from(key), { shape: [2] })
  try {
    return await call(tensors, keyTensor)
  } finally {
    disposeAll(tensors)
    keyTensor?.dispose()
  }
}
