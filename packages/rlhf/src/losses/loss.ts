import type { Tensor } from '@tesserae/tensor'
import { RlhfError } from '../errors.js'

/** What a loss gives: the scalar to differentiate, and scalars to look at. */
export interface Loss<Metric extends string> {
  readonly loss: Tensor
  readonly metrics: Readonly<Record<Metric, Tensor>>
}

/** A loss over examples, which also says what each of them contributed. */
export interface ExampleLoss<Metric extends string> extends Loss<Metric> {
  /** [B], before weights and aggregation. */
  readonly perExample: Tensor
}

export interface ExampleOptions {
  /** [B]: how much each example counts; 0 for a row that only fills a batch. Default all 1. */
  readonly weights?: Tensor
  /**
   * What the weighted sum is divided by; default the sum of the weights. Give the number of examples of the whole optimiser step where the batch is a
   * part of one, so that the parts' losses and gradients add up to those of the whole.
   */
  readonly count?: Tensor | number
}

/** Σ wx / count over a vector of examples. */
export function meanOfExamples(values: Tensor, { weights, count }: ExampleOptions): Tensor {
  const total = weights === undefined ? values.sum() : values.mul(weights.cast(values.dtype)).sum()
  if (count !== undefined) return typeof count === 'number' ? total.mul(1 / count) : total.div(count.cast(values.dtype))
  return weights === undefined ? values.mean() : total.div(weights.cast(values.dtype).sum())
}

/** Errors: SHAPE unless all tensors have the shape of the first. */
export function checkSameShape(op: string, tensors: Readonly<Record<string, Tensor | undefined>>): void {
  const given = Object.entries(tensors).filter((entry): entry is [string, Tensor] => entry[1] !== undefined)
  const [first] = given
  if (first === undefined) return
  for (const [name, tensor] of given)
    if (tensor.rank !== first[1].rank || tensor.shape.some((dim, i) => dim !== first[1].shape[i]))
      throw new RlhfError(
        'SHAPE',
        `${op}: ${name} is ${tensor.describe()} and ${first[0]} ${first[1].describe()}; expected one shape for all, one entry for each example or token`,
      )
}

/** Errors: OPTION when a number is not above a limit. */
export function checkAbove(op: string, name: string, value: number, limit = 0): void {
  if (!(value > limit) || !Number.isFinite(value))
    throw new RlhfError('OPTION', `${op}: ${name} must be a number above ${limit}, got ${value}`)
}
