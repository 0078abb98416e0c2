/** Contrastive training of an encoder: an async iterable of steps, as `train()` is for decoders. */
import { random } from '@tesserae/core'
import { arange, foldKey, jit, stack, tensor, valueAndGrad, type Device, type DeviceName, type Tensor } from '@tesserae/tensor'
import type { DecoderConfig } from '../architectures/config.js'
import { checkWeights, disposeWeights, type DecoderWeights } from '../architectures/weights.js'
import { TransformerError } from '../errors.js'
import { disposeRotary, rotaryTables, type RotaryTables } from '../layers/rotary.js'
import {
  adamw,
  clipFactor,
  freshOptimizerState,
  globalNorm,
  makeTrainable,
  type OptimizerOptions,
  type OptimizerState,
} from '../train/optimizer.js'
import type { TrainingState } from '../train/run.js'
import { cosineSchedule, scheduleOf, type Schedule } from '../train/schedule.js'
import { StepLoop } from '../train/step-loop.js'
import { checkTexts, disposeInput, inputOf, type PairBatches } from './batch.js'
import { contrastiveLoss, encodeTexts, type EncoderInput } from './encode.js'
import { checkEncoderConfig } from './encoder.js'

export interface TrainEncoderOptions {
  /** The encoder's layers, `tied: true`; may be left out with `state`. */
  readonly config?: DecoderConfig
  /** Weights to start from, `initWeights(config, …)`. They are taken over: each step writes its own in their place. */
  readonly weights?: DecoderWeights
  /** A state to go on from, instead of weights; taken over likewise. */
  readonly state?: TrainingState
  /** Batch i is step i's. */
  readonly data: PairBatches
  /** Steps in all, those of a resumed state included. */
  readonly steps: number
  /** Divides the cosines: small values look at the hardest negatives alone. Default 0.05. */
  readonly temperature?: number
  /** A rate, or one for each step; default 1e-3 falling to a tenth along a cosine, warm-up over a tenth of the steps. */
  readonly learningRate?: number | Schedule
  /** Default: betas 0.9 and 0.95, ε 1e-8, decay 0.1. */
  readonly optimizer?: OptimizerOptions
  /** Largest gradient norm; Infinity for no limit. Default 1. */
  readonly clip?: number
  /** Seed of dropout; default 0. A resumed state brings its own. */
  readonly seed?: number | string
  /** Stops between steps, so that the state stays whole, with an error named AbortError. */
  readonly signal?: AbortSignal
  readonly device?: Device | DeviceName
}

/** What one step did. */
export interface EncoderStepEvent {
  /** Steps done, this one included. */
  readonly step: number
  readonly steps: number
  /** InfoNCE before the update, in nats; log(pairs) for an encoder that tells nothing apart. */
  readonly loss: number
  /** Share of texts whose partner was the nearest of the batch, before the update. */
  readonly accuracy: number
  readonly gradNorm: number
  readonly learningRate: number
  readonly seconds: number
}

/** A run: iterate it to train, leave the loop to pause. Owns weights, moments and programs until `release()` or `dispose()`. */
export interface EncoderTrainingRun extends AsyncIterable<EncoderStepEvent>, Disposable {
  /** Steps done. */
  readonly step: number
  readonly weights: DecoderWeights
  /** The state after the last step, for `saveTraining`. Its tensors are gone after the next step. */
  state(): TrainingState
  /** Hands the weights to the caller and ends the run. */
  release(): DecoderWeights
  dispose(): void
}

/**
 * Trains an encoder so that paired texts come near and the others of a batch do not. Nothing runs until the result is iterated. The
 * state is `train()`'s, so `saveTraining` and `loadTraining` keep it, and a resumed run repeats the same bits.
 *
 * Errors: OPTION, CONFIG, WEIGHTS at once; while iterating DATA, TOKEN and CAPACITY for unusable batches, DIVERGED, and AbortError.
 */
export function trainEncoder(options: TrainEncoderOptions): EncoderTrainingRun {
  // `train()` has the option, so it is asked for here as well; without a word each rank would train an encoder of its own.
  if ('group' in options && options.group !== undefined)
    throw new TransformerError(
      'OPTION',
      "trainEncoder: takes no group: a pair's negatives are the others of its batch, which one process has to see whole. Run it without `group`",
    )
  return new Run(options)
}

class Run extends StepLoop<EncoderStepEvent, DecoderWeights> implements EncoderTrainingRun {
  private readonly config: DecoderConfig
  private readonly seed: number | string
  private readonly schedule: Schedule
  private readonly rotary: RotaryTables | undefined
  private readonly program: ReturnType<typeof makeProgram>
  private current: OptimizerState
  private done: number

  constructor(private readonly options: TrainEncoderOptions) {
    super({
      name: 'trainEncoder',
      kind: 'training',
      refuse: (code, message) => new TransformerError(code, message),
      signal: options.signal,
    })
    const { weights, state, steps, temperature = 0.05, clip = 1 } = options
    const start = state?.weights ?? weights
    if (start === undefined || (state !== undefined && weights !== undefined))
      throw new TransformerError('OPTION', 'trainEncoder: give either weights, to start with, or state, to go on from')
    const config = state?.config ?? options.config
    if (config === undefined)
      throw new TransformerError('OPTION', 'trainEncoder: config is missing; a state brings its own, weights do not')
    this.config = checkEncoderConfig(config)
    if (!Number.isInteger(steps) || steps < 1)
      throw new TransformerError('OPTION', `trainEncoder: steps must be a positive integer, got ${steps}`)
    if (!(temperature > 0)) throw new TransformerError('OPTION', `trainEncoder: temperature must be above 0, got ${temperature}`)
    if (!(clip > 0)) throw new TransformerError('OPTION', `trainEncoder: clip must be above 0 (Infinity for no limit), got ${clip}`)
    checkWeights(start, this.config)
    this.done = state?.step ?? 0
    this.seed = state?.seed ?? options.seed ?? 0
    this.schedule = scheduleOf(options.learningRate, { name: 'trainEncoder', fallback: () => defaultSchedule(steps) })
    this.current = state ?? freshOptimizerState(start)
    this.rotary = this.config.positions === 'rotary' ? rotaryTables(this.config) : undefined
    this.program = makeProgram(this.config, this.rotary, { temperature, clip, optimizer: options.optimizer ?? {} }, options.device)
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
    const { weights, m, v } = this.current
    return { config: this.config, step: this.done, seed: this.seed, weights, m, v }
  }

  protected kept(): DecoderWeights {
    return this.current.weights
  }

  protected begin(): Promise<void> {
    return makeTrainable(this.current.weights)
  }

  protected isDone(): boolean {
    return this.done >= this.options.steps
  }

  protected async advance(): Promise<EncoderStepEvent> {
    const start = performance.now()
    const learningRate = this.schedule(this.done)
    const { left, right } = await this.options.data.at(this.done)
    for (const side of [left, right]) checkTexts(side, this.config)
    if (left.rows !== right.rows || left.rows < 2)
      throw new TransformerError(
        'DATA',
        `a batch pairs ${left.rows} texts with ${right.rows}; expected as many on both sides, and at least 2, since a pair's negatives are the others`,
      )
    const inputs = [inputOf(left), inputOf(right)] as const
    const key =
      this.config.dropout === 0
        ? undefined
        : tensor(Uint32Array.from(random(this.seed).stream('dropout').fold(this.done).key), { shape: [2] })
    try {
      const stepped = await this.program(this.current, inputs[0], inputs[1], key, learningRate, this.done + 1)
      this.current = stepped.state
      this.done++
      using metrics = stepped.metrics
      const [loss, gradNorm, correct] = (await metrics.data()) as unknown as readonly [number, number, number]
      if (!Number.isFinite(loss) || !Number.isFinite(gradNorm))
        throw new TransformerError(
          'DIVERGED',
          `step ${this.done}: the loss is ${loss} and the gradient norm ${gradNorm}, so the weights are no longer usable; go back to a checkpoint and lower the learning rate (now ${learningRate}) or raise the temperature`,
        )
      return {
        step: this.done,
        steps: this.options.steps,
        loss,
        accuracy: correct / left.rows,
        gradNorm,
        learningRate,
        seconds: (performance.now() - start) / 1000,
      }
    } finally {
      inputs.forEach(disposeInput)
      key?.dispose()
    }
  }

  protected freeRest(): void {
    this.program.dispose()
    disposeWeights(this.current.m)
    disposeWeights(this.current.v)
    if (this.rotary !== undefined) disposeRotary(this.rotary)
  }

  protected freeKept(): void {
    disposeWeights(this.current.weights)
  }
}

function makeProgram(
  config: DecoderConfig,
  rotary: RotaryTables | undefined,
  { temperature, clip, optimizer }: { readonly temperature: number; readonly clip: number; readonly optimizer: OptimizerOptions },
  device: Device | DeviceName | undefined,
) {
  const model = { config, ...(rotary === undefined ? {} : { rotary }) }
  return jit(
    (state: OptimizerState, left: EncoderInput, right: EncoderInput, key: Tensor | undefined, lr: Tensor, number: Tensor) => {
      const optionsFor = (side: string) => ({ ...model, train: true, ...(key === undefined ? {} : { key: foldKey(key, side) }) })
      const { value, grads } = valueAndGrad((weights: DecoderWeights) => {
        const one = encodeTexts(weights, left, optionsFor('left'))
        const other = encodeTexts(weights, right, optionsFor('right'))
        return { loss: contrastiveLoss(one, other, { temperature }), correct: nearestOwn(one, other) }
      })(state.weights)
      const norm = globalNorm(grads)
      const factor = Number.isFinite(clip) ? clipFactor(norm, clip) : undefined
      return { state: adamw(state, grads, factor, lr, number, optimizer), metrics: stack([value.loss, norm, value.correct]) }
    },
    { donate: [0], name: 'trainEncoderStep', ...(device === undefined ? {} : { device }) },
  )
}

/** How many rows of `left` have their own row of `right` as the nearest: a scalar. */
const nearestOwn = (left: Tensor, right: Tensor): Tensor =>
  left.matmul(right, { transB: true }).argMax(-1).eq(arange(left.shape[0]!)).cast('f32').sum().stopGradient()

const defaultSchedule = (steps: number): Schedule => cosineSchedule({ peak: 1e-3, warmup: Math.floor(steps / 10), decay: steps })
