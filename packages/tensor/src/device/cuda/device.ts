/** NVIDIA's graphics cards by the driver alone: kernels are printed as PTX, which the driver compiles. Programs run as dispatches of kernels, in the order of one stream. */
import { planDispatches, type DispatchOptions } from '../../compile/dispatches.js'
import { hasKernel } from '../../compile/kept.js'
import { matrixBlock } from '../../kernel/lib/matrix-tuning.js'
import { cudaTuning, type Tuning } from '../../kernel/lib/tuning.js'
import type { Program } from '../../compile/program.js'
import { debugLog } from '../../debug/log.js'
import { TensorError } from '../../errors.js'
import type { Attrs, TensorType } from '../../graph/node.js'
import type { KernelCaps } from '../../kernel/ir.js'
import { dynamicSharedBytes, printPtx, ptxTargetOf, type PtxTarget } from '../../kernel/print-ptx.js'
import { verifyKernel } from '../../kernel/verify.js'
import type { SymValues } from '../../shape.js'
import {
  checkStart,
  markUnstarted,
  type Device,
  type DeviceBuffer,
  type DeviceMemory,
  type DeviceRoom,
  type Executable,
  type RunOptions,
  disposedError,
} from '../device.js'
import { checkRead, checkWrite, kernelDeviceCaps, MemoryCount, wholeWords } from '../kernel-device.js'
import { deviceAttribute as attribute, type CudaDriver, type DevicePointer, type Handle } from './driver.js'
import { CudaExecutable, type Numbers, type Stage } from './executable.js'
import { LibraryProducts } from './library-products.js'
import type { LibraryOptions } from './matrix-library.js'
import { Modules } from './modules.js'
import { Replay } from './replay.js'
import { Staging } from './staging.js'
import { turnOfLoop } from './waiting.js'

/** Parameters of a kernel are 4096 bytes at most, 8 for each array; this many keep a kernel readable. */
const MOST_ARRAYS = 128

class CudaBuffer implements DeviceBuffer {
  freed = false

  constructor(
    readonly device: CudaDevice,
    readonly bytes: number,
    readonly pointer: DevicePointer,
  ) {}
}

/** What a device was opened with, and is told about itself. */
interface Opened {
  readonly ordinal: number
  readonly context: Handle
  readonly description: string
  readonly kernelCaps: KernelCaps
  readonly target: PtxTarget
  readonly mostGroups: number
}

export class CudaDevice implements Device {
  readonly name = 'cuda' as const
  readonly description: string
  readonly caps = kernelDeviceCaps
  private readonly stream: Handle
  private readonly staging: Staging
  private readonly modules: Modules
  private readonly products: LibraryProducts
  private readonly count = new MemoryCount()
  private readonly buffers = new Set<CudaBuffer>()
  private readonly executables = new Set<CudaExecutable>()
  /** Memory of temporaries, which all programs use in turn. */
  private arena: { readonly pointer: DevicePointer; readonly bytes: number } = { pointer: 0, bytes: 0 }
  private readonly pending = new Set<Promise<unknown>>()
  private disposed = false
  private ending: Promise<void> | undefined
  private lost: TensorError | undefined

  /** As `openCuda` does, which checks first that the device can be used. */
  constructor(
    private readonly driver: CudaDriver,
    private readonly opened: Opened,
    private readonly tuning: Tuning,
    library: LibraryOptions | undefined,
  ) {
    this.description = opened.description
    this.stream = driver.streamCreate()
    this.staging = new Staging(driver, this.stream, opened.context)
    this.modules = new Modules(driver, this.stream)
    this.products = new LibraryProducts(driver, this.stream, library)
  }

  notes(): readonly string[] {
    return [`large products of f16 and bf16: ${this.enter(() => this.products.describe())}`]
  }

  /** Lost or disposed, and of no more use. */
  get gone(): boolean {
    return this.disposed || this.lost !== undefined
  }

  private get dispatchOptions(): DispatchOptions {
    const { maxBindings, sharedBytes } = this.opened.kernelCaps
    return { maxBindings, tuning: { ...this.tuning, sharedBytes } }
  }

  supports(op: string, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs): boolean {
    return hasKernel(op, inputs, outputs, attrs, this.dispatchOptions)
  }

  alloc(bytes: number): DeviceBuffer {
    return this.enter(() => {
      const buffer = new CudaBuffer(this, bytes, this.allocate(wholeWords(bytes)))
      this.buffers.add(buffer)
      this.count.add(bytes)
      return buffer
    })
  }

  free(buffer: DeviceBuffer): void {
    const own = this.own(buffer)
    own.freed = true
    this.count.remove(own.bytes)
    // A device that was lost or disposed holds nothing any more, and tensors on it may still be disposed.
    if (this.buffers.delete(own)) this.letGoOf(() => this.driver.freeAsync(own.pointer, this.stream))
  }

  write(buffer: DeviceBuffer, bytes: Uint8Array): void {
    this.enter(() => {
      const { pointer } = this.own(buffer)
      checkWrite(buffer, bytes)
      // Kernels read words: what is written to its end has a last one that is known.
      const length = bytes.byteLength
      this.staging.toDevice(pointer, bytes, length > 0 && length === buffer.bytes ? wholeWords(length) : length)
    })
  }

  async read(buffer: DeviceBuffer, bytes = buffer.bytes): Promise<Uint8Array> {
    const { pointer } = this.own(buffer)
    checkRead(buffer, bytes)
    return this.wait(() => (bytes === 0 ? Promise.resolve(new Uint8Array(0)) : this.staging.toHost(pointer, bytes)))
  }

  async compile(program: Program): Promise<Executable> {
    const { kernelCaps, target, mostGroups } = this.opened
    const plan = this.enter(() => planDispatches(program, this.dispatchOptions))
    const maxima = new Map(program.symbols.map((symbol) => [symbol, symbol.max]))
    const stages: Stage[] = []
    let words = 0
    let numbers: Numbers | undefined
    try {
      for (const dispatch of plan.dispatches) {
        const { symbols } = dispatch
        // Operations have names of instructions, which PTX reserves.
        const kernel = { ...dispatch.kernel, name: `tesserae_${dispatch.kernel.name}` }
        verifyKernel(kernel, kernelCaps)
        const ptx = printPtx(kernel, { target })
        // The driver compiles on this thread, up to a tenth of a second each.
        if (!this.modules.has(ptx)) await turnOfLoop()
        const sharedBytes = dynamicSharedBytes(kernel)
        const fn = this.enter(() => this.modules.acquire(ptx, kernel.name, sharedBytes))
        const product =
          dispatch.product && this.enter(() => this.products.mayTake(dispatch.product!, maxima)) ? dispatch.product : undefined
        stages.push({ dispatch, ptx, fn, sharedBytes, numbersAt: symbols.length === 0 ? undefined : words, product })
        words += symbols.length
      }
      if (words > 0) numbers = { words, pointer: this.enter(() => this.allocate(4 * words)) }
    } catch (error) {
      if (!this.disposed) this.letGoOf(() => this.release(stages, undefined))
      throw error
    }
    this.count.programs++
    debugLog(2, () => `${stages.length} dispatches on ${this.description}: ${plan.dispatches.map(({ title }) => title).join(', ')}`)
    const replay = new Replay(this.driver, this.stream)
    const own = new CudaExecutable(program, plan, stages, numbers, replay, mostGroups, this.products, (ended) => {
      this.count.programs--
      // Everything is ordered behind the runs that are on the stream.
      if (this.executables.delete(ended)) this.letGoOf(() => this.releaseExecutable(ended))
    })
    this.executables.add(own)
    return own
  }

  run(
    executable: Executable,
    inputs: readonly DeviceBuffer[],
    outputs: readonly DeviceBuffer[],
    symbols: SymValues,
    options: RunOptions = {},
  ): void {
    const own = executable as CudaExecutable
    checkStart(own, options)
    this.enter(() => {
      if (!this.executables.has(own))
        throw markUnstarted(new TensorError('DEVICE', `run: the program was not compiled by this device (${this.description})`))
      const copies: DevicePointer[] = []
      try {
        let memory
        try {
          own.update(symbols, this.staging)
          const places = this.place(own.program, inputs, outputs, copies)
          // Last: allocating may have to give the arena away, and what the library uses, for which nothing is given away.
          const arena = this.arenaOf(own.plan.arena)
          memory = { ...places, arena, workspace: own.usesLibrary ? this.products.memory() : 0 }
        } catch (error) {
          throw markUnstarted(error as Error)
        }
        if (options.profile !== undefined) own.profile(this.driver, this.stream, memory, options.profile)
        else own.launch(this.driver, this.stream, memory, copies.length === 0)
      } finally {
        if (this.lost === undefined) for (const copy of copies) this.driver.freeAsync(copy, this.stream)
      }
    })
  }

  sync(): Promise<void> {
    return this.wait(() => this.staging.ended())
  }

  memory(): DeviceMemory {
    return this.count.now
  }

  /** What the pool keeps of freed memory is given back first, so that it counts. */
  room(): DeviceRoom & { readonly free: number } {
    const free = this.enter(() => {
      this.driver.releaseFreedMemory?.(this.opened.ordinal)
      return this.driver.memoryInfo().free
    })
    return { free, source: 'cuMemGetInfo' }
  }

  dispose(): Promise<void> {
    return (this.ending ??= this.end())
  }

  private async end(): Promise<void> {
    // Where it fails the device is lost, or it ends here anyhow.
    if (this.lost === undefined) await this.sync().catch(() => undefined)
    this.disposed = true
    await Promise.allSettled(this.pending)
    const { driver, opened } = this
    try {
      if (this.lost !== undefined) return
      driver.contextSetCurrent(opened.context)
      for (const executable of this.executables) this.releaseExecutable(executable)
      for (const { pointer } of this.buffers) driver.freeAsync(pointer, this.stream)
      if (this.arena.bytes > 0) driver.freeAsync(this.arena.pointer, this.stream)
      this.products.giveBack()
      driver.streamSynchronize(this.stream)
      this.products.close()
      this.modules.dispose()
      this.staging.dispose()
      driver.streamDestroy(this.stream)
      driver.releaseFreedMemory?.(opened.ordinal)
      driver.primaryContextRelease(opened.ordinal)
    } catch (error) {
      if (this.seen(error) !== this.lost) throw error
    } finally {
      this.executables.clear()
      this.buffers.clear()
      driver.close()
    }
  }

  /** Where inputs and outputs lie. An input whose memory is written in this run under another name is read from a copy. */
  private place(
    program: Program,
    inputs: readonly DeviceBuffer[],
    outputs: readonly DeviceBuffer[],
    copies: DevicePointer[],
  ): { readonly inputs: readonly DevicePointer[]; readonly outputs: readonly DevicePointer[] } {
    const results = outputs.map((buffer) => this.own(buffer).pointer)
    const written = new Map(results.map((pointer, i) => [pointer, program.outputs[i]?.alias]))
    return {
      outputs: results,
      inputs: inputs.map((buffer, i) => {
        const { pointer, bytes } = this.own(buffer)
        if (!written.has(pointer) || written.get(pointer) === i) return pointer
        const size = wholeWords(bytes)
        const copy = this.allocate(size)
        copies.push(copy)
        this.driver.copyOnDeviceAsync(copy, pointer, size, this.stream)
        return copy
      }),
    }
  }

  /** Memory of the pool. When there is no more, what is kept for speed is given back, and asked once more. */
  private allocate(bytes: number): DevicePointer {
    const { driver, stream, opened } = this
    try {
      return driver.allocAsync(bytes, stream)
    } catch (error) {
      if (!isOutOfMemory(error)) throw error
    }
    for (const { replay } of this.executables) replay.clear()
    if (this.arena.bytes > 0) driver.freeAsync(this.arena.pointer, stream)
    this.arena = { pointer: 0, bytes: 0 }
    this.products.giveBack()
    driver.streamSynchronize(stream)
    this.staging.trim()
    driver.releaseFreedMemory?.(opened.ordinal)
    try {
      return driver.allocAsync(bytes, stream)
    } catch (error) {
      if (!isOutOfMemory(error)) throw error
      const { free, total } = driver.memoryInfo()
      throw new TensorError(
        'OUT_OF_MEMORY',
        `${this.description} was asked for ${bytes} bytes; ${free} of ${total} are free, and this process holds ${this.count.now.liveBytes} in tensors. Free tensors, or use a smaller batch or model`,
        { cause: error },
      )
    }
  }

  private arenaOf(bytes: number): DevicePointer {
    if (this.arena.bytes < bytes) {
      // Freed first, behind the runs that use it: the pool may make the new one of it.
      if (this.arena.bytes > 0) this.driver.freeAsync(this.arena.pointer, this.stream)
      this.arena = { pointer: 0, bytes: 0 }
      this.arena = { pointer: this.allocate(bytes), bytes }
    }
    return this.arena.pointer
  }

  private releaseExecutable({ stages, numbers, replay }: CudaExecutable): void {
    replay.clear()
    this.release(stages, numbers)
  }

  private release(stages: readonly Stage[], numbers: Numbers | undefined): void {
    for (const { ptx } of stages) this.modules.release(ptx)
    if (numbers !== undefined) this.driver.freeAsync(numbers.pointer, this.stream)
  }

  /** What is lost is let go of already; the calls that need the device tell of it. */
  private letGoOf(work: () => void): void {
    if (this.lost !== undefined) return
    try {
      this.enter(work)
    } catch (error) {
      if (error !== this.lost) throw error
    }
  }

  /** Makes calls of the driver: on this device's context, whoever else uses the thread, and looking out for its loss. */
  private enter<T>(work: () => T): T {
    if (this.disposed) throw disposedError(this)
    if (this.lost !== undefined) throw this.lost
    try {
      this.driver.contextSetCurrent(this.opened.context)
      return work()
    } catch (error) {
      throw this.seen(error)
    }
  }

  /** The same for what ends later; `dispose` waits for it. */
  private async wait<T>(work: () => Promise<T>): Promise<T> {
    const waiting = this.enter(work)
    this.pending.add(waiting)
    try {
      return await waiting
    } catch (error) {
      throw this.seen(error)
    } finally {
      this.pending.delete(waiting)
    }
  }

  /** Remembers that the device was lost. The context goes at once, so that the device can be opened again where the driver allows it. */
  private seen(error: unknown): unknown {
    if (!TensorError.isInstance(error) || error.code !== 'DEVICE_LOST') return error
    if (this.lost === undefined) {
      this.lost = new TensorError(
        'DEVICE_LOST',
        `${this.description} was lost: ${error.message}. Open a device again, in a new process where this one gets none, and load weights anew`,
        { cause: error },
      )
      try {
        this.driver.primaryContextRelease(this.opened.ordinal)
      } catch {
        // What is lost cannot always be let go of.
      }
    }
    return this.lost
  }

  private own(buffer: DeviceBuffer): CudaBuffer {
    if (buffer instanceof CudaBuffer && buffer.device === this) {
      if (buffer.freed) throw new TensorError('DISPOSED', 'a device buffer was used after it was freed')
      return buffer
    }
    throw new TensorError('DEVICE', `a buffer of ${buffer.device.name} was given to ${this.name}`)
  }
}

/** Turing's tensor cores take f16 alone, and its copies into shared memory are the threads' own. */
const matrixCaps = (target: PtxTarget): Pick<KernelCaps, 'mma' | 'copyAsync' | 'storeHalf'> => ({
  mma: target === 'sm_75' ? ['f16'] : ['f16', 'bf16'],
  copyAsync: target !== 'sm_75',
  storeHalf: true,
})

const isOutOfMemory = (error: unknown): boolean => TensorError.isInstance(error) && error.code === 'OUT_OF_MEMORY'

/**
 * Opens the first device that the driver shows, which `CUDA_VISIBLE_DEVICES` chooses. The driver is the device's own from here on.
 *
 * @param library multiplies large halves in the place of kernels, where it opens; default none
 * @throws TensorError `DEVICE` when there is none, when it is older than Turing, or has no pool of memory
 */
export function openCuda(driver: CudaDriver, tuning: Tuning = cudaTuning, library?: LibraryOptions): CudaDevice {
  const ordinal = 0
  let retained = false
  try {
    driver.init()
    if (driver.deviceCount() === 0) throw new TensorError('DEVICE', 'it shows no GPU (is CUDA_VISIBLE_DEVICES set to none?)')
    const ask = (which: (typeof attribute)[keyof typeof attribute]): number => driver.deviceAttribute(which, ordinal)
    const title = driver.deviceName(ordinal)
    const [major, minor] = [ask(attribute.computeCapabilityMajor), ask(attribute.computeCapabilityMinor)]
    const target = ptxTargetOf(major, minor)
    if (target === undefined)
      throw new TensorError('DEVICE', `${title} has compute capability ${major}.${minor}, and 7.5 (Turing) or newer is needed`)
    if (ask(attribute.memoryPoolsSupported) === 0)
      throw new TensorError('DEVICE', `${title} has no pool of memory, which device 'cuda' allocates from`)
    const context = driver.primaryContextRetain(ordinal)
    retained = true
    driver.contextSetCurrent(context)
    // What was freed would go back to the system at each synchronisation, and be slow to get again.
    driver.keepFreedMemory?.(ordinal, Number.MAX_SAFE_INTEGER)
    const gibibytes = (driver.deviceTotalBytes(ordinal) / 2 ** 30).toFixed(1)
    const opened: Opened = {
      ordinal,
      context,
      description: `${title}, compute capability ${major}.${minor}, ${gibibytes} GiB (${driver.description})`,
      kernelCaps: {
        ...matrixCaps(target),
        f16: true,
        subgroups: true,
        sharedBytes: ask(attribute.maxSharedMemoryPerBlockOptin),
        maxInvocations: ask(attribute.maxThreadsPerBlock),
        maxWorkgroup: [ask(attribute.maxBlockDimX), ask(attribute.maxBlockDimY), ask(attribute.maxBlockDimZ)],
        maxBindings: MOST_ARRAYS,
      },
      target,
      mostGroups: ask(attribute.maxGridDimX),
    }
    const matrices: Tuning['matrices'] = matrixBlock.bind(undefined, {
      ...matrixCaps(target),
      processors: ask(attribute.multiprocessorCount),
    })
    return new CudaDevice(driver, opened, { matrices, ...tuning }, library)
  } catch (error) {
    try {
      if (retained) driver.primaryContextRelease(ordinal)
    } finally {
      driver.close()
    }
    const reason = error instanceof Error ? error.message : String(error)
    throw new TensorError('DEVICE', `the driver (${driver.description}) gives no device: ${reason}. Use device 'webgpu' or 'cpu'`, {
      cause: error,
    })
  }
}
