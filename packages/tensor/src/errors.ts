import { TesseraeError } from '@tesserae/core'

/** Why a tensor operation failed; see each code's comment for what to do. */
export type TensorErrorCode =
  | 'SHAPE' // shapes do not fit the operation
  | 'DTYPE' // a dtype the operation does not take
  | 'VALUE' // an argument out of its range
  | 'DISPOSED' // the tensor was disposed, the group closed
  | 'DONATED' // the tensor's buffer was given to a jitted call
  | 'POISONED' // a call that owned the buffer failed half way
  | 'TRACE' // something that cannot happen inside jit
  | 'GRADIENT' // no derivative exists where one was asked for
  | 'DEVICE' // the device cannot do this, or is missing
  | 'DEVICE_LOST' // the device went away
  | 'OUT_OF_MEMORY'
  | 'RUNTIME' // the device's runtime reported a failure
  | 'UNSUPPORTED' // the device has no way to run this op at these types
  | 'KERNEL' // a kernel was put together wrongly: a defect of this package, or of a kernel of one's own
  | 'ABORTED' // a signal was aborted
  | 'PEER' // another rank of a process group is gone, late, has given up or does something else: see PeerError
  | 'FILE' // a file is malformed
  | 'IO' // a file could not be read or written

/** An error of the tensor package. */
export class TensorError extends TesseraeError {
  declare readonly code: TensorErrorCode

  constructor(code: TensorErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(code, message, options)
  }
}

/** What is the matter with a rank: its process or thread has ended; it did not come in time; it left because of an error; it does something else than this one. */
export type PeerProblem = 'gone' | 'late' | 'gave-up' | 'differs'

/** An error, code PEER, that lies with other ranks of a process group. */
export class PeerError extends TensorError {
  /** The ranks concerned, in order. */
  readonly ranks: readonly number[]
  readonly problem: PeerProblem

  constructor(message: string, ranks: readonly number[], problem: PeerProblem, options?: { readonly cause?: unknown }) {
    super('PEER', message, options)
    this.ranks = [...ranks].sort((a, b) => a - b)
    this.problem = problem
  }
}
