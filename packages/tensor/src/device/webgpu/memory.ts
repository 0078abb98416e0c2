/** Memory of a WebGPU device: blocks of no more than one buffer may have, which kernels are given in ranges of no more than one binding may have. */
import type { Device, DeviceBuffer } from '../device.js'
import type { Operation } from './operations.js'

/** How much a device takes at a time. */
export interface Cut {
  /** Bytes of one binding, a multiple of 256. */
  readonly rangeBytes: number
  /** Bytes of one buffer, a multiple of `rangeBytes`. */
  readonly blockBytes: number
}

/** The limits of WebGPU that say so. */
export interface SizeLimits {
  readonly maxBufferSize: number
  readonly maxStorageBufferBindingSize: number
}

const step = 256

/** The cut of a device with these limits. Ranges begin where every device lets bindings begin, and are whole vectors. */
export function cutOf({ maxBufferSize, maxStorageBufferBindingSize }: SizeLimits): Cut {
  const rangeBytes = Math.floor(Math.min(maxBufferSize, maxStorageBufferBindingSize) / step) * step
  return { rangeBytes, blockBytes: Math.floor(maxBufferSize / rangeBytes) * rangeBytes }
}

/** What has bound a memory and goes when the memory does. */
export interface Holder {
  drop(): void
}

/** A part of a memory that lies in one buffer. */
export interface Block {
  readonly buffer: GPUBuffer
  /** Where it begins in the memory. */
  readonly start: number
  readonly bytes: number
}

/** Memory of the device. It outlives the buffers of tensors, which use it in turn. */
export class Memory {
  /** What was prepared for it. */
  readonly holders = new Set<Holder>()

  constructor(
    private parts: readonly Block[],
    /** Whole words. */
    readonly bytes: number,
    private origin: Operation,
    private readonly cut: Cut,
  ) {}

  /** In their order, all but the last of the size of a block. */
  get blocks(): readonly Block[] {
    return this.parts
  }

  /** What asked for it, and may have failed. */
  get born(): Operation {
    return this.origin
  }

  /** Blocks in place of those that were not to be had. */
  replace(blocks: readonly Block[], born: Operation): void {
    this.destroy()
    this.parts = blocks
    this.origin = born
  }

  /**
   * The bindings of an array that begins at a byte: those of its `count` ranges that there is memory for, which for a tensor of a symbol's size may be fewer.
   *
   * @param start a multiple of the bytes of a range where `count` is more than 1; else the array does not go across blocks
   */
  ranges(start: number, bytes: number, count: number): GPUBufferBinding[] {
    const { rangeBytes, blockBytes } = this.cut
    const end = Math.min(start + bytes, this.bytes)
    const bindings: GPUBufferBinding[] = []
    for (let from = start; from < end && bindings.length < count; from += rangeBytes) {
      const block = this.parts[Math.floor(from / blockBytes)]!
      bindings.push({ buffer: block.buffer, offset: from - block.start, size: Math.min(rangeBytes, end - from) })
    }
    return bindings
  }

  /** Work submitted before keeps what it uses. */
  destroy(): void {
    // Holders take themselves out.
    for (const holder of [...this.holders]) holder.drop()
    for (const { buffer } of this.parts) buffer.destroy()
  }
}

/** Cuts bytes into blocks. */
export function blocksOf(bytes: number, blockBytes: number, make: (bytes: number) => GPUBuffer): Block[] {
  const blocks: Block[] = []
  for (let start = 0; start < bytes; start += blockBytes) {
    const size = Math.min(blockBytes, bytes - start)
    blocks.push({ buffer: make(size), start, bytes: size })
  }
  return blocks
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
