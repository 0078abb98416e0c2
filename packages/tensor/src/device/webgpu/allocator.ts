/** Where a WebGPU device's memory comes from and goes to: that of tensors by way of a pool, one for temporaries, and what programs need for themselves. */
import { TensorError } from '../../errors.js'
import type { DeviceMemory } from '../device.js'
import { MemoryCount } from '../kernel-device.js'
import { blocksOf, Memory, type Cut } from './memory.js'
import type { Operation, Operations } from './operations.js'
import { MemoryPool } from './pool.js'

const mib = 2 ** 20
/** Drivers give destroyed memory back with the next submission, which comes at once after this much. */
const worthSubmitting = 16 * mib

const whole = { blockBytes: Infinity }

const tensorUsage = (): GPUBufferUsageFlags => GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST

export class Allocator {
  readonly count = new MemoryCount()
  private readonly pool = new MemoryPool((memory) => this.destroy(memory))
  /** Memory of temporaries, which all programs use in turn. */
  private arena: Memory | undefined
  /** Bytes destroyed since the last submission. */
  private unsubmitted = 0
  private gone = false

  constructor(
    private readonly gpu: GPUDevice,
    private readonly operations: Operations,
    private readonly cut: Cut,
    /** The device, for messages. */
    private readonly description: string,
  ) {}

  /** Memory for a tensor, with any values in it: whole words, of which `bytes` are counted. */
  take(size: number, bytes: number): Memory {
    const memory = this.pool.take(size) ?? this.allocate(size, tensorUsage(), 'a tensor')
    this.count.add(bytes)
    return memory
  }

  give(memory: Memory, bytes: number): void {
    this.count.remove(bytes)
    if (this.gone) memory.destroy()
    else this.pool.give(memory)
  }

  /** Memory of temporaries, of so many bytes at least. */
  arenaOf(bytes: number): Memory | undefined {
    if (bytes === 0) return undefined
    const { arena } = this
    if (arena !== undefined && arena.bytes >= bytes && arena.born.error === undefined) return arena
    this.dropArena()
    return (this.arena = this.allocate(bytes, GPUBufferUsage.STORAGE, 'temporaries'))
  }

  /** Memory that no tensor uses. */
  allocate(bytes: number, usage: GPUBufferUsageFlags, label: string): Memory {
    const { blocks, born } = this.make(bytes, usage, label, this.count.now)
    return new Memory(blocks, bytes, born, this.cut)
  }

  destroy(memory: Memory): void {
    memory.destroy()
    if (this.gone) return
    const before = this.unsubmitted
    this.unsubmitted += memory.bytes
    // Once for all that goes in one turn.
    if (before < worthSubmitting && this.unsubmitted >= worthSubmitting)
      queueMicrotask(() => {
        if (this.unsubmitted >= worthSubmitting && !this.gone) this.submit(this.gpu.createCommandEncoder())
      })
  }

  submit(encoder: GPUCommandEncoder): void {
    this.gpu.queue.submit([encoder.finish()])
    this.unsubmitted = 0
  }

  /** Gives back what is kept for later, and resolves when the system has it. */
  async giveBack(): Promise<void> {
    this.pool.clear()
    this.dropArena()
    this.submit(this.gpu.createCommandEncoder())
    await this.operations.guard(this.gpu.queue.onSubmittedWorkDone())
  }

  /** Gives back what tensors left behind; the system has it after the runs under way. */
  clear(): void {
    this.pool.clear()
    if (this.unsubmitted > 0 && !this.gone) this.submit(this.gpu.createCommandEncoder())
  }

  /** Asks once more for the memory of a tensor of so many bytes that was not to be had. */
  askAgain(memory: Memory, bytes: number): void {
    const { liveBytes, liveBuffers } = this.count.now
    const others = { liveBytes: liveBytes - bytes, liveBuffers: liveBuffers - 1 }
    const { blocks, born } = this.make(memory.bytes, tensorUsage(), 'a tensor', others)
    memory.replace(blocks, born)
  }

  /** The device went away, and everything on it. */
  end(): void {
    this.gone = true
    this.pool.clear()
    this.dropArena()
  }

  private dropArena(): void {
    if (this.arena !== undefined) this.destroy(this.arena)
    this.arena = undefined
  }

  /** @param others what is in use now: by the time the answer comes, what is asked for is counted too */
  private make(
    bytes: number,
    usage: GPUBufferUsageFlags,
    label: string,
    { liveBytes, liveBuffers }: Pick<DeviceMemory, 'liveBytes' | 'liveBuffers'>,
  ): { readonly blocks: Memory['blocks']; readonly born: Operation } {
    let blocks: Memory['blocks'] = []
    const born = this.operations.issue(
      `allocating ${bytes} bytes for ${label}`,
      () => {
        // The numbers of a program are few, and bound one by one.
        const { blockBytes } = (usage & GPUBufferUsage.STORAGE) === 0 ? whole : this.cut
        blocks = blocksOf(bytes, blockBytes, (size) => this.gpu.createBuffer({ size, usage, label }))
      },
      {
        outOfMemory: () => this.outOfMemory(bytes, label, liveBytes, liveBuffers),
        // What is kept for later may be what is missing now.
        onFailure: () => this.pool.clear(),
      },
    )
    return { blocks, born }
  }

  private outOfMemory(bytes: number, label: string, liveBytes: number, liveBuffers: number): TensorError {
    const { arena } = this
    const temporaries = arena === undefined ? '' : ` and ${arena.bytes} for temporaries`
    return new TensorError(
      'OUT_OF_MEMORY',
      `${this.description} has no memory for ${bytes} bytes (${label}); ${liveBytes} bytes are in ${liveBuffers} tensor${liveBuffers === 1 ? '' : 's'}${temporaries}. Dispose tensors that are not needed, use smaller batches or a shorter cache, or device 'cpu'`,
    )
  }
}
