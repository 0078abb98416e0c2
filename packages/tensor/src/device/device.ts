import type { DType } from '../dtype.js'
import { TensorError } from '../errors.js'
import type { TensorType } from '../graph/node.js'
import type { Program } from '../compile/program.js'
import type { Attrs } from '../graph/node.js'
import { checkSymbols, type SymValues } from '../shape.js'
import type { WholeModel, WholeModelSession } from './onnx/whole-model.js'

export type DeviceKind = 'reference' | 'cpu' | 'webgpu' | 'cuda' | 'null'
/** What a device is asked for by: its kind, or `'auto'` for the fastest that works here. */
export type DeviceName = DeviceKind | 'auto'

export interface DeviceCaps {
  /** Dtypes a buffer can hold. */
  readonly dtypes: readonly DType[]
  /** Outputs may be bound to an input's buffer. */
  readonly alias: boolean
  /** Outputs are written where they were bound, without a copy afterwards. */
  readonly outputsInPlace: boolean
  /** Threads that the device computes with, part of the reproducibility statement. */
  readonly threads: number
  /**
   * A program with a symbol for a length is nearly as fast as one compiled for that length (decoding takes a twentieth longer), and keeping several costs memory: so one is compiled for all
   * lengths. Absent where kernels are made for fixed sizes.
   */
  readonly anyLength?: true
  /** Runs go on by themselves while JavaScript does something else. Absent where they keep it waiting. */
  readonly background?: true
}

/** Memory on a device. Belongs to the handle that owns it; never shared between devices. */
export interface DeviceBuffer {
  readonly device: Device
  /** Size as asked for. */
  readonly bytes: number
}

export interface Executable {
  readonly program: Program
  /** Releases what the device holds for the program; deferred while it runs. */
  dispose(): void
}

export interface RunOptions {
  readonly signal?: AbortSignal
  /** Ask for a run off the calling thread even where the program is short. */
  readonly async?: boolean
  /** Collects time per node in milliseconds when given. */
  readonly profile?: ProfileSink
}

/** Receives one entry per executed node. `name` is the op, `detail` the device's own name for what ran. */
export type ProfileSink = (entry: { readonly name: string; readonly detail: string; readonly ms: number }) => void

/** What a device tells of its memory, for estimates before something large is allocated. What is absent is not known. */
export interface DeviceRoom {
  /** Bytes of the largest tensor. */
  readonly largestTensor?: number
  /** Bytes that can be had now. */
  readonly free?: number
  /** The memory is that in which JavaScript keeps its arrays too, so tensors whose values wait there have it already. */
  readonly host?: boolean
  /** Where the figures are from, for people. */
  readonly source: string
}

/** Bytes and programs a device holds right now. */
export interface DeviceMemory {
  readonly liveBytes: number
  readonly liveBuffers: number
  readonly peakBytes: number
  readonly programs: number
}

const unstarted = new WeakSet<object>()

/** Marks the error of a run that ended before it had started, as by a signal while it waited: its buffers are as they were. */
export function markUnstarted<E extends object>(error: E): E {
  unstarted.add(error)
  return error
}

/**
 * What every device looks at before a run.
 *
 * @throws TensorError `ABORTED` when the signal has come, `DISPOSED` when the program was; both marked as unstarted
 */
export function checkStart(executable: { readonly disposed: boolean }, { signal }: RunOptions): void {
  if (signal?.aborted === true)
    throw markUnstarted(new TensorError('ABORTED', 'the run was aborted before it started', { cause: signal.reason }))
  if (executable.disposed) throw markUnstarted(new TensorError('DISPOSED', 'run: this program was disposed'))
}

/** What is said to whoever uses a device that was disposed. */
export const disposedError = ({ description }: Pick<Device, 'description'>): TensorError =>
  new TensorError('DISPOSED', `the device (${description}) was disposed`)

/** Errors: DEVICE for a buffer of another device. */
export function checkOwner(device: Device, buffer: DeviceBuffer): void {
  if (buffer.device === device) return
  throw new TensorError('DEVICE', `a buffer of device '${buffer.device.name}' was given to '${device.description}'; move the tensor first`)
}

/** Errors: VALUE for another number of buffers than the program has, and for symbols without a value or out of their range. */
export function checkCall(program: Program, inputs: readonly unknown[], outputs: readonly unknown[], symbols: SymValues): void {
  if (inputs.length !== program.inputs.length || outputs.length !== program.outputs.length)
    throw new TensorError(
      'VALUE',
      `the program has ${program.inputs.length} inputs and ${program.outputs.length} outputs and was given ${inputs.length} and ${outputs.length} buffers`,
    )
  checkSymbols(program.symbols, symbols)
}

export const isUnstarted = (error: unknown): boolean => typeof error === 'object' && error !== null && unstarted.has(error)

/**
 * What the compiler needs of a device. A device is one first-in, first-out queue: runs start in the order in which
 * `run` was called and never overlap, so a buffer freed after `run` returned is reused only once that run has ended.
 */
export interface Device {
  readonly name: DeviceKind
  /** What runs underneath, for people: 'onnxruntime 1.30.0 (C API), 2 threads'. */
  readonly description: string
  readonly caps: DeviceCaps
  /** Lost or disposed, and of no more use; a device that cannot be lost need not say so. */
  readonly gone?: boolean
  /** What else it found and uses, for people, a line each; asking may open it. */
  notes?(): readonly string[]
  /** Whether the device runs the op itself; otherwise the compiler decomposes it. */
  supports(op: string, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs): boolean
  alloc(bytes: number): DeviceBuffer
  /** A buffer with values that will not change, in memory that suits such better than what `alloc` gives; undefined where there is none. */
  keep?(bytes: Uint8Array): DeviceBuffer | undefined
  /**
   * A further buffer over a part of a buffer's memory, which stays until all of them are freed. Runs write into each as if the others were not there. Absent where buffers cannot share memory; undefined where
   * this part cannot be one.
   */
  overlap?(buffer: DeviceBuffer, offset: number, bytes: number): DeviceBuffer | undefined
  /** Frees after the runs that were queued so far. Freeing twice is an error. */
  free(buffer: DeviceBuffer): void
  /** Copies storage bytes into the buffer, ordered after the runs queued so far. */
  write(buffer: DeviceBuffer, bytes: Uint8Array): void
  /** Copies the first `bytes` bytes (default: all) out, after the runs queued so far. */
  read(buffer: DeviceBuffer, bytes?: number): Promise<Uint8Array>
  /** The first `bytes` bytes themselves, after the runs queued so far, for as long as nobody writes to the buffer or frees it. Absent where they lie out of JavaScript's reach. */
  peek?(buffer: DeviceBuffer, bytes: number): Promise<Uint8Array>
  compile(program: Program): Promise<Executable>
  /**
   * Runs a program: `inputs` and `outputs` are parallel to `program.inputs` and `program.outputs`. An aliased output
   * is given the same buffer as its input. Returns nothing when the run has ended (or is ordered on the device's own
   * queue), a promise when it is under way on another thread; errors are thrown or reject, marked with
   * `markUnstarted` where no buffer was touched.
   */
  run(
    executable: Executable,
    inputs: readonly DeviceBuffer[],
    outputs: readonly DeviceBuffer[],
    symbols: SymValues,
    options?: RunOptions,
  ): void | Promise<void>
  /** Makes an ONNX model ready to run as it is; devices over ONNX Runtime alone have it. */
  openModel?(model: WholeModel): Promise<WholeModelSession>
  /** Resolves when everything queued has ended. */
  sync(): Promise<void>
  memory(): DeviceMemory
  /** Asked anew before each estimate. A device without it says nothing. */
  room?(): DeviceRoom
  /** Releases everything. */
  dispose(): Promise<void>
}
