import { clearProgramsOver } from './compile/cache.js'
import type { InputRole } from './compile/program.js'
import { reportCollected, trackMemory, type Place, type TrackedMemory } from './debug/leaks.js'
import type { Device, DeviceBuffer } from './device/device.js'
import { byteSize } from './dtype.js'
import { TensorError } from './errors.js'
import { makeNode } from './graph/build.js'
import type { Node, TensorType, Value } from './graph/node.js'
import { elementCount, printShape, resolveShape, type SymValues } from './shape.js'

export type StorageState = 'live' | 'disposed' | 'donated' | 'poisoned'

/** What the backstop frees: it must reach neither the memory that it waits for nor its storage. */
interface Backstop {
  readonly buffer: DeviceBuffer
  tracked: TrackedMemory | undefined
}

/** A buffer with its one owner. It is handed on when a call writes into donated memory, so that a cache costs no registration at every token. */
class Memory {
  constructor(readonly backstop: Backstop) {
    collected.register(this, backstop, this)
  }

  get buffer(): DeviceBuffer {
    return this.backstop.buffer
  }
}

/**
 * The backstop for tensors that nobody disposed. It watches what storages hold rather than handles, because a graph that was recorded and has not
 * run reads storages whose handles may be gone: `tensor(a).add(tensor(b))` keeps neither.
 */
const collected = new FinalizationRegistry<Backstop>(({ buffer, tracked }) => {
  if (tracked !== undefined) reportCollected(tracked)
  // A frozen buffer may be packed inside programs, so those go when it is no longer to be had as it was.
  clearProgramsOver(buffer)
  buffer.device.free(buffer)
})

export interface StorageOptions {
  readonly buffer?: DeviceBuffer
  /** A donated storage whose memory a call wrote the values into: it hands the memory over. */
  readonly heirOf?: Storage
  /** Bytes that wait for a device; the storage has them from now on. */
  readonly host?: Uint8Array
  /** Values of the symbols in the shape. */
  readonly symbols?: SymValues
  /** Whose memory this is another view of: never freed from here, and unusable as soon as the lender is. */
  readonly lender?: Storage
  /** For the leak report, when it is not made where it was asked for. */
  readonly place?: Place | undefined
}

/** Where a realised tensor's values live: host bytes waiting for a device, or a device buffer. One handle owns it. */
export class Storage {
  private currentState: StorageState = 'live'
  private currentRole: InputRole = 'input'
  private held: Memory | undefined
  private waiting: Uint8Array | undefined
  /** Who reads the memory, now or again and again. */
  private users: Set<Reader> | undefined
  private readonly tracked: TrackedMemory | undefined
  /** Increases when the values stop being frozen: programs compiled for them before hold stale copies. */
  epoch = 0
  readonly symbols: SymValues
  readonly type: TensorType
  readonly node: Node
  readonly lender: Storage | undefined

  constructor(type: TensorType, options: StorageOptions = {}) {
    this.type = type
    // A view of a view borrows from whoever owns the memory.
    this.lender = options.lender?.lender ?? options.lender
    this.symbols = options.symbols ?? noSymbols
    this.waiting = options.host
    this.node = makeNode('input', [], {}, [type], this)
    this.tracked = this.lender === undefined ? trackMemory(type, options.place) : undefined
    if (options.buffer !== undefined) this.hold(options.buffer)
    else if (options.heirOf !== undefined) this.inherit(options.heirOf)
  }

  get state(): StorageState {
    return this.currentState
  }

  get buffer(): DeviceBuffer | undefined {
    return this.lender === undefined ? this.held?.buffer : this.lender.buffer
  }

  /** Bytes that wait for a device. */
  get host(): Uint8Array | undefined {
    return this.lender === undefined ? this.waiting : this.lender.host
  }

  get role(): InputRole {
    return this.currentRole
  }

  set role(role: InputRole) {
    if (role !== this.currentRole) this.tellReaders()
    if (this.currentRole === 'frozen' && role !== 'frozen') {
      this.epoch++
      if (this.held !== undefined)
        clearProgramsOver(
          this.held.buffer,
          Array.from(this.uses, (use) => use.ended),
        )
    }
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

  /** Throws unless the values may be used: DISPOSED, DONATED or POISONED. */
  check(): void {
    if (this.currentState === 'live') {
      if (this.lender !== undefined && this.lender.currentState !== 'live') this.lender.refuse('the memory of ')
      return
    }
    this.refuse('')
  }

  /** {@link check} for whoever holds the storage with a {@link Use}: it may have been disposed since, but not given away. */
  checkHeld(): void {
    const owner = this.lender ?? this
    if (owner.currentState !== 'disposed') owner.check()
  }

  private refuse(of: string): never {
    const what = `${of}tensor ${this.describe()}`
    switch (this.currentState) {
      case 'donated':
        throw new TensorError(
          'DONATED',
          `${what} was donated to a jitted call, which reuses its memory; use the call's result, or leave the argument out of donate`,
        )
      case 'poisoned':
        throw new TensorError(
          'POISONED',
          `${what} was donated to a call that failed after it had started, so its values are undefined; restore it from a copy or a checkpoint`,
        )
      default:
        throw new TensorError('DISPOSED', `${what} was disposed; keep the handle until its last use, or clone() it first`)
    }
  }

  /** The buffer on a device, uploading host values the first time. Errors: as {@link check}; DEVICE when it lies on another. */
  on(device: Device): DeviceBuffer {
    this.check()
    return this.place(device)
  }

  /** {@link on} for whoever has taken the storage with a {@link Use}: it may have been disposed since. */
  place(device: Device): DeviceBuffer {
    if (this.lender !== undefined) return this.lender.place(device)
    if (this.held !== undefined) {
      const { buffer } = this.held
      if (buffer.device !== device)
        throw new TensorError(
          'DEVICE',
          `tensor ${this.describe()} is on ${buffer.device.name}, the program runs on ${device.name}; move it with to('${device.name}')`,
        )
      return buffer
    }
    if (this.waiting === undefined) {
      this.check()
      // Planning needs no values; whatever computes would compute with garbage.
      if (device.name !== 'null') this.refuseDeclared()
    }
    const kept = this.currentRole === 'frozen' && this.waiting !== undefined ? device.keep?.(this.waiting) : undefined
    if (kept !== undefined) {
      this.hold(kept)
      this.waiting = undefined
      return kept
    }
    const buffer = device.alloc(elementCount(this.type.shape) * byteSize(this.type.dtype))
    try {
      if (this.waiting !== undefined && this.waiting.byteLength > 0) device.write(buffer, this.waiting)
    } catch (error) {
      device.free(buffer)
      throw error
    }
    this.hold(buffer)
    this.waiting = undefined
    return buffer
  }

  /** A copy of the raw bytes as they are after the runs queued so far. The storage may be disposed as soon as this has been called. */
  read(): Promise<Uint8Array> {
    this.checkHeld()
    const { buffer, host } = this
    if (buffer !== undefined) return buffer.device.read(buffer, this.bytes)
    if (host === undefined) this.refuseDeclared()
    return Promise.resolve(new Uint8Array(host.subarray(0, this.bytes))) // slice() of a Buffer would be a view
  }

  /** The raw bytes themselves where the device lets them be seen, for as long as they stay; else as {@link read}. */
  peek(): Promise<Uint8Array> {
    this.checkHeld()
    const { buffer } = this
    return buffer?.device.peek?.(buffer, this.bytes) ?? this.read()
  }

  private refuseDeclared(): never {
    throw new TensorError(
      'VALUE',
      `tensor ${this.describe()} was declared without values, which only the null device can plan with; make it with tensor() or fromBytes()`,
    )
  }

  /** Ends the storage. The memory goes back now, or when the last thing under way with it has ended. Safe to call twice. */
  dispose(): void {
    if (this.currentState === 'disposed') return
    this.currentState = 'disposed'
    this.tellReaders()
    this.freeUnused()
  }

  /** Gives the memory to a call that starts now. */
  donate(): void {
    // One that was disposed after it had been passed stays so, and is freed should the call fail.
    if (this.currentState !== 'live') return
    this.currentState = 'donated'
    this.tellReaders()
  }

  /** The call ended well and had no use for the memory. */
  discard(): void {
    this.free()
  }

  /** The call failed, before or after it may have written to the memory. */
  returnFromDonation(poisoned: boolean): void {
    // Disposed meanwhile: then the memory goes when the call's use of it ends.
    if (this.currentState !== 'donated') return
    this.currentState = poisoned ? 'poisoned' : 'live'
    this.tellReaders()
  }

  get inUse(): boolean {
    const { users } = this.lender ?? this
    if (users !== undefined) for (const { active } of users) if (active) return true
    return false
  }

  /** What is under way with the memory right now. */
  get uses(): readonly Reader[] {
    return [...((this.lender ?? this).users ?? [])].filter(({ active }) => active)
  }

  enter(reader: Reader): void {
    const owner = this.lender ?? this
    ;(owner.users ??= new Set()).add(reader)
  }

  leave(reader: Reader): void {
    const owner = this.lender ?? this
    owner.users?.delete(reader)
    this.freeUnused()
  }

  /** Frees memory that was disposed while somebody read it, unless somebody still does. */
  freeUnused(): void {
    const owner = this.lender ?? this
    if (owner.currentState === 'disposed' && !owner.inUse) owner.free()
  }

  private tellReaders(): void {
    const { users } = this.lender ?? this
    if (users !== undefined) for (const reader of users) reader.changed?.()
  }

  private free(): void {
    const memory = this.letGo()
    if (memory === undefined) return
    collected.unregister(memory)
    memory.buffer.device.free(memory.buffer)
  }

  private letGo(): Memory | undefined {
    this.tellReaders()
    const memory = this.held
    if (memory !== undefined) {
      this.tracked?.end()
      if (this.currentRole === 'frozen') clearProgramsOver(memory.buffer)
    }
    this.held = undefined
    this.waiting = undefined
    return memory
  }

  private hold(buffer: DeviceBuffer): void {
    this.tellReaders()
    this.tracked?.begin(buffer)
    this.held = new Memory({ buffer, tracked: this.tracked })
  }

  private inherit(donor: Storage): void {
    const memory = donor.letGo()!
    this.tracked?.begin(memory.buffer)
    memory.backstop.tracked = this.tracked
    this.held = memory
  }

  private describe(): string {
    return `${this.type.dtype}${printShape(this.type.shape)}`
  }
}

/** Who reads storages: their memory is freed, and given to calls that overwrite it, only when no reader is active. */
export interface Reader {
  readonly active: boolean
  /** Resolves when it is active no longer. */
  readonly ended: Promise<void>
  /** The storage's state, role or memory is about to be another. */
  changed?(): void
}

/**
 * A computation under way, from the moment it was asked for: what it reads is freed, and given to calls that overwrite
 * it, only afterwards. `dispose()` right after `data()` or a jitted call is therefore safe.
 */
export class Use implements Reader {
  private readonly storages: Storage[] = []
  private over = false
  private announce: (() => void) | undefined
  private awaited: Promise<void> | undefined

  /** Errors: as {@link Storage.check}. */
  take(storage: Storage): void {
    storage.check()
    this.hold(storage)
  }

  /** {@link take} for what was checked before, and perhaps donated since. */
  hold(storage: Storage): void {
    this.storages.push(storage)
    storage.enter(this)
  }

  get active(): boolean {
    return !this.over
  }

  end(): void {
    if (this.over) return
    this.over = true
    for (const storage of this.storages) storage.leave(this)
    this.announce?.()
  }

  [Symbol.dispose](): void {
    this.end()
  }

  /** Resolves at the end. */
  get ended(): Promise<void> {
    if (this.over) return Promise.resolve()
    return (this.awaited ??= new Promise((resolve) => (this.announce = resolve)))
  }
}

const noSymbols: SymValues = new Map()

/** The storage behind an input node. */
export const storageOf = (node: Node): Storage | undefined => (node.source instanceof Storage ? node.source : undefined)
