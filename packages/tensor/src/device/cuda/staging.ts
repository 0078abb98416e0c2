import type { CudaDriver, DevicePointer, Handle, PinnedMemory } from './driver.js'
import { eventEnded } from './waiting.js'

/** Copies to the device go in pieces of at most this. */
const PIECE = 4 * 1024 * 1024
const LEAST = 4096
/** Bytes of pieces that may be on their way before a write waits for the first. */
const MOST = 64 * 1024 * 1024

interface Flight {
  readonly memory: PinnedMemory
  /** Recorded behind the copy. */
  readonly event: Handle
}

/**
 * Copies between host and device through pinned memory, which copies may go on using after the call. Pinning is slow and holds up the device, so pieces are used again:
 * in sizes that are powers of two, once the event behind their last copy has ended.
 */
export class Staging {
  private readonly spare = new Map<number, PinnedMemory[]>()
  /** In the order of the stream. */
  private flights: Flight[] = []
  private readonly events: Handle[] = []
  private held = 0

  constructor(
    private readonly driver: CudaDriver,
    private readonly stream: Handle,
    private readonly context: Handle,
  ) {}

  /** Copies bytes to the device, which are the caller's again at once, and zeros behind them up to `size`. */
  toDevice(to: DevicePointer, bytes: Uint8Array, size = bytes.byteLength): void {
    for (let at = 0; at < size; at += PIECE) {
      const piece = bytes.subarray(at, at + PIECE)
      const length = Math.min(PIECE, size - at)
      const memory = this.take(length)
      memory.bytes.set(piece)
      memory.bytes.fill(0, piece.byteLength, length)
      try {
        this.driver.copyToDeviceAsync(to + at, memory, length, this.stream)
      } catch (error) {
        this.give(memory)
        throw error
      }
      // Without a mark behind it nobody knows when the memory may be used again: then it goes with the context.
      this.flights.push({ memory, event: this.mark() })
    }
  }

  /** The copy is ordered at once, whatever happens on the stream before it has been awaited. */
  async toHost(from: DevicePointer, bytes: number): Promise<Uint8Array> {
    const memory = this.take(bytes)
    try {
      this.driver.copyToHostAsync(memory, from, bytes, this.stream)
    } catch (error) {
      this.give(memory)
      throw error
    }
    await this.ended()
    const result = memory.bytes.slice(0, bytes)
    this.give(memory)
    return result
  }

  /** Resolves when what is on the stream now has ended. */
  async ended(): Promise<void> {
    const event = this.mark()
    try {
      await eventEnded(this.driver, this.context, event)
    } finally {
      this.events.push(event)
    }
  }

  /** Lets go of memory that waits to be used again. */
  trim(): void {
    this.land()
    for (const memories of this.spare.values()) for (const memory of memories) this.unpin(memory)
    this.spare.clear()
  }

  /** Lets go of everything; nothing may be under way. */
  dispose(): void {
    this.trim()
    for (const event of this.events) this.driver.eventDestroy(event)
    this.events.length = 0
  }

  private mark(): Handle {
    const event = this.events.pop() ?? this.driver.eventCreate()
    try {
      this.driver.eventRecord(event, this.stream)
    } catch (error) {
      this.events.push(event)
      throw error
    }
    return event
  }

  private take(bytes: number): PinnedMemory {
    this.land()
    // What is larger than a piece is made for one use: reads, which have to be ordered as a whole.
    const size = bytes > PIECE ? bytes : Math.max(LEAST, 2 ** Math.ceil(Math.log2(bytes)))
    if (size <= PIECE && this.held + size > MOST && (this.spare.get(size)?.length ?? 0) === 0) {
      if (this.flights.length > 0) this.driver.streamSynchronize(this.stream)
      this.land()
      if ((this.spare.get(size)?.length ?? 0) === 0) this.trim()
    }
    const again = this.spare.get(size)?.pop()
    if (again !== undefined) return again
    const memory = this.driver.hostAlloc(size)
    if (size <= PIECE) this.held += size
    return memory
  }

  private give(memory: PinnedMemory): void {
    const { length } = memory.bytes
    if (length > PIECE) return this.driver.hostFree(memory)
    const others = this.spare.get(length)
    if (others === undefined) this.spare.set(length, [memory])
    else others.push(memory)
  }

  private unpin(memory: PinnedMemory): void {
    this.held -= memory.bytes.length
    this.driver.hostFree(memory)
  }

  /** Takes back pieces whose copies have ended. */
  private land(): void {
    let ended = 0
    while (ended < this.flights.length && this.driver.eventDone(this.flights[ended]!.event)) ended++
    for (const { memory, event } of this.flights.splice(0, ended)) {
      this.events.push(event)
      this.give(memory)
    }
  }
}
