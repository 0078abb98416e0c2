import { TensorError } from '../../errors.js'
import { bindingCount, type Kernel, type KernelCaps } from '../../kernel/ir.js'
import { printWgsl, uniformBinding } from '../../kernel/print-wgsl.js'
import { verifyKernel } from '../../kernel/verify.js'

export interface Pipeline {
  readonly code: string
  readonly pipeline: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
}

interface Entry {
  readonly made: Promise<Pipeline>
  users: number
}

/** Pipelines by their code, shared by programs. Those in use stay; of the others the most recent. */
export class Pipelines {
  /** Least recently used first. */
  private readonly entries = new Map<string, Entry>()
  private idle = 0
  private readonly layouts = new Map<string, GPUBindGroupLayout>()

  constructor(
    private readonly gpu: GPUDevice,
    private readonly description: string,
    private readonly caps: KernelCaps,
    /** Those that no program uses and that are kept all the same, for the next program with such a kernel. */
    private readonly mostIdle = 128,
  ) {}

  /** Number of pipelines, idle ones included. */
  get size(): number {
    return this.entries.size
  }

  /** A kernel's pipeline, in use until `release`. Errors: KERNEL for a kernel put together wrongly, RUNTIME when the device does not take it. */
  async take(kernel: Kernel): Promise<Pipeline> {
    verifyKernel(kernel, this.caps)
    const code = printWgsl(kernel)
    let entry = this.entries.get(code)
    if (entry === undefined) entry = { made: this.make(kernel, code), users: 0 }
    else {
      this.entries.delete(code)
      if (entry.users === 0) this.idle--
    }
    entry.users++
    this.entries.set(code, entry)
    try {
      return await entry.made
    } catch (error) {
      // A failure is not worth remembering: there may be memory next time.
      if (this.entries.get(code) === entry) this.entries.delete(code)
      throw error
    }
  }

  release({ code }: Pipeline): void {
    const entry = this.entries.get(code)
    if (entry === undefined || --entry.users > 0) return
    this.idle++
    for (const [oldest, { users }] of this.entries) {
      if (this.idle <= this.mostIdle) break
      if (users > 0) continue
      this.entries.delete(oldest)
      this.idle--
    }
  }

  clear(): void {
    this.entries.clear()
    this.layouts.clear()
    this.idle = 0
  }

  private async make(kernel: Kernel, code: string): Promise<Pipeline> {
    const { gpu } = this
    // Errors in the text are told of the module, and the pipeline only says that its module is none.
    gpu.pushErrorScope('validation')
    const layout = this.layoutOf(kernel)
    const making = gpu.createComputePipelineAsync({
      label: kernel.name,
      layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: gpu.createShaderModule({ label: kernel.name, code }), entryPoint: 'main' },
    })
    const [made, scope] = await Promise.allSettled([making, gpu.popErrorScope()])
    if (made.status === 'fulfilled') return { code, pipeline: made.value, layout }
    const told = scope.status === 'fulfilled' ? scope.value?.message : undefined
    throw new TensorError('RUNTIME', `${this.description} does not take kernel ${kernel.name}: ${told ?? String(made.reason)}\n${code}`, {
      cause: made.reason,
    })
  }

  private layoutOf(kernel: Kernel): GPUBindGroupLayout {
    const withNumbers = kernel.uniforms.length > 0
    const bindings = bindingCount(kernel.storages)
    const key = `${bindings} ${withNumbers}`
    let layout = this.layouts.get(key)
    if (layout === undefined) {
      const entries: GPUBindGroupLayoutEntry[] = Array.from({ length: bindings }, (_, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: 'storage' },
      }))
      if (withNumbers) entries.push({ binding: uniformBinding(kernel), visibility: GPUShaderStage.COMPUTE, buffer: { type: 'uniform' } })
      layout = this.gpu.createBindGroupLayout({ entries })
      this.layouts.set(key, layout)
    }
    return layout
  }
}
