/** The compiled programs of one run: a whole step, or its parts where gradients are accumulated. */
import { flattenTree, jit, mapTree, stack, valueAndGrad, type Device, type DeviceName, type Tensor, type Tree } from '@tesserae/tensor'
import { adamw, clipFactor, globalNorm, type OptimizerOptions, type OptimizerState } from '@tesserae/transformer'
import type { Loss } from '../losses/loss.js'

export type BatchRecord = Readonly<Record<string, Tensor>>

export interface ProgramOptions<Params> {
  readonly name: string
  readonly loss: (params: Params, batch: BatchRecord, count: Tensor, key: Tensor | undefined) => Loss<string>
  readonly optimizer: OptimizerOptions
  /** Largest norm of all gradients together; Infinity for no limit. */
  readonly clip: number
  readonly device?: Device | DeviceName
}

export interface Stepped<Params> {
  readonly state: OptimizerState<Params>
  /** f32: the loss, the gradient norm before clipping, and the metrics in the order of `metricNames`. */
  readonly metrics: Tensor
}

/** Gradients so far, with the loss and the metrics. */
export interface Sums<Params> {
  readonly grads: Params
  readonly values: Tensor
}

interface BatchSettings {
  /** What sums are divided by, over the whole step. */
  readonly count: number
  readonly key: Tensor | undefined
}
interface UpdateSettings {
  readonly learningRate: number
  /** Of the update, from 1. */
  readonly number: number
}

/** Programs are compiled on first use, for each shape of batch. The state given is donated; the returned one takes over its memory. */
export interface Programs<Params> {
  /** In the order of a step's metrics; known once a program has been compiled. */
  readonly metricNames: readonly string[]
  step(state: OptimizerState<Params>, batch: BatchRecord, settings: BatchSettings & UpdateSettings): Promise<Stepped<Params>>
  accumulate(weights: Params, sums: Sums<Params> | undefined, batch: BatchRecord, settings: BatchSettings): Promise<Sums<Params>>
  update(state: OptimizerState<Params>, sums: Sums<Params>, settings: UpdateSettings): Promise<Stepped<Params>>
  dispose(): void
}

export function makePrograms<Params extends object>(options: ProgramOptions<Params>): Programs<Params> {
  const { name, loss, optimizer, clip, device } = options
  const where = device === undefined ? {} : { device }
  let metricNames: readonly string[] = []

  const lossAndGrads = (weights: Params, batch: BatchRecord, count: Tensor, key: Tensor | undefined): Sums<Params> => {
    const { value, grads } = valueAndGrad((params: Params) => {
      // An example loss brings values of each example too, which are no use here.
      const result = loss(params, batch, count, key)
      return { loss: result.loss, metrics: { ...result.metrics } }
    })(weights)
    metricNames = Object.keys(value.metrics)
    return { grads, values: stack([value.loss, ...metricNames.map((metric) => value.metrics[metric]!.cast('f32'))]) }
  }
  const finish = (state: OptimizerState<Params>, { grads, values }: Sums<Params>, lr: Tensor, number: Tensor): Stepped<Params> => {
    const norm = globalNorm(grads)
    const factor = Number.isFinite(clip) ? clipFactor(norm, clip) : undefined
    const [first, ...others] = values.split(1)
    return {
      state: adamw<Params>(state, grads, factor, lr, number, optimizer),
      metrics: stack([first!, norm.unsqueeze(0), ...others]).reshape(others.length + 2),
    }
  }

  // The records are generic here, which the types of jitted functions cannot follow.
  type Call<Args extends readonly unknown[], Result> = ((...args: Args) => Promise<Result>) & { dispose(): void }
  const step = jit(
    (state: OptimizerState<Params>, batch: BatchRecord, count: Tensor, key: Tensor | undefined, lr: Tensor, number: Tensor) =>
      finish(state, lossAndGrads(state.weights, batch, count, key), lr, number),
    { donate: [0], name: `${name}Step`, ...where },
  ) as unknown as Call<[OptimizerState<Params>, BatchRecord, number, Tensor | undefined, number, number], Stepped<Params>>
  const accumulate = jit(
    (weights: Params, sums: Sums<Params> | undefined, batch: BatchRecord, count: Tensor, key: Tensor | undefined) => {
      const fresh = lossAndGrads(weights, batch, count, key)
      return sums === undefined ? fresh : { grads: added(sums.grads, fresh.grads), values: sums.values.add(fresh.values) }
    },
    { donate: [1], name: `${name}Accumulate`, ...where },
  ) as unknown as Call<[Params, Sums<Params> | undefined, BatchRecord, number, Tensor | undefined], Sums<Params>>
  const update = jit((state: OptimizerState<Params>, sums: Sums<Params>, lr: Tensor, number: Tensor) => finish(state, sums, lr, number), {
    donate: [0, 1],
    name: `${name}Update`,
    ...where,
  }) as unknown as Call<[OptimizerState<Params>, Sums<Params>, number, number], Stepped<Params>>

  return {
    get metricNames() {
      return metricNames
    },
    step: (state, batch, { count, key, learningRate, number }) => step(state, batch, count, key, learningRate, number),
    accumulate: (weights, sums, batch, { count, key }) => accumulate(weights, sums, batch, count, key),
    update: (state, sums, { learningRate, number }) => update(state, sums, learningRate, number),
    dispose() {
      step.dispose()
      accumulate.dispose()
      update.dispose()
    },
  }
}

function added<Params>(a: Params, b: Params): Params {
  const others = flattenTree<Tensor>(b as Tree<Tensor>)
  return mapTree(a, (leaf, path) => (leaf as Tensor).add(others.get(path)!)) as Params
}
