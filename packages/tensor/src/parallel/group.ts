/** What ranks exchange: memory of the host. */
export type GroupArray = Float32Array | Float64Array | Int32Array
/** What they may pass on without computing with it. */
export type GroupBytes = GroupArray | Uint8Array
export type ReduceOp = 'sum' | 'max' | 'min'

export interface GroupCallOptions {
  /**
   * Milliseconds that the call may take once the rank's earlier calls are done, waiting for the other ranks included; default the group's, which is 300,000 unless it was
   * told another. Ranks that have not come by then are named by the error.
   */
  readonly deadlineMs?: number
  /** Gives the call up with an error named AbortError, and with it the group: the other ranks cannot go on without this one, and are told so. */
  readonly signal?: AbortSignal
}

export interface ReduceOptions extends GroupCallOptions {
  /** Default 'sum'. */
  readonly op?: ReduceOp
}

export interface BroadcastOptions extends GroupCallOptions {
  /** Whose values all get; default 0. */
  readonly root?: number
}

/**
 * Processes or threads that compute together, each with a number from 0, its rank. All ranks make the same calls in the same order, with arrays of the same type and length. A call
 * waits for the others without occupying the thread; a second call made meanwhile is done after the first. An array that was passed must be left alone until the call has ended.
 *
 * Errors, as rejections: PEER, a `PeerError` naming the ranks, when one is gone, late, has given up or makes another call; VALUE for arguments, DISPOSED after `close`, RUNTIME of MPI. Once a call
 * has failed for one rank the group is of no more use to any: every later call rejects with the same error. Only errors in a call's own arguments leave it as it was.
 */
export interface ProcessGroup {
  readonly rank: number
  readonly size: number
  /** What it runs on, for people. */
  readonly description: string
  /** Combines the arrays of all ranks element by element, in place. Integers wrap; where one rank has NaN the largest and smallest are not defined. */
  allReduce(data: GroupArray, options?: ReduceOptions): Promise<void>
  /** Combines arrays of size · n elements, of which each rank keeps its part: rank r gets elements r · n to (r + 1) · n. */
  reduceScatter<T extends GroupArray>(data: T, options?: ReduceOptions): Promise<T>
  /** The arrays of all ranks one after another, in the order of ranks. */
  allGather<T extends GroupBytes>(data: T, options?: GroupCallOptions): Promise<T>
  /** Writes one rank's values into the arrays of all others. */
  broadcast(data: GroupBytes, options?: BroadcastOptions): Promise<void>
  /** Waits until all ranks have come here. */
  barrier(options?: GroupCallOptions): Promise<void>
  /** Leaves because of an error: the calls of the other ranks reject at once, with this reason and this rank in the message. */
  abort(reason: unknown): void
  /** Waits until all ranks have called it and lets go of everything. Call it at the end of each rank. At once where the group has failed. */
  close(options?: GroupCallOptions): Promise<void>
}
