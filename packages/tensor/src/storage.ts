import { clearPrograms } from './compile/cache.js'
import type { InputRole } from './compile/program.js'
import type { Device, DeviceBuffer } from './device/device.js'
import { byteSize } from './dtype.js'
import { TensorError } from './errors.js'
import { makeNode } from './graph/build.js'
import type { Node, TensorType, Value } from './graph/node.js'
import { elementCount, printShape, resolveShape, type SymValues } from './shape.js'

export type StorageState = 'live' | 'disposed' | 'donated' | 'poisoned'

/**
 * The backstop for tensors that nobody disposed. It watches storages rather than handles, because a graph that was recorded and has not
 * run reads storages whose handles may be gone: `tensor(a).add(tensor(b))` keeps neither.
 */
const collected = new FinalizationRegistry<DeviceBuffer>((buffer) => {
  dropPrograms(buffer)
  buffer.device.free(buffer)
})

/** A frozen buffer may be packed inside programs, so those go when it is no longer to be had as it was. */
const dropPrograms = (buffer: DeviceBuffer): void => void clearPrograms(buffer.device, (program) => program.inputs.some((input) => input.frozen === buffer))

/** Where a realised tensor's values live: host bytes waiting for a device, or a device buffer. One handle owns it. */
export class Storage {
  state: StorageState = 'live'
  private currentRole: InputRole = 'input'
  private held: DeviceBuffer | undefined
  host: Uint8Array | undefined
  /** Values of the symbols in `type.shape`. */
  readonly symbols: SymValues
  /** A buffer that somebody else owns (mapped weights, a view) is not freed with the handle. */
  readonly borrowed: boolean
  readonly type: TensorType
  readonly node: Node
  /** Whose buffer is borrowed: it must not be collected before this. */
  readonly lender: Storage | undefined

  constructor(type: TensorType, options: { buffer?: DeviceBuffer; host?: Uint8Array; symbols?: SymValues; borrowed?: boolean; lender?: Storage } = {}) {
    this.lender = options.lender
    this.type = type
    this.host = options.host
    this.symbols = options.symbols ?? noSymbols
    this.borrowed = options.borrowed ?? false
    if (options.buffer !== undefined) this.hold(options.buffer)
    this.node = makeNode('input', [], {}, [type], this)
  }

  get buffer(): DeviceBuffer | undefined {
    return this.held
  }

  get role(): InputRole {
    return this.currentRole
  }

  set role(role: InputRole) {
    if (this.currentRole === 'frozen' && role !== 'frozen' && this.held !== undefined) dropPrograms(this.held)
    this.currentRole = role
  }

  get value(): Value {
    return { node: this.node, index: 0 }
  }

  get device(): Device | undefined {
    return this.buffer?.device
  }

  /** Bytes the values take in this call (symbols at their value). */
  get bytes(): number {
    return resolveShape(this.type.shape, this.symbols).reduce((a, b) => a * b, 1) * byteSize(this.type.dtype)
  }

  /** Throws unless the values may be used. */
  check(): void {
    if (this.state === 'live') return
    const what = `tensor ${this.type.dtype}${printShape(this.type.shape)}`
    if (this.state === 'disposed') throw new TensorError('DISPOSED', `${what} was disposed; keep the handle until its last use, or clone() it first`)
    if (this.state === 'donated')
      throw new TensorError('DONATED', `${what} was donated to a jitted call, which reuses its memory; use the call's result, or leave the argument out of donate`)
    throw new TensorError('POISONED', `${what} was donated to a call that failed after it had started, so its values are undefined; restore it from a copy or a checkpoint`)
  }

  /** The buffer on a device, uploading host values the first time. */
  on(device: Device): DeviceBuffer {
    this.check()
    if (this.buffer !== undefined) {
      if (this.buffer.device !== device)
        throw new TensorError('DEVICE', `tensor ${this.type.dtype}${printShape(this.type.shape)} is on ${this.buffer.device.name}, the program runs on ${device.name}; move it with to('${device.name}')`)
      return this.buffer
    }
    const buffer = device.alloc(elementCount(this.type.shape) * byteSize(this.type.dtype))
    if (this.host !== undefined && this.host.byteLength > 0) device.write(buffer, this.host)
    this.hold(buffer)
    this.host = undefined
    return buffer
  }

  /** Gives the memory back. Safe to call twice. */
  dispose(): void {
    if (this.state === 'disposed') return
    const owned = this.state === 'live' || this.state === 'poisoned'
    this.state = 'disposed'
    this.release(owned)
  }

  /** Lets go of the buffer: `free` returns it to the device, otherwise somebody else has it now. */
  release(free: boolean): void {
    const buffer = this.held
    if (buffer !== undefined) {
      collected.unregister(this)
      if (this.currentRole === 'frozen') dropPrograms(buffer)
      if (free && !this.borrowed) buffer.device.free(buffer)
    }
    this.held = undefined
    this.host = undefined
  }

  private hold(buffer: DeviceBuffer): void {
    this.held = buffer
    if (!this.borrowed) collected.register(this, buffer, this)
  }
}

const noSymbols: SymValues = new Map()

/** The storage behind an input node. */
export const storageOf = (node: Node): Storage | undefined => (node.source instanceof Storage ? node.source : undefined)
