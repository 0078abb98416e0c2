/** The calls to MPI that a group makes, with their statuses checked. */
import { TensorError } from '../../../errors.js'
import type { GroupBytes, ReduceOp } from '../../group.js'
import type { MpiLibrary, NativeCall } from './library.js'

const longestErrorText = 512
const statusBytes = 64

/** An operation that MPI goes on with whenever it is asked how far it is. */
export interface Pending {
  /** Whether it is done. Errors: RUNTIME. */
  test(): boolean
}

/**
 * MPI in this process, from one thread only. Memory given to a `start…` has to stay referenced until the operation is done, and for good when it never is: {@link Mpi.abandon}.
 */
export class Mpi {
  private readonly calls: Readonly<Record<keyof ReturnType<typeof bindAll>, NativeCall>>
  private readonly out: Int32Array
  private readonly outAt: number
  private comm = 0
  private funneled = false
  rank = 0
  size = 1

  constructor(readonly library: MpiLibrary) {
    this.calls = bindAll(library)
    this.out = new Int32Array(new ArrayBuffer(16))
    this.outAt = library.addressOf(this.out.buffer)
  }

  /** Starts MPI, unless somebody has, and makes a communicator of all processes. Whether this call has started it. Errors: RUNTIME, VALUE when MPI has been ended. */
  start(): boolean {
    const { constants } = this.library
    if (this.flag('Finalized') !== 0)
      throw new TensorError(
        'VALUE',
        'mpiGroup: MPI was ended in this process and cannot be started again; make one group and close it at the end',
      )
    const started = this.flag('Initialized') === 0
    if (started) {
      this.check('MPI_Init_thread', this.calls.Init_thread(0, 0, constants.funneled, this.outAt))
      this.funneled = this.out[0]! >= constants.funneled
    }
    // Otherwise an error ends the process.
    this.check('MPI_Comm_set_errhandler', this.calls.Comm_set_errhandler(constants.world, constants.errorsReturn))
    this.check('MPI_Comm_dup', this.calls.Comm_dup(constants.world, this.outAt))
    this.comm = this.outHandle()
    this.check('MPI_Comm_set_errhandler', this.calls.Comm_set_errhandler(this.comm, constants.errorsReturn))
    this.check('MPI_Comm_rank', this.calls.Comm_rank(this.comm, this.outAt))
    this.rank = this.out[0]!
    this.check('MPI_Comm_size', this.calls.Comm_size(this.comm, this.outAt))
    this.size = this.out[0]!
    return started
  }

  /** Ends MPI; waits for all processes to do so. */
  finalize(): void {
    this.check('MPI_Finalize', this.calls.Finalize())
  }

  startAllReduce(data: GroupBytes, op: ReduceOp): Pending {
    const { constants } = this.library
    return this.startCall('MPI_Iallreduce', [data], (request) =>
      this.calls.Iallreduce(
        constants.inPlace,
        this.at(data),
        data.length,
        typeOf(this.library, data),
        constants.ops[op],
        this.comm,
        request,
      ),
    )
  }

  startReduceScatter(data: GroupBytes, into: GroupBytes, op: ReduceOp): Pending {
    return this.startCall('MPI_Ireduce_scatter_block', [data, into], (request) =>
      this.calls.Ireduce_scatter_block(
        this.at(data),
        this.at(into),
        into.length,
        typeOf(this.library, data),
        this.library.constants.ops[op],
        this.comm,
        request,
      ),
    )
  }

  startAllGather(data: GroupBytes, into: GroupBytes): Pending {
    const type = typeOf(this.library, data)
    return this.startCall('MPI_Iallgather', [data, into], (request) =>
      this.calls.Iallgather(this.at(data), data.length, type, this.at(into), data.length, type, this.comm, request),
    )
  }

  startBroadcast(data: GroupBytes, root: number): Pending {
    return this.startCall('MPI_Ibcast', [data], (request) =>
      this.calls.Ibcast(this.at(data), data.length, typeOf(this.library, data), root, this.comm, request),
    )
  }

  private startCall(name: string, memory: readonly GroupBytes[], start: (request: number) => number): Pending {
    // The request, the flag and the status of MPI_Test lie one after another.
    const cells = new ArrayBuffer(16 + statusBytes)
    const at = this.library.addressOf(cells)
    const flag = new Int32Array(cells, 8, 1)
    this.check(name, start(at))
    const held = { cells, memory }
    pending.add(held)
    return {
      test: () => {
        this.check(name, this.calls.Test(at, at + 8, at + 16))
        if (flag[0] === 0) return false
        pending.delete(held)
        return true
      },
    }
  }

  private flag(name: 'Initialized' | 'Finalized'): number {
    this.check(`MPI_${name}`, this.calls[name](this.outAt))
    return this.out[0]!
  }

  private outHandle(): number {
    return this.library.constants.handle === 'int32_t' ? this.out[0]! : (this.out[0]! >>> 0) + this.out[1]! * 2 ** 32
  }

  private at(data: GroupBytes): number {
    return this.library.addressOf(data.buffer) + data.byteOffset
  }

  private check(name: string, status: number): void {
    if (status === 0) return
    const memory = new ArrayBuffer(longestErrorText + 8)
    const at = this.library.addressOf(memory)
    const text =
      this.calls.Error_string(status, at, at + longestErrorText) === 0
        ? new TextDecoder().decode(new Uint8Array(memory, 0, Math.min(new Int32Array(memory, longestErrorText, 1)[0]!, longestErrorText)))
        : 'which has no text'
    throw new TensorError('RUNTIME', `${name} failed with status ${status}: ${text.trim()} (${this.library.version})`)
  }
}

/** What MPI may still read or write: an operation that failed on the way never tells that it is done with its memory. */
const pending = new Set<object>()

function typeOf({ constants }: MpiLibrary, data: GroupBytes): number {
  const { f32, f64, i32, u8 } = constants.types
  return data instanceof Float32Array ? f32 : data instanceof Float64Array ? f64 : data instanceof Int32Array ? i32 : u8
}

function bindAll({ bind, constants: { handle } }: MpiLibrary) {
  const pointer = 'int64_t'
  return {
    Initialized: bind('MPI_Initialized', [pointer]),
    Finalized: bind('MPI_Finalized', [pointer]),
    Init_thread: bind('MPI_Init_thread', [pointer, pointer, 'int', pointer]),
    Finalize: bind('MPI_Finalize', []),
    Comm_set_errhandler: bind('MPI_Comm_set_errhandler', [handle, handle]),
    Comm_dup: bind('MPI_Comm_dup', [handle, pointer]),
    Comm_rank: bind('MPI_Comm_rank', [handle, pointer]),
    Comm_size: bind('MPI_Comm_size', [handle, pointer]),
    Iallreduce: bind('MPI_Iallreduce', [pointer, pointer, 'int', handle, handle, handle, pointer]),
    Ireduce_scatter_block: bind('MPI_Ireduce_scatter_block', [pointer, pointer, 'int', handle, handle, handle, pointer]),
    Iallgather: bind('MPI_Iallgather', [pointer, 'int', handle, pointer, 'int', handle, handle, pointer]),
    Ibcast: bind('MPI_Ibcast', [pointer, 'int', handle, 'int', handle, pointer]),
    Test: bind('MPI_Test', [pointer, pointer, pointer]),
    Error_string: bind('MPI_Error_string', ['int', pointer, pointer]),
  }
}
