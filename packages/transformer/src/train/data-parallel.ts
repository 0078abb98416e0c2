/**
 * One training by several ranks: each has all the weights, works on batches of its own, and makes the same update by the gradients of all. The batches are shared out so that N ranks that accumulate `a`
 * batches learn from what one process that accumulates N · a would, in the same order.
 */
import { AbortedError, TesseraeError } from '@tesserae/core'
import { PeerError, agreeOnTensors, allReduceTensors, broadcastTensors, type ProcessGroup } from '@tesserae/tensor/parallel'
import type { Evaluation } from './evaluate.js'
import type { Batches } from './data.js'
import type { OptimizerState } from './optimizer.js'

export interface DataParallelOptions {
  readonly group: ProcessGroup
  /** The function that starts the run, for messages: `train`. */
  readonly name: string
  /** Bytes exchanged at once; default 25 MiB. */
  readonly bucketBytes?: number | undefined
}

/** What trainers do differently in a group. Errors: PEER, from every method that exchanges something. */
export class DataParallel {
  /** The error by which all ranks have stopped. */
  private stop: AbortedError | undefined
  private readonly group: ProcessGroup

  constructor(private readonly options: DataParallelOptions) {
    this.group = options.group
  }

  /** Makes sure that all ranks train the same model in the same way, and gives all of them rank 0's state. Moments of a new training are 0 everywhere. */
  async begin<Params>(
    state: OptimizerState<Params>,
    resumed: boolean,
    facts: Readonly<Record<string, unknown>>,
  ): Promise<OptimizerState<Params>> {
    const words = new Map(Object.entries(facts).map(([name, value]) => [name, JSON.stringify(value)]))
    await agreeOnTensors(this.group, this.options.name, state.weights, { facts: words })
    return resumed ? this.fromFirst(state) : { ...state, weights: await this.fromFirst(state.weights) }
  }

  /** Rank 0's values in place of these, which are freed. */
  fromFirst<T>(tensors: T): Promise<T> {
    return broadcastTensors(this.group, tensors, this.buckets)
  }

  /** Whether the i-th of pieces of work that all ranks share is this rank's. */
  takes(i: number): boolean {
    return i % this.group.size === this.group.rank
  }

  /** Adds up all ranks' values, place by place, in each rank's array. */
  async addUp(values: Float32Array | Float64Array): Promise<void> {
    await this.group.allReduce(values)
  }

  /** The number of the batch that is this rank's i-th of a step. */
  batchIndex(step: number, i: number, accumulate: number): number {
    return (step * accumulate + i) * this.group.size + this.group.rank
  }

  /** Batches that one step takes on all ranks, where each takes `accumulate`. */
  stepBatches(accumulate: number): number {
    return accumulate * this.group.size
  }

  /**
   * All ranks' counts of a step (targets, tokens), added up. Also where they agree to stop: a rank that left by itself would have the others wait. Errors: ABORTED on all ranks when the signal of one is
   * aborted; PEER where the learning rate differs.
   */
  async tally<Counts extends readonly number[]>(counts: Counts, learningRate: number, signal: AbortSignal | undefined): Promise<Counts> {
    const said = await this.group.allGather(Float64Array.of(learningRate, signal?.aborted === true ? 1 : 0, ...counts))
    const width = counts.length + 2
    const totals = counts.map(() => 0)
    for (let rank = 0; rank < this.group.size; rank++) {
      const [rate, stops, ...theirs] = said.subarray(width * rank, width * (rank + 1)) as unknown as readonly [number, number, ...number[]]
      if (stops !== 0)
        throw (this.stop = new AbortedError(
          `Training was aborted by the signal of rank ${rank}`,
          rank === this.group.rank ? { cause: signal?.reason } : {},
        ))
      if (rate !== said[0])
        throw new PeerError(
          `${this.options.name}: the learning rate is ${rate} on rank ${rank} and ${said[0]} on rank 0; all ranks have to be given the same schedule`,
          [rank],
          'differs',
        )
      theirs.forEach((count, i) => (totals[i]! += count))
    }
    return totals as readonly number[] as Counts
  }

  /** Losses and gradients of all ranks, added up; those given are freed. */
  sum<T>(sums: T): Promise<T> {
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
    const { bucketBytes } = this.options
    return bucketBytes === undefined ? {} : { bucketBytes }
  }
}

/** Errors that every rank meets at the same step, by the same numbers. */
const foundByAll = (error: unknown): boolean =>
  TesseraeError.isInstance(error) && (error.code === 'DIVERGED' || (error.code === 'PEER' && (error as PeerError).problem === 'differs'))
