/**
 * A group of threads: messages go through ports between each two of them, data through memory that all share. Nothing here is Node's own, so it serves pages' workers too, where the page is
 * cross-origin isolated.
 */
import { TensorError } from '../errors.js'
import { Calls, checkDeadline, defaultDeadlineMs, type Channel, type Message, type Turn } from './calls.js'
import type { GroupArray, GroupBytes, ProcessGroup, ReduceOp } from './group.js'
import { makeGroup, type Transfers } from './make-group.js'
import { reduceInOrder } from './reduce.js'

/** One thread's place in a group. It can be sent to a thread once, `ports` being named in the list of what is transferred. */
export interface ThreadSeat {
  readonly rank: number
  readonly size: number
  readonly memory: SharedArrayBuffer
  /** A port for each other rank, in the order of ranks. */
  readonly ports: readonly SeatPort[]
}

/** A `MessagePort` as the reader's own environment has it: projects without the DOM's types know Node's alone, and no type of that name. */
export type SeatPort = InstanceType<typeof MessagePort>

export interface ThreadSeatOptions {
  /** Bytes that move at once, a multiple of 8; larger arrays go in parts. Each thread has twice as much of the shared memory. Default 1 MiB. */
  readonly chunkBytes?: number
}

export interface JoinOptions {
  /** Milliseconds that a call may take where it does not say; default 300,000. */
  readonly deadlineMs?: number
}

const flagBytes = 64 * 1024
const mostThreads = 1024

/** Makes the places of a group of threads. Errors: VALUE; DEVICE where memory cannot be shared. */
export function threadSeats(size: number, options: ThreadSeatOptions = {}): ThreadSeat[] {
  const { chunkBytes = 2 ** 20 } = options
  if (!Number.isInteger(size) || size < 1 || size > mostThreads)
    throw new TensorError('VALUE', `threadSeats: size must be an integer from 1 to ${mostThreads}, got ${size}`)
  if (!Number.isInteger(chunkBytes) || chunkBytes < 8 * size || chunkBytes % 8 !== 0)
    throw new TensorError(
      'VALUE',
      `threadSeats: chunkBytes must be a multiple of 8 and at least ${8 * size} for ${size} threads, got ${chunkBytes}`,
    )
  if (typeof SharedArrayBuffer === 'undefined')
    throw new TensorError(
      'DEVICE',
      'threadSeats: memory cannot be shared here. A page has to be cross-origin isolated: serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp',
    )
  const memory = new SharedArrayBuffer(flagBytes + 2 * size * chunkBytes)
  const ports: SeatPort[][] = Array.from({ length: size }, () => [])
  for (let low = 0; low < size; low++)
    for (let high = low + 1; high < size; high++) {
      const { port1, port2 } = new MessageChannel()
      ports[low]![high - 1] = port1
      ports[high]![low] = port2
    }
  return ports.map((own, rank) => ({ rank, size, memory, ports: own }))
}

/**
 * Takes a place: the calling thread is that rank from now on. Sums are made in the order of ranks, so that all ranks, and all runs, get the same bits. That another thread has ended is noticed at
 * once where ports tell of it (Node), elsewhere (Chromium) at the deadline; a page that learns of it by a worker's `error` event can say so with `abort`.
 */
export function joinThreads(seat: ThreadSeat, options: JoinOptions = {}): ProcessGroup {
  const { rank, size, memory, ports } = checkSeat(seat)
  const calls = new Calls(rank, size, checkDeadline(options.deadlineMs ?? defaultDeadlineMs))
  calls.attach(channelOf(ports, rank, calls))
  return makeGroup(calls, new SharedMemory(rank, size, memory), `${size} threads`)
}

/** What comes from another thread has no type: a seat may be missing, or its ports were not sent with it. */
function checkSeat(seat: ThreadSeat): ThreadSeat {
  const { rank, size, memory, ports } = (seat ?? {}) as Partial<ThreadSeat>
  const isSeat =
    Number.isInteger(size) &&
    Number.isInteger(rank) &&
    rank! >= 0 &&
    rank! < size! &&
    typeof SharedArrayBuffer !== 'undefined' &&
    memory instanceof SharedArrayBuffer &&
    Array.isArray(ports) &&
    ports.length === size! - 1
  if (isSeat) return seat
  const parts = Object.entries({ rank, size, memory, ports }).filter(([, value]) => value === undefined)
  throw new TensorError(
    'VALUE',
    `joinThreads: expected a seat that threadSeats made, sent to its thread with its ports in the list of what is transferred; got ${
      seat === undefined || seat === null
        ? String(seat)
        : parts.length > 0
          ? `one without ${parts.map(([name]) => name).join(', ')}`
          : `rank ${String(rank)} of ${String(size)} with ${String(ports?.length)} ports`
    }`,
  )
}

/** Node lets a port keep its thread alive or not; pages have no such thing. */
type Port = SeatPort & { ref?(): void; unref?(): void }

function channelOf(ports: readonly Port[], rank: number, calls: Calls): Channel {
  ports.forEach((port, i) => {
    const from = i < rank ? i : i + 1
    port.onmessage = ({ data }: MessageEvent<Message>) => calls.receive(from, data)
    port.addEventListener('close', () => calls.gone(from, 'its thread has ended without closing the group'))
  })
  return {
    send: (message) => ports.forEach((port) => port.postMessage(message)),
    hold: (busy) => ports.forEach((port) => (busy ? port.ref?.() : port.unref?.())),
    close: () => ports.forEach((port) => port.close()),
  }
}

/** Moves data through shared memory: each rank has two slots, used in turns, so that one is filled while the slowest rank may still read the other. */
class SharedMemory implements Transfers {
  private readonly flags: Int32Array
  private readonly chunkBytes: number
  private turnOf = 0

  constructor(
    private readonly rank: number,
    private readonly size: number,
    private readonly memory: SharedArrayBuffer,
  ) {
    this.flags = new Int32Array(memory, 0, size)
    this.chunkBytes = (memory.byteLength - flagBytes) / (2 * size)
  }

  async allReduce(data: GroupArray, op: ReduceOp, turn: Turn): Promise<void> {
    await this.inChunks(data.length, this.capacity(data), async (start, end, slot) => {
      const part = data.subarray(start, end)
      const slots = this.slots(part, slot)
      slots[this.rank]!.set(part)
      await this.meet(turn)
      // Each rank adds up a part of its own, and leaves it where rank 0's was.
      const own = (of: GroupArray): GroupArray =>
        of.subarray(Math.floor((part.length * this.rank) / this.size), Math.floor((part.length * (this.rank + 1)) / this.size))
      reduceInOrder(own(slots[0]!), slots.map(own), op)
      await this.meet(turn)
      part.set(slots[0]!)
    })
  }

  async reduceScatter(data: GroupArray, into: GroupArray, op: ReduceOp, turn: Turn): Promise<void> {
    const { size, rank } = this
    await this.inChunks(into.length, Math.floor(this.capacity(data) / size), async (start, end, slot) => {
      const length = end - start
      const slots = this.slots(data.subarray(0, length * size), slot)
      for (let r = 0; r < size; r++) slots[rank]!.set(data.subarray(r * into.length + start, r * into.length + end), r * length)
      await this.meet(turn)
      reduceInOrder(
        into.subarray(start, end),
        slots.map((of) => of.subarray(rank * length, (rank + 1) * length)),
        op,
      )
    })
  }

  async allGather(data: GroupBytes, into: GroupBytes, turn: Turn): Promise<void> {
    await this.inChunks(data.length, this.capacity(data), async (start, end, slot) => {
      const slots = this.slots(data.subarray(start, end), slot)
      slots[this.rank]!.set(data.subarray(start, end))
      await this.meet(turn)
      slots.forEach((from, r) => into.set(from, r * data.length + start))
    })
  }

  async broadcast(data: GroupBytes, root: number, turn: Turn): Promise<void> {
    await this.inChunks(data.length, this.capacity(data), async (start, end, slot) => {
      const part = data.subarray(start, end)
      const from = this.slots(part, slot)[root]!
      if (this.rank === root) from.set(part)
      await this.meet(turn)
      if (this.rank !== root) part.set(from)
    })
  }

  close(): void {}

  private capacity(data: GroupBytes): number {
    return this.chunkBytes / data.BYTES_PER_ELEMENT
  }

  private async inChunks(length: number, most: number, move: (start: number, end: number, slot: number) => Promise<void>): Promise<void> {
    for (let start = 0; start < length; start += most) {
      // A slot is written to again two chunks later: by then all ranks have come to the chunk between, and so are done with this one.
      this.turnOf ^= 1
      await move(start, Math.min(start + most, length), this.turnOf)
    }
  }

  /** Every rank's slot, as arrays of the type and length of `like`. */
  private slots<T extends GroupBytes>(like: T, slot: number): T[] {
    // Node's Buffer is no constructor of its own.
    const Type = (like instanceof Uint8Array ? Uint8Array : like.constructor) as new (
      memory: SharedArrayBuffer,
      offset: number,
      length: number,
    ) => T
    return Array.from(
      { length: this.size },
      (_, rank) => new Type(this.memory, flagBytes + (2 * rank + slot) * this.chunkBytes, like.length),
    )
  }

  /** A phase, around which atomic operations order the plain ones: messages alone promise that nowhere. */
  private async meet(turn: Turn): Promise<void> {
    Atomics.add(this.flags, this.rank, 1)
    await turn.phase()
    for (let rank = 0; rank < this.size; rank++) Atomics.load(this.flags, rank)
  }
}
