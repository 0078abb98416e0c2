/**
 * Shared memory of the block that runs, and who touched it since the last barrier. Threads of a block run one after another here, so what they would see is certain; on a
 * device it is only where a barrier stands between, and that is what is checked.
 */
import type { PtxVariable } from './ptx-text.js'

/** Between arrays lie this many bytes that are nobody's, so that one that is left is noticed. Devices put them side by side. */
const GAP = 64
const THREAD_BITS = 11
const THREADS = (1 << THREAD_BITS) - 1
/** In place of one thread. */
const MANY = THREADS
const ATOMIC = THREADS - 1
const NEVER = -1
const NOBODYS = -2
const LAST_EPOCH = 2 ** (31 - THREAD_BITS) - 2

export interface SharedLayout {
  readonly offsets: ReadonlyMap<string, number>
  /** Of the arrays whose size the text says, gaps included. */
  readonly bytes: number
  /** The same packed as devices pack it. */
  readonly packedBytes: number
  /** The arrays, without the gaps. */
  readonly ranges: readonly (readonly [from: number, to: number])[]
}

export function layOutShared(variables: readonly PtxVariable[]): SharedLayout {
  const offsets = new Map<string, number>()
  const ranges: (readonly [number, number])[] = []
  let [bytes, packedBytes] = [0, 0]
  const align = (at: number, to: number): number => Math.ceil(at / to) * to
  for (const variable of variables) {
    if (variable.space !== 'shared' || variable.bytes === 0) continue
    const offset = align(bytes, Math.max(16, variable.align))
    offsets.set(variable.name, offset)
    ranges.push([offset, offset + variable.bytes])
    bytes = offset + variable.bytes + GAP
    packedBytes = align(packedBytes, variable.align) + variable.bytes
  }
  // Arrays sized by the launch all begin at one place, behind the others.
  bytes = align(bytes, 1024)
  for (const { name, space, bytes: own } of variables) if (space === 'shared' && own === 0) offsets.set(name, bytes)
  return { offsets, bytes, packedBytes, ranges }
}

export interface SharedChecks {
  readonly races: boolean
  readonly uninitialised: boolean
}

export type SharedProblem = (
  kind: 'address' | 'misaligned' | 'race' | 'uninitialised',
  line: number,
  thread: number,
  message: string,
) => never

export class SharedMemory {
  readonly bytes: Uint8Array
  private readonly writers: Int32Array
  private readonly readers: Int32Array
  private readonly lines: Int32Array
  /** Copies under way that end in each granule. */
  private readonly pending: Uint8Array
  private readonly shift: number
  private epoch = 1
  /** The first epoch of the block that runs. */
  private first = 1

  constructor(
    private readonly layout: SharedLayout,
    dynamicBytes: number,
    /** Bytes that are looked at as one: the least that the kernel reads or writes at once. */
    private readonly granule: 1 | 2 | 4,
    private readonly checks: SharedChecks,
    private readonly fail: SharedProblem,
  ) {
    const size = layout.bytes + dynamicBytes
    this.bytes = new Uint8Array(Math.ceil(size / 16) * 16)
    this.shift = granule === 4 ? 2 : granule === 2 ? 1 : 0
    const count = Math.ceil(this.bytes.length / granule)
    this.writers = new Int32Array(count).fill(NOBODYS)
    this.readers = new Int32Array(count).fill(NEVER)
    this.lines = new Int32Array(count)
    this.pending = new Uint8Array(count)
    for (const [from, to] of [...layout.ranges, [layout.bytes, size] as const])
      this.writers.fill(NEVER, from >> this.shift, Math.ceil(to / granule))
  }

  /** Nothing was written yet. What the block before left stays, as on devices. */
  beginBlock(): void {
    if (this.epoch >= LAST_EPOCH - 1) {
      for (let i = 0; i < this.writers.length; i++) if (this.writers[i] !== NOBODYS) this.writers[i] = NEVER
      this.readers.fill(NEVER)
      this.epoch = 0
    }
    this.epoch++
    this.first = this.epoch
    this.pending.fill(0)
  }

  barrier(): void {
    if (++this.epoch > LAST_EPOCH) throw new RangeError('a block passed more barriers than are counted here')
  }

  read(at: number, bytes: number, thread: number, line: number): void {
    // Most reads are of one granule, written before the last barrier or by the thread itself, and read by others.
    if (bytes === this.granule && (at & (bytes - 1)) === 0 && at >= 0 && at < this.bytes.length) {
      const i = at >> this.shift
      const now = this.epoch << THREAD_BITS
      const writer = this.writers[i]!
      if (writer >= this.first << THREAD_BITS && (writer < now || writer === (now | thread)) && this.pending[i] === 0) {
        const reader = this.readers[i]!
        if (reader < now) this.readers[i] = now | thread
        else if (reader !== (now | thread)) this.readers[i] = now | MANY
        return
      }
    }
    this.bounds(at, bytes, thread, line)
    const last = (at + bytes - 1) >> this.shift
    for (let i = at >> this.shift; i <= last; i++) {
      const writer = this.writers[i]!
      if (writer === NOBODYS) this.outside(at, thread, line)
      if (this.pending[i] !== 0 && this.checks.races)
        this.fail(
          'race',
          line,
          thread,
          `${this.nameOf(at)} is being filled by the cp.async of line ${this.lines[i]}, which nothing waited for`,
        )
      if (writer >> THREAD_BITS < this.first) {
        if (this.checks.uninitialised) this.fail('uninitialised', line, thread, `${this.nameOf(at)} was written by no thread of the block`)
      } else if (writer >> THREAD_BITS === this.epoch && (writer & THREADS) !== thread && this.checks.races)
        this.fail(
          'race',
          line,
          thread,
          `${this.nameOf(at)} was written by ${who(writer)} at line ${this.lines[i]}, and no barrier stands between`,
        )
      const reader = this.readers[i]!
      if (reader >> THREAD_BITS !== this.epoch) this.readers[i] = (this.epoch << THREAD_BITS) | thread
      else if ((reader & THREADS) !== thread) this.readers[i] = (this.epoch << THREAD_BITS) | MANY
    }
  }

  write(at: number, bytes: number, thread: number, line: number): void {
    this.claim(at, bytes, thread, line, thread)
  }

  /** Atomic operations of several threads are in order with each other, not with ordinary reads and writes. */
  update(at: number, bytes: number, thread: number, line: number): void {
    if (this.checks.uninitialised && this.writers[at >> this.shift]! >> THREAD_BITS < this.first) {
      this.bounds(at, bytes, thread, line)
      this.fail('uninitialised', line, thread, `${this.nameOf(at)} was written by no thread of the block`)
    }
    this.claim(at, bytes, thread, line, ATOMIC)
  }

  /** A copy begins, by which the bytes are neither old nor new until it is waited for. */
  beginCopy(at: number, bytes: number, thread: number, line: number): void {
    this.claim(at, bytes, thread, line, thread)
    for (let i = at >> this.shift; i <= (at + bytes - 1) >> this.shift; i++) this.pending[i]!++
  }

  endCopy(at: number, bytes: number, thread: number): void {
    for (let i = at >> this.shift; i <= (at + bytes - 1) >> this.shift; i++) {
      this.pending[i]!--
      this.writers[i] = (this.epoch << THREAD_BITS) | thread
    }
  }

  /** Where only bounds are looked at. */
  bounds(at: number, bytes: number, thread: number, line: number): void {
    if (!(at >= 0 && at + bytes <= this.bytes.length)) this.outside(at, thread, line)
    // Vectors of bytes and halves are as long as their alignment, as all others are.
    if (at % bytes !== 0) this.fail('misaligned', line, thread, `shared address ${at} is no multiple of ${bytes}`)
  }

  private claim(at: number, bytes: number, thread: number, line: number, as: number): void {
    this.bounds(at, bytes, thread, line)
    const last = (at + bytes - 1) >> this.shift
    for (let i = at >> this.shift; i <= last; i++) {
      const writer = this.writers[i]!
      if (writer === NOBODYS) this.outside(at, thread, line)
      if (this.checks.races) {
        if (this.pending[i] !== 0)
          this.fail(
            'race',
            line,
            thread,
            `${this.nameOf(at)} is being filled by the cp.async of line ${this.lines[i]}, which nothing waited for`,
          )
        if (writer >> THREAD_BITS === this.epoch && (writer & THREADS) !== thread && (writer & THREADS) !== as)
          this.fail(
            'race',
            line,
            thread,
            `${this.nameOf(at)} was written by ${who(writer)} at line ${this.lines[i]}, and no barrier stands between`,
          )
        const reader = this.readers[i]!
        if (reader >> THREAD_BITS === this.epoch && (reader & THREADS) !== thread)
          this.fail('race', line, thread, `${this.nameOf(at)} was read by ${who(reader)}, and no barrier stands between`)
      }
      this.writers[i] = (this.epoch << THREAD_BITS) | as
      this.lines[i] = line
    }
  }

  private outside(at: number, thread: number, line: number): never {
    return this.fail('address', line, thread, `shared address ${at} is in no array: ${this.nameOf(at)}`)
  }

  /** The array that an address is in or behind. */
  private nameOf(at: number): string {
    let best: readonly [string, number] | undefined
    for (const entry of this.layout.offsets) if (entry[1] <= at && (best === undefined || entry[1] > best[1])) best = entry
    return best === undefined ? `${at} bytes from the start` : `byte ${at - best[1]} of ${best[0]}`
  }
}

const who = (mark: number): string => {
  const thread = mark & THREADS
  return thread === MANY ? 'other threads' : thread === ATOMIC ? 'an atomic operation' : `thread ${thread}`
}
