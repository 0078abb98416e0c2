import type { Device, DeviceBuffer } from '../device.js'
import type { Operation } from './operations.js'

/** What has bound a memory and goes when the memory does. */
export interface Holder {
  drop(): void
}

/** Memory of the device. It outlives the buffers of tensors, which use it in turn. */
export class Memory {
  /** What was prepared for it. */
  readonly holders = new Set<Holder>()

  constructor(
    readonly gpuBuffer: GPUBuffer,
    /** Whole words. */
    readonly bytes: number,
    /** What asked for it, and may have failed. */
    readonly born: Operation,
  ) {}

  /** Work submitted before keeps what it uses. */
  destroy(): void {
    // Holders take themselves out.
    for (const holder of [...this.holders]) holder.drop()
    this.gpuBuffer.destroy()
  }
}

/** The memory of one tensor. */
export class WebGpuBuffer implements DeviceBuffer {
  freed = false
  /** What wrote the values last, and may have failed. */
  origin: Operation | undefined

  constructor(
    readonly device: Device,
    readonly bytes: number,
    readonly memory: Memory,
  ) {}

  /** What its values depend on. */
  get causes(): readonly Operation[] {
    return this.origin === undefined ? [this.memory.born] : [this.memory.born, this.origin]
  }
}

const mib = 2 ** 20
/** Larger memory goes back to the system at once. */
const largestKept = 16 * mib
const mostKept = 64 * mib
const mostPieces = 1024

/**
 * Memory that was freed, for the next of the same size: what a loop allocates at each turn is then the same memory every time, for which everything is prepared already.
 */
export class MemoryPool {
  /** By age, oldest first. */
  private readonly ages = new Set<Memory>()
  /** By size, oldest first. */
  private readonly sizes = new Map<number, Memory[]>()
  private held = 0

  constructor(private readonly destroy: (memory: Memory) => void) {}

  get bytes(): number {
    return this.held
  }

  /** The latest of a size: what is prepared for it is prepared most recently. */
  take(bytes: number): Memory | undefined {
    const memory = this.sizes.get(bytes)?.pop()
    if (memory !== undefined) this.forget(memory)
    return memory
  }

  /** Keeps a memory, or destroys it where that is too much. */
  give(memory: Memory): void {
    const usable = memory.born.settled && memory.born.error === undefined
    if (!usable || memory.bytes > largestKept) return this.destroy(memory)
    this.ages.add(memory)
    const alike = this.sizes.get(memory.bytes)
    if (alike === undefined) this.sizes.set(memory.bytes, [memory])
    else alike.push(memory)
    this.held += memory.bytes
    for (const oldest of this.ages) {
      if (this.held <= mostKept && this.ages.size <= mostPieces) break
      this.sizes.get(oldest.bytes)!.shift()
      this.forget(oldest)
      this.destroy(oldest)
    }
  }

  clear(): void {
    for (const memory of this.ages) this.destroy(memory)
    this.ages.clear()
    this.sizes.clear()
    this.held = 0
  }

  private forget(memory: Memory): void {
    this.ages.delete(memory)
    this.held -= memory.bytes
    if (this.sizes.get(memory.bytes)?.length === 0) this.sizes.delete(memory.bytes)
  }
}
