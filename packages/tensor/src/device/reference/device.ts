import type { Program } from '../../compile/program.js'
import { byteSize, decodeStorage, dtypes, encodeStorage } from '../../dtype.js'
import { TensorError } from '../../errors.js'
import { rowOf } from '../../graph/build.js'
import type { TensorType } from '../../graph/node.js'
import { printShape, elementCountAt, type SymValues } from '../../shape.js'
import {
  checkStart,
  type Device,
  type DeviceBuffer,
  type DeviceMemory,
  type DeviceRoom,
  type Executable,
  type RunOptions,
} from '../device.js'
import { interpret } from './interpret.js'

class ReferenceBuffer implements DeviceBuffer {
  freed = false
  readonly data: Uint8Array
  readonly device: Device
  readonly bytes: number

  constructor(device: Device, bytes: number) {
    this.device = device
    this.bytes = bytes
    // Poisoned, so that whatever reads past a symbol's value, or before a write, shows.
    this.data = new Uint8Array(Math.ceil(bytes / 8) * 8).fill(0xff)
  }
}

class ReferenceExecutable implements Executable {
  disposed = false
  readonly program: Program
  private readonly onDispose: () => void

  constructor(program: Program, onDispose: () => void) {
    this.program = program
    this.onDispose = onDispose
  }

  dispose(): void {
    if (this.disposed) return
    this.disposed = true
    this.onDispose()
  }
}

export interface ReferenceDeviceOptions {
  /** Largest buffer in bytes that may be allocated; default no limit. The CPU fallback sets one. */
  readonly maxBytes?: number
  /** Said in front of the size limit's error: why this device is in use. */
  readonly reason?: string
}

/** The oracle: interprets programs in plain TypeScript. Holds every dtype, f64 included. */
export class ReferenceDevice implements Device {
  readonly name = 'reference' as const
  readonly description = 'reference interpreter (plain TypeScript, for tests and reading)'
  readonly caps = { dtypes, alias: true, outputsInPlace: true, threads: 1 }
  private readonly options: ReferenceDeviceOptions
  private liveBytes = 0
  private liveBuffers = 0
  private peakBytes = 0
  private programs = 0
  private disposed = false

  constructor(options: ReferenceDeviceOptions = {}) {
    this.options = options
  }

  supports(op: string): boolean {
    return rowOf(op).reference !== undefined
  }

  alloc(bytes: number): DeviceBuffer {
    if (this.disposed) throw new TensorError('DISPOSED', 'the reference device was disposed')
    const { maxBytes, reason } = this.options
    if (maxBytes !== undefined && bytes > maxBytes)
      throw new TensorError(
        'DEVICE',
        `the reference interpreter was asked for ${bytes} bytes in one tensor, its limit here is ${maxBytes}.${reason === undefined ? '' : ` ${reason}`}`,
      )
    this.liveBytes += bytes
    this.liveBuffers++
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes)
    return new ReferenceBuffer(this, bytes)
  }

  free(buffer: DeviceBuffer): void {
    const own = this.own(buffer)
    if (own.freed) throw new TensorError('DISPOSED', 'a device buffer was freed twice')
    own.freed = true
    this.liveBytes -= own.bytes
    this.liveBuffers--
  }

  write(buffer: DeviceBuffer, bytes: Uint8Array): void {
    if (bytes.byteLength > buffer.bytes)
      throw new TensorError('VALUE', `write: ${bytes.byteLength} bytes do not fit in a buffer of ${buffer.bytes}`)
    this.own(buffer).data.set(bytes)
  }

  async read(buffer: DeviceBuffer, bytes = buffer.bytes): Promise<Uint8Array> {
    if (!Number.isInteger(bytes) || bytes < 0 || bytes > buffer.bytes)
      throw new TensorError('VALUE', `read: ${bytes} bytes of a buffer of ${buffer.bytes}`)
    return this.own(buffer).data.slice(0, bytes)
  }

  compile(program: Program): Promise<Executable> {
    this.programs++
    return Promise.resolve(new ReferenceExecutable(program, () => this.programs--))
  }

  run(
    executable: Executable,
    inputs: readonly DeviceBuffer[],
    outputs: readonly DeviceBuffer[],
    symbols: SymValues,
    options: RunOptions = {},
  ): void {
    checkStart(executable as ReferenceExecutable, options)
    const { program } = executable
    const bytesOf = (what: string, buffer: ReferenceBuffer, { shape, dtype }: TensorType): Uint8Array => {
      const bytes = elementCountAt(shape, symbols) * byteSize(dtype)
      if (bytes > buffer.bytes)
        throw new TensorError('SHAPE', `${what} needs ${bytes} bytes for ${dtype} ${printShape(shape)}; its buffer has ${buffer.bytes}`)
      return buffer.data.subarray(0, bytes)
    }
    const sources = program.inputs.map((input, i) => bytesOf(`input ${i}`, this.own(inputs[i]!), input))
    const targets = program.outputs.map((output, i) => bytesOf(`output ${i}`, this.own(outputs[i]!), output))
    const results = interpret(
      program,
      sources.map((bytes, i) => decodeStorage(program.inputs[i]!.dtype, bytes)),
      symbols,
      options.profile,
    )
    results.forEach((values, i) => targets[i]!.set(encodeStorage(program.outputs[i]!.dtype, values)))
  }

  sync(): Promise<void> {
    return Promise.resolve()
  }

  memory(): DeviceMemory {
    return { liveBytes: this.liveBytes, liveBuffers: this.liveBuffers, peakBytes: this.peakBytes, programs: this.programs }
  }

  room(): DeviceRoom {
    const { maxBytes } = this.options
    return { host: true, ...(maxBytes === undefined ? {} : { largestTensor: maxBytes }), source: 'the limit that it was given' }
  }

  dispose(): Promise<void> {
    this.disposed = true
    return Promise.resolve()
  }

  private own(buffer: DeviceBuffer): ReferenceBuffer {
    if (buffer instanceof ReferenceBuffer && buffer.device === this) {
      if (buffer.freed) throw new TensorError('DISPOSED', 'a device buffer was used after it was freed')
      return buffer
    }
    throw new TensorError('DEVICE', `a buffer of ${buffer.device.name} was given to ${this.name}`)
  }
}

/** A reference device of one's own; buffers are not shared between devices. */
export const referenceDevice = (options?: ReferenceDeviceOptions): Device => new ReferenceDevice(options)
