/** The memory of an emulated device: addresses, what is allocated, and which bytes were written. */

/** Where addresses begin: past 32 bits, so that an address kept in too few is none. */
export const DEVICE_BASE = 2 ** 40
/** Between allocations lie this many bytes that are nobody's. */
const GAP = 256
/** Freed memory is given out again only when this much was freed after it. */
const RESTING = 1 << 20
const START = 1 << 16

/** What each byte is. */
export const byteState = { none: 0, freed: 1, unwritten: 2, written: 3 } as const
/** Four bytes that were written. */
export const WORD_WRITTEN = 0x03030303

export interface Allocation {
  readonly address: number
  readonly bytes: number
  readonly number: number
}

interface Range {
  offset: number
  size: number
}

/** Why an access is none. */
export interface MemoryProblem {
  readonly kind: 'address' | 'misaligned' | 'uninitialised'
  readonly message: string
}

export class DeviceMemory {
  /** All views are of one memory; it is another after it has grown. */
  bytes = new Uint8Array(START)
  state = new Uint8Array(START)
  private readonly live = new Map<number, Allocation>()
  private readonly gone = new Map<number, Allocation>()
  private free: Range[] = []
  private readonly resting: Range[] = []
  private restingBytes = 0
  private end = GAP
  private count = 0
  usedBytes = 0

  /** @param capacity bytes that may be allocated at one time */
  constructor(readonly capacity: number) {}

  get allocations(): readonly Allocation[] {
    return [...this.live.values()]
  }

  /** An address, a multiple of 256; undefined when there is no room. The memory holds bits that are NaN and far-off indices. */
  alloc(bytes: number): number | undefined {
    if (this.usedBytes + bytes > this.capacity) return undefined
    const size = Math.ceil(Math.max(1, bytes) / 256) * 256 + GAP
    const offset = this.take(size)
    if (offset === undefined) return undefined
    const address = DEVICE_BASE + offset
    this.live.set(address, { address, bytes, number: ++this.count })
    this.gone.delete(address)
    this.usedBytes += bytes
    this.bytes.fill(0xff, offset, offset + size)
    this.state.fill(byteState.unwritten, offset, offset + bytes)
    this.state.fill(byteState.none, offset + bytes, offset + size)
    return address
  }

  /** Whether there was such an allocation. */
  release(address: number): boolean {
    const allocation = this.live.get(address)
    if (allocation === undefined) return false
    this.live.delete(address)
    this.gone.set(address, allocation)
    this.usedBytes -= allocation.bytes
    const offset = address - DEVICE_BASE
    const size = Math.ceil(Math.max(1, allocation.bytes) / 256) * 256 + GAP
    this.state.fill(byteState.freed, offset, offset + allocation.bytes)
    this.resting.push({ offset, size })
    this.restingBytes += size
    while (this.restingBytes > RESTING) {
      const range = this.resting.shift()!
      this.restingBytes -= range.size
      this.join(range)
    }
    return true
  }

  /** What is wrong with an access, if anything. Bytes that were not written are a problem of reads where asked for. */
  problem(address: number, bytes: number, alignment: number, reads: boolean, unwritten: boolean): MemoryProblem | undefined {
    const offset = address - DEVICE_BASE
    if (!(Number.isInteger(offset) && offset >= 0 && offset + bytes <= this.end)) return { kind: 'address', message: this.whereIs(address) }
    // A few bytes are looked at one by one; of many the allocation is found that they lie in.
    if (bytes > 16) {
      const own = [...this.live.values()].find(
        (allocation) => address >= allocation.address && address < allocation.address + allocation.bytes,
      )
      if (own === undefined) return { kind: 'address', message: this.whereIs(address) }
      const end = own.address + own.bytes
      if (address + bytes > end) return { kind: 'address', message: this.whereIs(end) }
    } else {
      for (let i = offset; i < offset + bytes; i++)
        if (this.state[i]! < byteState.unwritten) return { kind: 'address', message: this.whereIs(DEVICE_BASE + i) }
    }
    if (offset % alignment !== 0) return { kind: 'misaligned', message: `address ${hex(address)} is no multiple of ${alignment}` }
    if (reads && unwritten) {
      for (let i = offset; i < offset + bytes; i++)
        if (this.state[i] !== byteState.written)
          return { kind: 'uninitialised', message: `${this.whereIs(DEVICE_BASE + i)}, and was never written` }
    }
    return undefined
  }

  /** A range that was found in order, for the host's copies. */
  range(address: number, bytes: number): Uint8Array {
    const offset = address - DEVICE_BASE
    return this.bytes.subarray(offset, offset + bytes)
  }

  markWritten(address: number, bytes: number): void {
    const offset = address - DEVICE_BASE
    this.state.fill(byteState.written, offset, offset + bytes)
  }

  copyState(to: number, from: number, bytes: number): void {
    this.state.copyWithin(to - DEVICE_BASE, from - DEVICE_BASE, from - DEVICE_BASE + bytes)
  }

  private take(size: number): number | undefined {
    for (;;) {
      const best = this.free.filter((range) => range.size >= size).sort((a, b) => a.size - b.size)[0]
      if (best !== undefined) {
        const { offset } = best
        best.offset += size
        best.size -= size
        if (best.size === 0) this.free = this.free.filter((range) => range !== best)
        return offset
      }
      if (this.end + size <= 2 ** 31 - 2 ** 16) break
      const range = this.resting.shift()
      if (range === undefined) return undefined
      this.restingBytes -= range.size
      this.join(range)
    }
    const offset = this.end
    this.end += size
    this.grow(this.end)
    return offset
  }

  private grow(bytes: number): void {
    if (bytes <= this.bytes.length) return
    const size = Math.max(bytes, Math.min(this.bytes.length * 2, 2 ** 31 - 2 ** 16))
    const rounded = Math.ceil(size / 4096) * 4096
    const [memory, state] = [new Uint8Array(rounded), new Uint8Array(rounded)]
    memory.set(this.bytes)
    state.set(this.state)
    this.bytes = memory
    this.state = state
  }

  private join(range: Range): void {
    this.free.push(range)
    this.free.sort((a, b) => a.offset - b.offset)
    const joined: Range[] = []
    for (const next of this.free) {
      const last = joined.at(-1)
      if (last !== undefined && last.offset + last.size === next.offset) last.size += next.size
      else joined.push(next)
    }
    this.free = joined
  }

  /** Where an address lies, in words. */
  private whereIs(address: number): string {
    const at = hex(address)
    const inside = (map: ReadonlyMap<number, Allocation>): Allocation | undefined =>
      [...map.values()].find((allocation) => address >= allocation.address && address < allocation.address + allocation.bytes)
    const describe = ({ number, bytes }: Allocation): string => `allocation ${number} of ${bytes} bytes`
    const own = inside(this.live)
    if (own !== undefined) return `${at} is byte ${address - own.address} of ${describe(own)}`
    const freed = inside(this.gone)
    const near =
      freed !== undefined
        ? undefined
        : [...this.live.values()]
            .map((allocation) => ({
              allocation,
              past: address - allocation.address - allocation.bytes,
              before: allocation.address - address,
            }))
            .filter(({ past, before }) => (past >= 0 && past < GAP * 16) || (before > 0 && before <= GAP))
            .sort((a, b) => Math.max(a.past, a.before) - Math.max(b.past, b.before))[0]
    if (near !== undefined)
      return near.past >= 0
        ? `${at} is ${near.past + 1} bytes past the end of ${describe(near.allocation)}`
        : `${at} is ${near.before} bytes before ${describe(near.allocation)}`
    if (freed !== undefined) return `${at} is byte ${address - freed.address} of ${describe(freed)}, which was freed`
    return `${at} is in no memory`
  }
}

const hex = (address: number): string => (Number.isInteger(address) && address >= 0 ? `0x${address.toString(16)}` : String(address))
