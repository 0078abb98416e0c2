import type { Memory } from './memory.js'

const mib = 2 ** 20
/** Larger memory is kept only where a size has been asked for again soon after it went: a model that is disposed of is not what the next turn of a loop wants. */
const largeFrom = 16 * mib
/** Kept whatever else is in use. */
const alwaysKept = 64 * mib
const mostPieces = 1024
/** Allocations after which what was before them no longer counts. */
const recent = 1024
/** What was not used for so long goes back to the system, in milliseconds. */
const idle = 10_000

/**
 * Memory that was freed, for the next of the same size: what a loop allocates at each turn is then the same memory every time, for which everything is prepared already.
 *
 * What is kept and what is in use are together never much more than was in use at once a short time ago, so keeping takes nothing from anybody who could have had it then:
 * memory beyond that peak is made only after what is kept has gone. What nobody asks for goes after a while. The values are those that were there before.
 */
export class MemoryPool {
  /** By age, oldest first. */
  private readonly ages = new Set<Memory>()
  /** By size, oldest first. */
  private readonly sizes = new Map<number, Memory[]>()
  private held = 0
  private used = 0
  /** The highest use in this stretch of allocations and in the one before. */
  private peak = 0
  private peakBefore = 0
  private allocations = 0
  /** Pieces of large sizes that went lately, and how many of a size have been missed. */
  private readonly gone = new Map<number, number>()
  private readonly missed = new Map<number, number>()
  private timer: ReturnType<typeof setTimeout> | undefined
  private wasUsed = false

  constructor(private readonly destroy: (memory: Memory) => void) {}

  /** Bytes that are kept. */
  get bytes(): number {
    return this.held
  }

  /** The latest of a size, since what is prepared for it is prepared most recently. `undefined` where there is none: then so many bytes are about to be allocated. */
  take(bytes: number): Memory | undefined {
    this.used += bytes
    if (++this.allocations % recent === 0) {
      this.peakBefore = this.peak
      this.peak = 0
      this.gone.clear()
    }
    this.peak = Math.max(this.peak, this.used)
    this.wasUsed = true
    const memory = this.sizes.get(bytes)?.pop()
    if (memory !== undefined) {
      this.forget(memory)
      return memory
    }
    const gone = this.gone.get(bytes) ?? 0
    if (gone > 0) {
      this.gone.set(bytes, gone - 1)
      this.missed.set(bytes, (this.missed.get(bytes) ?? 0) + 1)
    }
    // What is new must not come on top of what is kept.
    this.trim()
    return undefined
  }

  /** Takes a memory back that `take` gave, or that was allocated because it gave none. */
  give(memory: Memory): void {
    this.used -= memory.bytes
    this.wasUsed = true
    // One that may yet turn out not to be there is what the next tensor depends on, as this one did.
    if (memory.born.error !== undefined) return this.destroy(memory)
    const { bytes } = memory
    const alike = this.sizes.get(bytes)
    if (bytes > largeFrom && (alike?.length ?? 0) >= (this.missed.get(bytes) ?? 0)) {
      this.gone.set(bytes, (this.gone.get(bytes) ?? 0) + 1)
      return this.destroy(memory)
    }
    this.ages.add(memory)
    if (alike === undefined) this.sizes.set(bytes, [memory])
    else alike.push(memory)
    this.held += bytes
    this.trim()
    if (this.held > alwaysKept) this.timer ??= this.watch()
  }

  clear(): void {
    this.shrink(0)
    clearTimeout(this.timer)
    this.timer = undefined
  }

  private trim(): void {
    this.shrink(alwaysKept + Math.max(this.peak, this.peakBefore, this.used) - this.used)
  }

  /** Gives back the oldest, of those larger than a size, until so many bytes are kept. */
  private shrink(most: number, above = 0): void {
    for (const oldest of this.ages) {
      if (this.held <= most && this.ages.size <= mostPieces) break
      if (oldest.bytes <= above) continue
      this.sizes.get(oldest.bytes)!.shift()
      this.forget(oldest)
      this.destroy(oldest)
    }
  }

  private watch(): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      if (!this.wasUsed) {
        // What is prepared for small memory is worth more than the memory.
        this.shrink(0, largeFrom)
        this.shrink(alwaysKept)
        this.missed.clear()
      }
      this.wasUsed = false
      this.timer = this.held > alwaysKept ? this.watch() : undefined
    }, idle)
    // In Node a program may end before.
    ;(timer as { unref?: () => void }).unref?.()
    return timer
  }

  private forget(memory: Memory): void {
    this.ages.delete(memory)
    this.held -= memory.bytes
    if (this.sizes.get(memory.bytes)?.length === 0) this.sizes.delete(memory.bytes)
  }
}
