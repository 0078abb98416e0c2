import type { DeviceBuffer } from '../device/device.js'
import type { Reader, Storage } from '../storage.js'

/** What storages know of a compiled function that captured them: not the others, which would live as long as any of them. */
class CapturesReader implements Reader {
  calls = 0
  /** Nothing has changed since all were looked at. */
  fresh = false
  private announce: (() => void) | undefined
  private awaited: Promise<void> | undefined

  get active(): boolean {
    return this.calls > 0
  }

  get ended(): Promise<void> {
    return this.active ? (this.awaited ??= new Promise((resolve) => (this.announce = resolve))) : Promise.resolve()
  }

  changed(): void {
    this.fresh = false
  }

  end(): boolean {
    if (--this.calls > 0) return false
    this.announce?.()
    this.announce = this.awaited = undefined
    return true
  }
}

/**
 * The tensors that a compiled function captured: a model's weights, hundreds of them at every token. They are looked at one by one only after one of them has changed, and are in use while
 * any call is under way.
 */
export class Captures {
  /** Those whose shapes have symbols. */
  readonly withSymbols: readonly Storage[]
  /** Whose memory they are. */
  readonly owners: ReadonlySet<Storage>
  /** Buffers of the programs' inputs, where these are captured. */
  private known: Buffers = []
  private readonly reader = new CapturesReader()

  constructor(readonly storages: readonly Storage[]) {
    this.withSymbols = storages.filter(({ symbols }) => symbols.size > 0)
    this.owners = new Set(storages.map((storage) => storage.lender ?? storage))
    for (const storage of storages) storage.enter(this.reader)
  }

  /** Whether nothing has changed since {@link look}. */
  get fresh(): boolean {
    return this.reader.fresh
  }

  /** Errors: as {@link Storage.check}. */
  check(): void {
    if (!this.fresh) for (const storage of this.storages) storage.check()
  }

  /** Buffers as `find` finds them, which may place values on the device; again after changes only. */
  buffers(find: () => Buffers): Buffers {
    if (this.fresh) return this.known
    this.known = find()
    this.reader.fresh = true
    return this.known
  }

  /** A call begins that does not end at once. */
  begin(): void {
    this.reader.calls++
  }

  end(): void {
    if (this.reader.end() && !this.fresh) for (const storage of this.storages) storage.freeUnused()
  }

  /** No more calls. */
  dispose(): void {
    for (const storage of this.storages) storage.leave(this.reader)
  }
}

/** By program and input. */
export type Buffers = readonly (readonly (DeviceBuffer | undefined)[])[]
