/**
 * Device memory: JavaScript ArrayBuffers cut into blocks whose addresses are multiples of 64 (ONNX Runtime's results
 * depend on alignment, so equal alignment is part of reproducibility). A freed block waits in a pool by size class with
 * the OrtValues made over it, so a step that allocates what the last one freed creates nothing.
 *
 * Reuse is safe without waiting: the device is one queue, so whoever gets the block next touches it only after the runs
 * queued before. Only giving memory back to the system has to wait until the queue is empty.
 */
import { TensorError } from '../../../errors.js'
import type { Device, DeviceBuffer } from '../../device.js'
import type { OrtApi } from './c-api.js'
import { addressOf, NativeBlock } from './ffi.js'
import { openFileMemory, type FileMemory } from './file-memory.js'

export const alignment = 64
const slabBytes = 1 << 20
/** Blocks up to this size are cut from slabs that stay; larger ones have memory of their own that can be given back. */
const slabLimit = 1 << 16
/** Freed memory kept for reuse: this much, or as much as is in use, whichever is more. */
const poolFloor = 128 * 1024 * 1024
/** OrtValues kept per block; more appear only when symbols change a shape at every call. */
const valuesPerBlock = 8

/** An OrtValue over a block, for one element type and shape. `pointer` is 0 once it has been released. */
export interface BlockValue {
  readonly block: Block
  pointer: number
}

export interface Block {
  readonly memory: ArrayBuffer
  readonly address: number
  readonly size: number
  readonly view: Uint8Array
  /** Of memory in a file: lets the system have its pages back. */
  readonly drop?: () => void
  /** By type key: 'elementType:dims'. */
  readonly values: Map<string, BlockValue>
  /** Sessions that hold the block as an initializer; it cannot be reused or written before they are gone. */
  pins: number
  /** Its handle was freed while pinned, or while parts of it are in use. */
  abandoned: boolean
  /** Blocks over parts of this one. */
  readonly parts: Set<Block>
  /** What this is a part of. */
  readonly whole?: Block
}

export class OnnxBuffer implements DeviceBuffer {
  /** Undefined once freed. */
  block: Block | undefined

  constructor(
    readonly device: Device,
    readonly bytes: number,
    block: Block,
  ) {
    this.block = block
  }
}

/** Size of the block that holds so many bytes: steps of a quarter of a power of two, so at most a fifth is unused. */
export function sizeClass(bytes: number): number {
  const least = Math.max(alignment, Math.ceil(bytes / alignment) * alignment)
  if (least <= 256) return least
  const step = 2 ** (Math.floor(Math.log2(least - 1)) - 2)
  return Math.ceil(least / step) * step
}

export class BufferPool {
  private readonly free = new Map<number, Block[]>()
  private slab: { memory: ArrayBuffer; address: number; at: number } | undefined
  private readonly retired: BlockValue[] = []
  /** Freed blocks in files, which nobody gets again. */
  private readonly spent: Block[] = []
  /** Null where there is none: it is asked for once. */
  private files: FileMemory | null | undefined
  private readonly shape: NativeBlock
  private readonly all = new Set<Block>()
  pooledBytes = 0
  liveBytes = 0
  liveBuffers = 0
  peakBytes = 0

  constructor(
    private readonly api: OrtApi,
    private readonly memoryInfo: number,
    private readonly device: Device,
  ) {
    this.shape = new NativeBlock(api.koffi, 64 * 8)
  }

  alloc(bytes: number): OnnxBuffer {
    if (!Number.isSafeInteger(bytes) || bytes < 0)
      throw new TensorError('VALUE', `a buffer needs a non-negative integer of bytes, got ${bytes}`)
    const size = sizeClass(bytes)
    const waiting = this.free.get(size)
    let block = waiting?.pop()
    if (block !== undefined) this.pooledBytes -= size
    else block = this.create(size)
    this.liveBytes += bytes
    this.liveBuffers++
    if (this.liveBytes > this.peakBytes) this.peakBytes = this.liveBytes
    return new OnnxBuffer(this.device, bytes, block)
  }

  /** Whether there is a place for constant bytes in files. */
  get keeps(): boolean {
    if (this.files === undefined) this.files = openFileMemory(this.api.koffi) ?? null
    return this.files !== null
  }

  /** A buffer over the bytes in a file, if there is a place for one. */
  keep(bytes: Uint8Array): OnnxBuffer | undefined {
    const part = this.keeps ? this.files!.hold(bytes) : undefined
    if (part === undefined) return undefined
    const { memory, address, size } = part
    const block = this.track({ memory, address, size, view: new Uint8Array(memory), drop: () => this.files!.drop(part) })
    this.liveBytes += bytes.byteLength
    this.liveBuffers++
    if (this.liveBytes > this.peakBytes) this.peakBytes = this.liveBytes
    return new OnnxBuffer(this.device, bytes.byteLength, block)
  }

  /** The handle dies now; the bytes stay live while a session holds the block. */
  release(buffer: OnnxBuffer): void {
    const block = buffer.block
    if (block === undefined) throw new TensorError('DISPOSED', 'this buffer was freed before')
    buffer.block = undefined
    if (block.whole !== undefined) return this.releasePart(block, block.whole)
    if (block.pins > 0 || block.parts.size > 0) {
      block.abandoned = true
      this.abandonedBytes.set(block, buffer.bytes)
      return
    }
    this.recycle(block, buffer.bytes)
  }
  private readonly abandonedBytes = new Map<Block, number>()

  /** A buffer over a part of a block. Undefined where the part is not aligned as blocks are. */
  overlap(whole: Block, offset: number, bytes: number): OnnxBuffer | undefined {
    if (whole.whole !== undefined || offset % alignment !== 0 || offset + bytes > whole.size) return undefined
    const view = whole.view.subarray(offset, offset + bytes)
    const { memory } = whole
    const part: Block = {
      memory,
      address: whole.address + offset,
      size: bytes,
      view,
      values: new Map(),
      pins: 0,
      abandoned: false,
      parts: new Set(),
      whole,
    }
    whole.parts.add(part)
    return new OnnxBuffer(this.device, bytes, part)
  }

  private releasePart(part: Block, whole: Block): void {
    this.retired.push(...part.values.values())
    part.values.clear()
    whole.parts.delete(part)
    this.recycleAbandoned(whole)
  }

  unpin(block: Block): void {
    block.pins--
    this.recycleAbandoned(block)
  }

  private recycleAbandoned(block: Block): void {
    if (block.pins > 0 || block.parts.size > 0 || !block.abandoned) return
    block.abandoned = false
    const bytes = this.abandonedBytes.get(block) ?? 0
    this.abandonedBytes.delete(block)
    this.recycle(block, bytes)
  }

  private recycle(block: Block, bytes: number): void {
    this.liveBytes -= bytes
    this.liveBuffers--
    if (block.drop !== undefined) {
      this.pooledBytes += block.size
      this.spent.push(block)
      return
    }
    const waiting = this.free.get(block.size)
    if (waiting === undefined) this.free.set(block.size, [block])
    else waiting.push(block)
    this.pooledBytes += block.size
  }

  /** True when more memory waits than should be kept; the device then calls `trim` once nothing runs. */
  get excess(): boolean {
    return this.spent.length > 0 || (this.pooledBytes > poolFloor && this.pooledBytes > this.liveBytes)
  }

  /** Gives pooled memory back, largest blocks first. Only while no run is queued or under way. */
  trim(): void {
    for (const block of this.spent.splice(0)) {
      this.pooledBytes -= block.size
      this.destroy(block)
    }
    const sizes = [...this.free.keys()].filter((size) => size > slabLimit).sort((a, b) => b - a)
    for (const size of sizes) {
      const waiting = this.free.get(size)!
      while (waiting.length > 0 && this.excess) {
        const block = waiting.shift()!
        this.pooledBytes -= size
        this.destroy(block)
      }
      if (waiting.length === 0) this.free.delete(size)
    }
  }

  /**
   * The OrtValue of a block for a type key, made if need be. `dims` are read only when it is made. Values pushed out
   * by it are released by `flushRetired`, after the run for which they may already be bound.
   */
  value(block: Block, key: string, elementType: number, dims: readonly number[], bytes: number): BlockValue {
    const present = block.values.get(key)
    if (present !== undefined) return present
    if (block.values.size >= valuesPerBlock) {
      const [oldest, value] = block.values.entries().next().value!
      block.values.delete(oldest)
      this.retired.push(value)
    }
    const value: BlockValue = { block, pointer: this.createValue(block.address, bytes, elementType, dims) }
    block.values.set(key, value)
    return value
  }

  /** An OrtValue over memory that the caller keeps alive and releases. */
  createValue(address: number, bytes: number, elementType: number, dims: readonly number[]): number {
    for (let i = 0; i < dims.length; i++) this.shape.setPointer(i, dims[i]!)
    return this.api.make('CreateTensorWithDataAsOrtValue', this.memoryInfo, address, bytes, this.shape.address, dims.length, elementType)
  }

  flushRetired(): void {
    for (const value of this.retired) this.releaseValue(value)
    this.retired.length = 0
  }
  get hasRetired(): boolean {
    return this.retired.length > 0
  }

  /** Releases every OrtValue and forgets all memory. */
  dispose(): void {
    this.flushRetired()
    for (const block of this.all) this.destroy(block)
    this.free.clear()
    this.slab = undefined
    this.liveBytes = this.liveBuffers = this.pooledBytes = 0
  }

  private releaseValue(value: BlockValue): void {
    if (value.pointer !== 0) this.api.call.ReleaseValue(value.pointer)
    value.pointer = 0
  }

  private destroy(block: Block): void {
    for (const { values } of [block, ...block.parts]) {
      for (const value of values.values()) this.releaseValue(value)
      values.clear()
    }
    this.all.delete(block)
  }

  private create(size: number): Block {
    let memory: ArrayBuffer
    let address: number
    if (size <= slabLimit) {
      if (this.slab === undefined || this.slab.at + size > slabBytes) {
        const fresh = this.reserve(slabBytes)
        this.slab = { ...fresh, at: 0 }
      }
      memory = this.slab.memory
      address = this.slab.address + this.slab.at
      this.slab.at += size
      // The view's offset is the address minus the buffer's start, which reserve() aligned.
      return this.track({ memory, address, size, view: new Uint8Array(memory, this.slab.at - size + offsetOf(memory), size) })
    }
    ;({ memory, address } = this.reserve(size))
    return this.track({ memory, address, size, view: new Uint8Array(memory, offsetOf(memory), size) })
  }

  private track(part: Pick<Block, 'memory' | 'address' | 'size' | 'view' | 'drop'>): Block {
    const block: Block = { ...part, values: new Map(), pins: 0, abandoned: false, parts: new Set() }
    this.all.add(block)
    return block
  }

  private reserve(bytes: number): { memory: ArrayBuffer; address: number } {
    let memory: ArrayBuffer
    try {
      memory = new ArrayBuffer(bytes + alignment)
    } catch (cause) {
      throw new TensorError(
        'OUT_OF_MEMORY',
        `no memory for a buffer of ${bytes} bytes; ${this.liveBytes} are in use. Free tensors, or use a smaller batch or model`,
        { cause },
      )
    }
    const start = addressOf(this.api.koffi, memory)
    const offset = (alignment - (start % alignment)) % alignment
    offsets.set(memory, offset)
    return { memory, address: start + offset }
  }
}

const offsets = new WeakMap<ArrayBuffer, number>()
const offsetOf = (memory: ArrayBuffer): number => offsets.get(memory) ?? 0
