/** WebGPU in browsers and, by the npm package `webgpu`, in Node. Programs run as kernels of elements, in the order of one queue. */
import { groupsOf, planDispatches, type Dispatch, type DispatchPlan, type Place } from '../../compile/dispatches.js'
import { hasKernel } from '../../compile/kept.js'
import type { Program } from '../../compile/program.js'
import { debugLog } from '../../debug/log.js'
import type { DType } from '../../dtype.js'
import { TensorError } from '../../errors.js'
import type { Attrs, TensorType } from '../../graph/node.js'
import type { KernelCaps } from '../../kernel/ir.js'
import { printWgsl, uniformBinding, uniformBytes } from '../../kernel/print-wgsl.js'
import { verifyKernel } from '../../kernel/verify.js'
import { resolveIndex, type SymValues } from '../../shape.js'
import { markUnstarted, type Device, type DeviceBuffer, type DeviceMemory, type Executable, type RunOptions } from '../device.js'

const dtypes: readonly DType[] = ['f32', 'f16', 'bf16', 'i32', 'u32', 'i8', 'u8', 'bool']
/** The numbers of a dispatch begin at multiples of this in their buffer. */
const NUMBERS_STRIDE = 256

class WebGpuBuffer implements DeviceBuffer {
  freed = false

  constructor(
    readonly device: Device,
    readonly bytes: number,
    readonly memory: GPUBuffer,
  ) {}
}

interface Stage {
  readonly dispatch: Dispatch
  readonly pipeline: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
}

class WebGpuExecutable implements Executable {
  disposed = false

  constructor(
    readonly program: Program,
    readonly plan: DispatchPlan,
    readonly stages: readonly Stage[],
    /** The numbers of all dispatches. */
    readonly numbers: GPUBuffer | undefined,
    private readonly onDispose: () => void,
  ) {}

  dispose(): void {
    if (this.disposed) return
    this.disposed = true
    this.numbers?.destroy()
    this.onDispose()
  }
}

export interface WebGpuDeviceOptions {
  /** Ends what keeps the adapter alive; called by `dispose`. */
  readonly close?: () => void
}

export class WebGpuDevice implements Device {
  readonly name = 'webgpu' as const
  readonly description: string
  readonly caps = { dtypes, alias: true, outputsInPlace: true, threads: 1 }
  private readonly kernelCaps: KernelCaps
  private liveBytes = 0
  private liveBuffers = 0
  private peakBytes = 0
  private programs = 0
  private disposed = false
  /** The first failure that no call has told of. */
  private failure: TensorError | undefined
  private lost: TensorError | undefined
  /** Memory of temporaries, which all programs use in turn. */
  private arena: GPUBuffer | undefined
  private readonly modules = new Map<string, Promise<Stage['pipeline']>>()

  constructor(
    private readonly gpu: GPUDevice,
    adapter: GPUAdapterInfo,
    private readonly options: WebGpuDeviceOptions = {},
  ) {
    const { limits } = gpu
    this.description = `WebGPU, ${[adapter.description, adapter.device, adapter.architecture, adapter.vendor].find((text) => text !== '') ?? 'unnamed adapter'}`
    this.kernelCaps = {
      f16: gpu.features.has('shader-f16'),
      subgroups: gpu.features.has('subgroups'),
      sharedBytes: limits.maxComputeWorkgroupStorageSize,
      maxInvocations: limits.maxComputeInvocationsPerWorkgroup,
      maxWorkgroup: [limits.maxComputeWorkgroupSizeX, limits.maxComputeWorkgroupSizeY, limits.maxComputeWorkgroupSizeZ],
      maxBindings: limits.maxStorageBuffersPerShaderStage,
    }
    gpu.addEventListener('uncapturederror', ({ error }) => {
      const memory = error.constructor.name === 'GPUOutOfMemoryError'
      this.failure ??= new TensorError(memory ? 'OUT_OF_MEMORY' : 'RUNTIME', `${this.description}: ${error.message}`)
    })
    void gpu.lost.then(({ reason, message }) => {
      if (this.disposed) return
      this.lost = new TensorError(
        'DEVICE_LOST',
        `${this.description} was lost (${reason}): ${message}. Open a device again, and load weights anew`,
      )
    })
  }

  supports(op: string, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs): boolean {
    return hasKernel(op, inputs, outputs, attrs)
  }

  alloc(bytes: number): DeviceBuffer {
    this.check()
    const { maxBufferSize, maxStorageBufferBindingSize } = this.gpu.limits
    const most = Math.min(maxBufferSize, maxStorageBufferBindingSize)
    const size = Math.max(4, Math.ceil(bytes / 4) * 4)
    if (size > most)
      throw new TensorError(
        'OUT_OF_MEMORY',
        `${this.description} holds at most ${most} bytes in one tensor, and was asked for ${bytes}; split it, or use device 'cpu'`,
      )
    const memory = this.gpu.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST })
    this.liveBytes += bytes
    this.liveBuffers++
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes)
    return new WebGpuBuffer(this, bytes, memory)
  }

  free(buffer: DeviceBuffer): void {
    const own = this.own(buffer)
    own.freed = true
    // Work that was submitted before keeps what it uses.
    own.memory.destroy()
    this.liveBytes -= own.bytes
    this.liveBuffers--
  }

  write(buffer: DeviceBuffer, bytes: Uint8Array): void {
    this.check()
    if (bytes.byteLength > buffer.bytes)
      throw new TensorError('VALUE', `write: ${bytes.byteLength} bytes do not fit in a buffer of ${buffer.bytes}`)
    this.gpu.queue.writeBuffer(this.own(buffer).memory, 0, wholeWords(bytes))
  }

  async read(buffer: DeviceBuffer, bytes = buffer.bytes): Promise<Uint8Array> {
    this.check()
    if (!Number.isInteger(bytes) || bytes < 0 || bytes > buffer.bytes)
      throw new TensorError('VALUE', `read: ${bytes} bytes of a buffer of ${buffer.bytes}`)
    if (bytes === 0) return new Uint8Array(0)
    const size = Math.ceil(bytes / 4) * 4
    const copy = this.gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST })
    try {
      const encoder = this.gpu.createCommandEncoder()
      encoder.copyBufferToBuffer(this.own(buffer).memory, 0, copy, 0, size)
      this.gpu.queue.submit([encoder.finish()])
      await copy.mapAsync(GPUMapMode.READ).catch(async (error: unknown) => {
        await Promise.resolve() // what lost the device is told first
        throw this.lost ?? new TensorError('RUNTIME', `${this.description}: reading failed: ${String(error)}`)
      })
      this.check()
      return new Uint8Array(copy.getMappedRange().slice(0, bytes))
    } finally {
      copy.destroy()
    }
  }

  async compile(program: Program): Promise<Executable> {
    this.check()
    const plan = planDispatches(program, { maxBindings: this.kernelCaps.maxBindings })
    const stages = await Promise.all(plan.dispatches.map((dispatch) => this.stage(dispatch)))
    this.check()
    const withNumbers = stages.filter(({ dispatch }) => dispatch.symbols.length > 0).length
    const numbers =
      withNumbers === 0
        ? undefined
        : this.gpu.createBuffer({ size: stages.length * NUMBERS_STRIDE, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST })
    this.programs++
    debugLog(2, () => `${stages.length} dispatches on ${this.description}: ${plan.dispatches.map(({ title }) => title).join(', ')}`)
    return new WebGpuExecutable(program, plan, stages, numbers, () => this.programs--)
  }

  run(
    executable: Executable,
    inputs: readonly DeviceBuffer[],
    outputs: readonly DeviceBuffer[],
    symbols: SymValues,
    options: RunOptions = {},
  ): void {
    if (options.signal?.aborted === true)
      throw markUnstarted(new TensorError('ABORTED', 'the run was aborted before it started', { cause: options.signal.reason }))
    const own = executable as WebGpuExecutable
    if (own.disposed) throw markUnstarted(new TensorError('DISPOSED', 'run: this program was disposed'))
    this.check()
    const memory = { input: inputs.map((buffer) => this.own(buffer)), output: outputs.map((buffer) => this.own(buffer)) }
    const arena = this.arenaOf(own.plan.arena)
    if (own.numbers !== undefined) this.writeNumbers(own, symbols)
    const encoder = this.gpu.createCommandEncoder()
    // One buffer that was given twice would be bound twice, which WebGPU refuses of arrays that may be written.
    const copies: GPUBuffer[] = []
    const sources = memory.input.map(({ memory: source }, i) => {
      if (memory.input.findIndex((other) => other.memory === source) === i) return source
      const copy = this.gpu.createBuffer({ size: source.size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST })
      encoder.copyBufferToBuffer(source, 0, copy, 0, source.size)
      copies.push(copy)
      return copy
    })
    const bind = (place: Place): GPUBufferBinding =>
      place.kind === 'temporary'
        ? { buffer: arena!, offset: place.offset, size: place.bytes }
        : { buffer: place.kind === 'input' ? sources[place.index]! : memory.output[place.index]!.memory }
    const pass = encoder.beginComputePass()
    const { maxComputeWorkgroupsPerDimension: most } = this.gpu.limits
    own.stages.forEach(({ dispatch, pipeline, layout }, i) => {
      const groups = groupsOf(dispatch, symbols)
      if (groups === 0) return
      const entries: GPUBindGroupEntry[] = dispatch.places.map((place, binding) => ({ binding, resource: bind(place) }))
      if (dispatch.symbols.length > 0)
        entries.push({
          binding: uniformBinding(dispatch.kernel),
          resource: { buffer: own.numbers!, offset: i * NUMBERS_STRIDE, size: uniformBytes(dispatch.kernel) },
        })
      pass.setPipeline(pipeline)
      pass.setBindGroup(0, this.gpu.createBindGroup({ layout, entries }))
      const along = Math.min(groups, most)
      pass.dispatchWorkgroups(along, Math.ceil(groups / along))
    })
    pass.end()
    this.gpu.queue.submit([encoder.finish()])
    for (const copy of copies) copy.destroy()
  }

  async sync(): Promise<void> {
    this.check()
    await this.gpu.queue.onSubmittedWorkDone()
    this.check()
  }

  memory(): DeviceMemory {
    return { liveBytes: this.liveBytes, liveBuffers: this.liveBuffers, peakBytes: this.peakBytes, programs: this.programs }
  }

  async dispose(): Promise<void> {
    if (this.disposed) return
    this.disposed = true
    if (this.lost === undefined) await this.gpu.queue.onSubmittedWorkDone()
    this.arena?.destroy()
    this.gpu.destroy()
    this.options.close?.()
  }

  private async stage(dispatch: Dispatch): Promise<Stage> {
    const { kernel } = dispatch
    verifyKernel(kernel, this.kernelCaps)
    const code = printWgsl(kernel)
    const entries: GPUBindGroupLayoutEntry[] = kernel.storages.map((_, binding) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: 'storage' },
    }))
    if (kernel.uniforms.length > 0)
      entries.push({ binding: uniformBinding(kernel), visibility: GPUShaderStage.COMPUTE, buffer: { type: 'uniform' } })
    const layout = this.gpu.createBindGroupLayout({ entries })
    let pipeline = this.modules.get(code)
    if (pipeline === undefined) {
      pipeline = this.gpu
        .createComputePipelineAsync({
          label: kernel.name,
          layout: this.gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
          compute: { module: this.gpu.createShaderModule({ label: kernel.name, code }), entryPoint: 'main' },
        })
        .catch((error: unknown) => {
          throw (
            this.lost ?? new TensorError('RUNTIME', `${this.description} does not take kernel ${kernel.name}: ${String(error)}\n${code}`)
          )
        })
      this.modules.set(code, pipeline)
    }
    return { dispatch, pipeline: await pipeline, layout }
  }

  private writeNumbers(executable: WebGpuExecutable, values: SymValues): void {
    const words = new Uint32Array((executable.stages.length * NUMBERS_STRIDE) / 4)
    executable.stages.forEach(({ dispatch }, i) =>
      dispatch.symbols.forEach((symbol, k) => {
        words[(i * NUMBERS_STRIDE) / 4 + k] = resolveIndex(symbol, values)
      }),
    )
    this.gpu.queue.writeBuffer(executable.numbers!, 0, words)
  }

  private arenaOf(bytes: number): GPUBuffer | undefined {
    if (bytes === 0) return undefined
    if (this.arena === undefined || this.arena.size < bytes) {
      this.arena?.destroy()
      this.arena = this.gpu.createBuffer({ size: bytes, usage: GPUBufferUsage.STORAGE })
    }
    return this.arena
  }

  /** Throws what went wrong since the last call. */
  private check(): void {
    if (this.disposed) throw new TensorError('DISPOSED', `the device (${this.description}) was disposed`)
    if (this.lost !== undefined) throw this.lost
    const { failure } = this
    this.failure = undefined
    if (failure !== undefined) throw failure
  }

  private own(buffer: DeviceBuffer): WebGpuBuffer {
    if (buffer instanceof WebGpuBuffer && buffer.device === this) {
      if (buffer.freed) throw new TensorError('DISPOSED', 'a device buffer was used after it was freed')
      return buffer
    }
    throw new TensorError('DEVICE', `a buffer of ${buffer.device.name} was given to ${this.name}`)
  }
}

/** Writes are of whole words. */
function wholeWords(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (bytes.byteLength % 4 === 0 && bytes.buffer instanceof ArrayBuffer) return bytes as Uint8Array<ArrayBuffer>
  const padded = new Uint8Array(Math.ceil(bytes.byteLength / 4) * 4)
  padded.set(bytes)
  return padded
}

/** The limits that kernels and tensors meet; a device has the least of all adapters' unless asked for more. */
const wanted = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
] as const

/**
 * Opens the device of an implementation of WebGPU.
 *
 * @throws TensorError `DEVICE` when it has no adapter, or the adapter gives no device
 */
export async function openWebGpu(gpu: GPU, options: WebGpuDeviceOptions = {}): Promise<Device> {
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
  if (adapter === null) throw new TensorError('DEVICE', "WebGPU found no adapter: no driver, or it is switched off; use device 'cpu'")
  try {
    const device = await adapter.requestDevice({
      requiredLimits: Object.fromEntries(wanted.map((name) => [name, adapter.limits[name]])),
      requiredFeatures: (['shader-f16', 'subgroups'] as const).filter((name) => adapter.features.has(name)),
    })
    return new WebGpuDevice(device, adapter.info, options)
  } catch (error) {
    throw new TensorError('DEVICE', `the WebGPU adapter (${adapter.info.description}) gave no device: ${String(error)}`, { cause: error })
  }
}
