/** A program ready to be replayed: pipelines, and what binds them to the buffers of earlier runs. */
import type { Dispatch, DispatchPlan, Place } from '../../compile/dispatches.js'
import type { Program } from '../../compile/program.js'
import { uniformBinding, uniformBytes } from '../../kernel/print-wgsl.js'
import type { SymValues } from '../../shape.js'
import type { Executable } from '../device.js'
import { gridOf, workgroupsOf, writeNumbers } from '../kernel-device.js'
import type { Holder, Memory } from './memory.js'
import type { Operation } from './operations.js'
import type { Pipeline } from './pipelines.js'

export interface Stage {
  readonly dispatch: Dispatch
  readonly pipeline: Pipeline
}

/** What a run is given. */
export interface RunMemory {
  readonly inputs: readonly Memory[]
  readonly outputs: readonly Memory[]
  /** That of temporaries, where the program has any. */
  readonly arena: Memory | undefined
}

/** What an executable asks of its device. */
export interface ExecutableHost {
  readonly gpu: GPUDevice
  /** Memory that belongs to no tensor. */
  allocate(bytes: number, usage: GPUBufferUsageFlags, label: string): Memory
  release(memory: Memory): void
  /** Bound in place of ranges of an array that there is no memory for, and that no thread reaches: 256 bytes for each. */
  nothing(): GPUBuffer
}

/** Combinations of buffers that a program keeps bind groups for: loops that hand buffers on go round a few. */
const mostBindings = 8

export class WebGpuExecutable implements Executable {
  disposed = false
  /** For messages: what the program works out. */
  readonly label: string
  /** The latest first. */
  private bindings: Bindings[] = []
  /** Where the numbers of each dispatch begin, in bytes; undefined for a dispatch without any. */
  private readonly numbersAt: readonly (number | undefined)[]
  private readonly numbersBytes: number
  /** Along one axis. */
  private readonly mostWorkgroups: number
  private numbers: Memory | undefined
  /** The numbers as they are on the device. */
  private written: Uint32Array<ArrayBuffer> | undefined

  constructor(
    readonly program: Program,
    readonly plan: DispatchPlan,
    readonly stages: readonly Stage[],
    private readonly host: ExecutableHost,
    private readonly onDispose: () => void,
  ) {
    const titles = stages.map(({ dispatch }) => dispatch.title)
    this.label = `a program of ${titles.length} dispatch${titles.length === 1 ? '' : 'es'} (${titles.slice(0, 4).join(', ')}${titles.length > 4 ? ', …' : ''})`
    const { minUniformBufferOffsetAlignment: step, maxComputeWorkgroupsPerDimension } = host.gpu.limits
    this.mostWorkgroups = maxComputeWorkgroupsPerDimension
    let end = 0
    this.numbersAt = stages.map(({ dispatch }) => {
      if (dispatch.symbols.length === 0) return undefined
      const at = end
      end += Math.ceil(uniformBytes(dispatch.kernel) / step) * step
      return at
    })
    this.numbersBytes = end
  }

  /** What a run binds, prepared now or at an earlier run. Allocates. */
  bind(memory: RunMemory): Bindings {
    this.numbers ??= this.numbersBytes === 0 ? undefined : this.allocateNumbers()
    const key = [...memory.inputs, ...memory.outputs, ...(memory.arena === undefined ? [] : [memory.arena])]
    const at = this.bindings.findIndex((known) => known.isFor(key))
    const found = at < 0 ? this.prepare(memory, key) : this.bindings[at]!
    if (at !== 0) {
      if (at > 0) this.bindings.splice(at, 1)
      this.bindings.unshift(found)
      if (this.bindings.length > mostBindings) this.bindings.at(-1)!.drop()
    }
    return found
  }

  /** The program's commands, for the values of its symbols. */
  encode(encoder: GPUCommandEncoder, bindings: Bindings, symbols: SymValues): void {
    this.writeNumbers(symbols)
    for (const { from, to } of bindings.copies)
      from.blocks.forEach(({ buffer, bytes }, i) => encoder.copyBufferToBuffer(buffer, 0, to.blocks[i]!.buffer, 0, bytes))
    const pass = encoder.beginComputePass()
    this.stages.forEach(({ dispatch, pipeline }, i) => {
      const [along, across] = gridOf(workgroupsOf(dispatch, symbols), this.mostWorkgroups)
      if (along === 0) return
      pass.setPipeline(pipeline.pipeline)
      pass.setBindGroup(0, bindings.groups[i]!)
      pass.dispatchWorkgroups(along, across)
    })
    pass.end()
  }

  /** What else a run depends on than its buffers: memory that may not have been there. */
  causes({ copies }: Bindings): readonly Operation[] {
    return [...(this.numbers === undefined ? [] : [this.numbers.born]), ...copies.map(({ to }) => to.born)]
  }

  /** A run failed: what it prepared may be what was not there. */
  forget(): void {
    for (const known of [...this.bindings]) known.drop()
    if (this.numbers !== undefined) this.host.release(this.numbers)
    this.numbers = undefined
    this.written = undefined
  }

  /** Combinations of buffers that are prepared. */
  get prepared(): number {
    return this.bindings.length
  }

  dispose(): void {
    if (this.disposed) return
    this.disposed = true
    this.forget()
    this.onDispose()
  }

  private allocateNumbers(): Memory {
    return this.host.allocate(this.numbersBytes, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST, `the numbers of ${this.label}`)
  }

  private writeNumbers(symbols: SymValues): void {
    if (this.numbers === undefined) return
    const words = new Uint32Array(this.numbersBytes / 4)
    this.stages.forEach(({ dispatch }, i) => {
      const at = this.numbersAt[i]
      if (at !== undefined) writeNumbers(words, at / 4, dispatch, symbols)
    })
    const { written } = this
    if (written !== undefined && words.every((word, i) => word === written[i])) return
    this.host.gpu.queue.writeBuffer(this.numbers.blocks[0]!.buffer, 0, words)
    this.written = words
  }

  private prepare(memory: RunMemory, key: readonly Memory[]): Bindings {
    const copies = this.copiesFor(memory)
    const memoryOf = (place: Place): Memory =>
      place.kind === 'temporary'
        ? memory.arena!
        : place.kind === 'output'
          ? memory.outputs[place.index]!
          : (copies.get(place.index)?.to ?? memory.inputs[place.index]!)
    const latest = this.bindings[0]
    const resources = this.stages.map(({ dispatch }) => dispatch.places.map(memoryOf))
    const groups = this.stages.map((stage, i) => {
      // A run that differs in a few buffers shares the bind groups that do not hold them.
      if (latest?.resources[i]!.every((other, k) => other === resources[i]![k]) === true) return latest.groups[i]!
      return this.groupOf(stage, i, resources[i]!)
    })
    return new Bindings(key, groups, resources, [...copies.values()], (gone) => {
      this.bindings = this.bindings.filter((known) => known !== gone)
      for (const { to } of gone.copies) this.host.release(to)
    })
  }

  private groupOf({ dispatch, pipeline }: Stage, i: number, resources: readonly Memory[]): GPUBindGroup {
    const bound: GPUBufferBinding[] = []
    let missing = 0
    dispatch.places.forEach((place, which) => {
      const memory = resources[which]!
      const ranges =
        place.kind === 'temporary' ? memory.ranges(place.offset, place.bytes, place.ranges) : memory.ranges(0, memory.bytes, place.ranges)
      bound.push(...ranges)
      for (let i = ranges.length; i < place.ranges; i++) bound.push({ buffer: this.host.nothing(), offset: 256 * missing++, size: 256 })
    })
    const entries: GPUBindGroupEntry[] = bound.map((resource, binding) => ({ binding, resource }))
    const offset = this.numbersAt[i]
    if (offset !== undefined)
      entries.push({
        binding: uniformBinding(dispatch.kernel),
        resource: { buffer: this.numbers!.blocks[0]!.buffer, offset, size: uniformBytes(dispatch.kernel) },
      })
    return this.host.gpu.createBindGroup({ label: `dispatch ${i}, ${dispatch.title}`, layout: pipeline.layout, entries })
  }

  /**
   * Inputs that have to be read from a copy, by index: WebGPU refuses a memory that is bound twice in one dispatch, as all arrays may be written, and what is
   * written over is to be read as it was.
   */
  private copiesFor({ inputs, outputs }: RunMemory): Map<number, Copy> {
    const copies = new Map<number, Copy>()
    if (new Set([...inputs, ...outputs]).size === inputs.length + outputs.length) return copies
    const aliases = new Set(this.program.outputs.map(({ alias }) => alias))
    const written = new Set(outputs)
    const copy = (index: number): void => {
      const from = inputs[index]!
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST
      if (!copies.has(index)) copies.set(index, { from, to: this.host.allocate(from.bytes, usage, 'a copy of an input') })
    }
    inputs.forEach((memory, index) => {
      if (written.has(memory) && !aliases.has(index)) copy(index)
    })
    for (const { dispatch } of this.stages) {
      const seen = new Set<Memory>()
      for (const place of dispatch.places) {
        if (place.kind !== 'input' || copies.has(place.index)) continue
        const memory = inputs[place.index]!
        // The one that is written in place has to stay what it is, and has been looked after above.
        if (seen.has(memory) && !written.has(memory)) copy(place.index)
        seen.add(memory)
      }
    }
    return copies
  }
}

interface Copy {
  readonly from: Memory
  readonly to: Memory
}

/** The bind groups of a program for one combination of buffers. Goes when one of them does. */
export class Bindings implements Holder {
  private gone = false

  constructor(
    private readonly key: readonly Memory[],
    readonly groups: readonly GPUBindGroup[],
    /** What each group binds. */
    readonly resources: readonly (readonly Memory[])[],
    /** Made anew at each run. */
    readonly copies: readonly Copy[],
    private readonly onDrop: (self: Bindings) => void,
  ) {
    for (const memory of key) memory.holders.add(this)
  }

  isFor(key: readonly Memory[]): boolean {
    return key.length === this.key.length && key.every((memory, i) => memory === this.key[i])
  }

  drop(): void {
    if (this.gone) return
    this.gone = true
    for (const memory of this.key) memory.holders.delete(this)
    this.onDrop(this)
  }
}
