/** The compiled programs of one training run: a whole step, or its parts when gradients are accumulated. */
import { jit, stack, valueAndGrad, type Device, type DeviceName, type Tensor } from '@tesserae/tensor'
import type { ModelOptions } from '../architectures/decoder.js'
import { mapWeights, namedWeights, type DecoderWeights } from '../architectures/weights.js'
import { summedLoss, type BatchTensors } from './loss.js'
import { adamw, clipFactor, globalNorm, type OptimizerOptions, type OptimizerState } from './optimizer.js'

export interface StepOptions extends ModelOptions {
  readonly optimizer: OptimizerOptions
  /** Largest norm of all gradients together; Infinity for no limit. */
  readonly clip: number
  readonly device?: Device | DeviceName
}

/** What a micro-batch brings into a program beside its tokens. */
export interface BatchInputs {
  readonly batch: BatchTensors
  /** Whether some targets are −1. */
  readonly masked: boolean
  /** 1 / tokens to learn in the whole step, so that summed losses become the step's mean. */
  readonly scale: number
  /** u32 [2] of this micro-batch; undefined without dropout. */
  readonly key: Tensor | undefined
}

export interface Stepped {
  readonly state: OptimizerState
  /** f32 [2]: mean loss and gradient norm before clipping. */
  readonly metrics: Tensor
}

export interface Accumulated {
  readonly grads: DecoderWeights
  readonly loss: Tensor
}

/** Programs are compiled on first use; the state given is donated, the returned one takes over its memory. */
export interface StepPrograms {
  /** Forward, backward, clipping and update of one batch. */
  step(state: OptimizerState, inputs: BatchInputs, lr: number, number: number): Promise<Stepped>
  /** Gradients of one of several micro-batches, added to those of the earlier ones. */
  accumulate(weights: DecoderWeights, sums: Accumulated | undefined, inputs: BatchInputs): Promise<Accumulated>
  /** Clipping and update by accumulated gradients. */
  update(state: OptimizerState, sums: Accumulated, lr: number, number: number): Promise<Stepped>
  dispose(): void
}

export function makeStepPrograms(options: StepOptions): StepPrograms {
  const { config, rotary, optimizer, clip, device } = options
  const model = { config, ...(rotary === undefined ? {} : { rotary }) }
  const where = device === undefined ? {} : { device }

  const lossAndGrads = (
    weights: DecoderWeights,
    batch: BatchTensors,
    masked: boolean,
    scale: Tensor,
    key: Tensor | undefined,
  ): Accumulated => {
    const train = { train: true, ...(key === undefined ? {} : { key }) }
    const { value, grads } = valueAndGrad((trained: DecoderWeights) =>
      summedLoss(trained, batch, { ...model, ...train, masked }).mul(scale),
    )(weights)
    return { grads, loss: value }
  }
  const finish = (state: OptimizerState, { grads, loss }: Accumulated, lr: Tensor, number: Tensor): Stepped => {
    const norm = globalNorm(grads)
    const factor = Number.isFinite(clip) ? clipFactor(norm, clip) : undefined
    return { state: adamw(state, grads, factor, lr, number, optimizer), metrics: stack([loss, norm]) }
  }

  const step = jit(
    (state: OptimizerState, batch: BatchTensors, masked: boolean, scale: Tensor, key: Tensor | undefined, lr: Tensor, number: Tensor) =>
      finish(state, lossAndGrads(state.weights, batch, masked, scale, key), lr, number),
    { donate: [0], name: 'trainStep', ...where },
  )
  const accumulate = jit(
    (
      weights: DecoderWeights,
      sums: Accumulated | undefined,
      batch: BatchTensors,
      masked: boolean,
      scale: Tensor,
      key: Tensor | undefined,
    ): Accumulated => {
      const fresh = lossAndGrads(weights, batch, masked, scale, key)
      if (sums === undefined) return fresh
      const earlier = namedWeights(sums.grads)
      return { grads: mapWeights(fresh.grads, (grad: Tensor, name) => earlier.get(name)!.add(grad)), loss: sums.loss.add(fresh.loss) }
    },
    { donate: [1], name: 'accumulate', ...where },
  )
  const update = jit((state: OptimizerState, sums: Accumulated, lr: Tensor, number: Tensor) => finish(state, sums, lr, number), {
    donate: [0, 1],
    name: 'update',
    ...where,
  })

  return {
    step: (state, { batch, masked, scale, key }, lr, number) => step(state, batch, masked, scale, key, lr, number),
    accumulate: (weights, sums, { batch, masked, scale, key }) => accumulate(weights, sums, batch, masked, scale, key),
    update: (state, sums, lr, number) => update(state, sums, lr, number),
    dispose() {
      step.dispose()
      accumulate.dispose()
      update.dispose()
    },
  }
}
