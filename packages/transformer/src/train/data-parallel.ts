/**
 * One training by several ranks: each has all the weights, works on batches of its own, and makes the same update by the gradients of all. The batches are shared out so that N ranks that accumulate `a`
 * batches learn from what one process that accumulates N · a would, in the same order.
 */
import { AbortedError, TesseraeError } from '@tesserae/core'
import { PeerError, agreeOnTensors, allReduceTensors, broadcastTensors, type ProcessGroup } from '@tesserae/tensor/parallel'
import type { Evaluation } from './evaluate.js'
import type { Batches } from './data.js'
import type { OptimizerState } from './optimizer.js'
import type { Accumulated } from './step.js'

export class DataParallel {
  /** The error by which all ranks have stopped. */
  private stop: AbortedError | undefined

  constructor(
    private readonly group: ProcessGroup,
    private readonly bucketBytes: number | undefined,
  ) {}

  /** Makes sure that all ranks train the same model in the same way, and gives all of them rank 0's state. Moments of a new training are 0 everywhere. */
  async begin(state: OptimizerState, resumed: boolean, facts: Readonly<Record<string, unknown>>): Promise<OptimizerState> {
    const words = new Map(Object.entries(facts).map(([name, value]) => [name, JSON.stringify(value)]))
    await agreeOnTensors(this.group, 'train', state.weights, { facts: words })
    if (resumed) return broadcastTensors(this.group, state, this.buckets)
    return { ...state, weights: await broadcastTensors(this.group, state.weights, this.buckets) }
  }

  /** The number of the batch that is this rank's i-th of a step. */
  batchIndex(step: number, i: number, accumulate: number): number {
    return (step * accumulate + i) * this.group.size + this.group.rank
  }

  /**
   * All ranks' targets of a step. Also where they agree to stop: a rank that left by itself would have the others wait. Errors: ABORTED on all ranks when the signal of one is aborted; PEER
   * where the learning rate differs.
   */
  async tally(tokens: number, learningRate: number, signal: AbortSignal | undefined): Promise<number> {
    const said = await this.group.allGather(Float64Array.of(tokens, learningRate, signal?.aborted === true ? 1 : 0))
    let total = 0
    for (let rank = 0; rank < this.group.size; rank++) {
      const [theirs, rate, stops] = said.subarray(3 * rank) as unknown as readonly [number, number, number]
      if (stops !== 0)
        throw (this.stop = new AbortedError(
          `Training was aborted by the signal of rank ${rank}`,
          rank === this.group.rank ? { cause: signal?.reason } : {},
        ))
      if (rate !== said[1])
        throw new PeerError(
          `train: the learning rate is ${rate} on rank ${rank} and ${said[1]} on rank 0; all ranks have to be given the same schedule`,
          [rank],
          'differs',
        )
      total += theirs
    }
    return total
  }

  /** Losses and gradients of all ranks, added up; those given are freed. */
  sum(sums: Accumulated): Promise<Accumulated> {
    return allReduceTensors(this.group, sums, this.buckets)
  }

  /** This rank's share of batches to evaluate. */
  share(data: Batches, batches: number): { readonly data: Batches; readonly batches: number } {
    const { rank, size } = this.group
    return { data: { at: (index) => data.at(index * size + rank) }, batches: Math.ceil((batches - rank) / size) }
  }

  /** The mean loss of all ranks' shares; `own` is undefined for a rank that had none. */
  async meanLoss(own: Evaluation | undefined): Promise<number> {
    const sums = own === undefined ? new Float64Array(2) : Float64Array.of(own.loss * own.tokens, own.tokens)
    await this.group.allReduce(sums)
    return sums[0]! / sums[1]!
  }

  /** Does what may fail on this rank alone: then the others are told why, rather than left waiting. What all ranks find out together is no reason to part. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error !== this.stop && !foundByAll(error)) this.group.abort(error)
      throw error
    }
  }

  private get buckets(): { readonly bucketBytes?: number } {
    return this.bucketBytes === undefined ? {} : { bucketBytes: this.bucketBytes }
  }
}

/** Errors that every rank meets at the same step, by the same numbers. */
const foundByAll = (error: unknown): boolean =>
  TesseraeError.isInstance(error) && (error.code === 'DIVERGED' || (error.code === 'PEER' && (error as PeerError).problem === 'differs'))
