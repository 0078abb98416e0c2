import { leasePrograms, type ProgramLease } from '../compile/cache.js'
import { makePlan, type CompileOptions, type Plan } from '../compile/plan.js'
import { warn } from '../debug/log.js'
import { defaultDevice, defaultDeviceVersion } from '../device/default.js'
import type { Device, DeviceBuffer, DeviceName } from '../device/device.js'
import { resolveDevice } from '../device/registry.js'
import { TensorError } from '../errors.js'
import { makeNode } from '../graph/build.js'
import type { Node, Value } from '../graph/node.js'
import { topological } from '../graph/walk.js'
import { Handle } from '../handle.js'
import { storageOf, type Storage } from '../storage.js'
import { Tensor } from '../tensor.js'
import { isBranch, mapTree } from '../tree.js'
import { Captures } from './captures.js'
import { deviceOf } from './realize.js'
import { describeArgument, matches, type CallLeaves, type Spec } from './signature.js'
import { isPromise, Trace, withTrace, type QuantizedInputs } from './trace.js'

/** Where the buffer of a leaf comes from: an argument of the call, or a tensor that the function captured. */
export type Source = { readonly slot: number } | { readonly storage: Storage }

/** What a tensor was when a program was compiled. */
interface Role {
  readonly storage: Storage
  readonly frozen: boolean
  readonly epoch: number
}

/** A number of the arguments, as the scalar that the program reads. */
export interface NumberBuffer {
  readonly slot: number
  readonly buffer: DeviceBuffer
  readonly value: Float32Array
  readonly bytes: Uint8Array
}

/** What a function was compiled to for one combination of arguments. */
export interface Entry {
  readonly specs: readonly Spec[]
  readonly plan: Plan
  readonly lease: ProgramLease
  readonly sources: ReadonlyMap<Node, Source>
  /** Slots of the arguments given away. */
  readonly donated: readonly number[]
  /** Outputs that are an argument given away, by slot: the handle changes, the buffer stays. */
  readonly passed: ReadonlyMap<number, number>
  readonly captures: Captures
  /** Inputs of the programs that are no captured tensors. */
  readonly ownLeaves: readonly Node[]
  /** Captured tensors and frozen arguments as they were: a program over frozen values ends with their freeze. */
  readonly roles: { readonly captured: readonly Role[]; readonly given: readonly Role[] }
  readonly numbers: readonly NumberBuffer[]
  /** Rebuilds the result around the output tensors. */
  readonly rebuild: (outputs: readonly Tensor[]) => unknown
  /** The default device was chosen, in this version of it, because no argument said otherwise. */
  readonly followedDefault: number | undefined
  /** Calls under way: what they run is released after them. */
  calls: number
  dropped: boolean
}

export interface TraceOptions extends CompileOptions {
  readonly donate?: readonly number[]
  readonly static?: readonly number[]
  readonly device?: DeviceName | Device
  readonly quantizedInputs?: QuantizedInputs
}

/** Marks an argument's node while its function is traced, and afterwards as belonging to nobody else. */
class ArgumentSource {
  readonly trace: Trace

  constructor(trace: Trace) {
    this.trace = trace
  }
}

class OutputSlot {
  readonly index: number

  constructor(index: number) {
    this.index = index
  }
}

/** Records the function and compiles what it recorded. Whatever it allocates is released when that fails. */
export async function traceEntry(
  name: string,
  fn: (...args: unknown[]) => unknown,
  args: readonly unknown[],
  options: TraceOptions,
): Promise<Entry> {
  const next = { slot: 0 }
  const isStatic = (i: number): boolean => options.static?.includes(i) === true
  const specs = args.map((arg, i) => describeArgument(arg, `argument ${i}`, next, isStatic(i)))
  const trace = new Trace(name, options.quantizedInputs)
  const argumentNodes: Node[] = []
  const donated: number[] = []
  const numberSlots: number[] = []

  const placeholder = (spec: Spec, given: boolean): unknown => {
    switch (spec.kind) {
      case 'static':
        return spec.value
      case 'array':
        return spec.items.map((item) => placeholder(item, given))
      case 'record':
        return Object.fromEntries(spec.keys.map((key, i) => [key, placeholder(spec.items[i]!, given)]))
      case 'number':
      case 'tensor': {
        if (spec.kind === 'number') numberSlots.push(spec.slot)
        else if (given) donated.push(spec.slot)
        const type = spec.kind === 'number' ? ({ shape: [], dtype: 'f32' } as const) : { shape: spec.shape, dtype: spec.dtype }
        // A frozen argument is compiled in, so its own node stands for it.
        const node =
          spec.kind === 'tensor' && spec.frozen !== undefined
            ? spec.frozen.node
            : makeNode('input', [], {}, [type], new ArgumentSource(trace))
        argumentNodes[spec.slot] = node
        return new Tensor({ node, index: 0 })
      }
      default:
        return spec satisfies never
    }
  }
  const result = withTrace(trace, () =>
    fn(...specs.map((spec, i) => (isStatic(i) ? args[i] : placeholder(spec, options.donate?.includes(i) === true)))),
  )
  const { outputs, rebuild } = describeResult(name, result)

  const passed = new Map<number, number>()
  outputs.forEach(({ node }, index) => {
    const slot = argumentNodes.indexOf(node)
    if (donated.includes(slot) && ![...passed.values()].includes(slot)) passed.set(index, slot)
  })
  const computed = outputs.map((_, index) => index).filter((index) => !passed.has(index))
  const captured = topological(outputs).flatMap((node) => {
    if (node.op !== 'input' || argumentNodes.includes(node)) return []
    const storage = storageOf(node)
    if (storage === undefined)
      throw new TensorError('TRACE', `jit ${name}: a tensor of another function being traced was captured; pass it as an argument`)
    return [storage]
  })

  const leaves: CallLeaves = { handles: [], numbers: [] }
  specs.forEach((spec, i) => matches(spec, args[i], leaves, undefined))
  const given = leaves.handles.map((handle) => storageOf(handle.value.node)).filter((storage) => storage !== undefined)
  const said = deviceOf([...given, ...captured]) ?? (options.device === undefined ? undefined : await resolveDevice(options.device))
  const followedDefault = said === undefined ? defaultDeviceVersion() : undefined
  const device = said ?? (await defaultDevice())
  const roleOf = (storage: Storage): Role => ({ storage, frozen: storage.role === 'frozen', epoch: storage.epoch })
  const roles = { captured: captured.map(roleOf), given: given.map(roleOf).filter(({ frozen }) => frozen) }
  // A program packs frozen values while it is compiled, so they have to be there.
  for (const { storage, frozen } of [...roles.given, ...roles.captured]) if (frozen) storage.place(device)

  // What is handed through is not to be written into.
  const overwritable = new Set(donated.filter((slot) => ![...passed.values()].includes(slot)).map((slot) => argumentNodes[slot]!))
  const lease = leasePrograms(device)
  const numbers: NumberBuffer[] = []
  try {
    const plan = await makePlan(
      computed.map((index) => outputs[index]!),
      overwritable,
      device,
      lease.compile,
      options,
    )
    for (const { output, reader } of plan.copied)
      warn(
        `jit ${name}: result ${computed[output]!} could not take over its donated argument's memory, because '${reader}' reads the old value too late; it is copied`,
      )
    for (const slot of numberSlots) numbers.push(makeNumberBuffer(slot, device))
    const sources = new Map<Node, Source>()
    argumentNodes.forEach((node, slot) => sources.set(node, { slot }))
    for (const storage of captured) sources.set(storage.node, { storage })
    return {
      specs,
      plan,
      lease,
      sources,
      donated,
      passed,
      captures: new Captures(captured),
      ownLeaves: plan.leaves.filter((node) => 'slot' in sources.get(node)!),
      roles,
      numbers,
      rebuild,
      followedDefault,
      calls: 0,
      dropped: false,
    }
  } catch (error) {
    freeNumbers(numbers)
    lease.release()
    throw error
  }
}

export function makeNumberBuffer(slot: number, device: Device): NumberBuffer {
  const value = new Float32Array(1)
  return { slot, buffer: device.alloc(4), value, bytes: new Uint8Array(value.buffer) }
}

export function freeNumbers(numbers: readonly NumberBuffer[]): void {
  for (const { buffer } of numbers) buffer.device.free(buffer)
}

/** The tensors of a traced result, and how to put computed ones in their places. */
function describeResult(name: string, result: unknown): { outputs: Value[]; rebuild: Entry['rebuild'] } {
  if (isPromise(result)) {
    result.then(undefined, () => undefined) // its own failure is a consequence, and must not end the process as an unhandled one
    throw new TensorError(
      'TRACE',
      `jit ${name}: the function returned a promise; it is traced synchronously, so leave out async and await, and read values after the call`,
    )
  }
  const outputs: Value[] = []
  const template = mapTree(result, (leaf, path) => {
    if (leaf instanceof Handle) return new OutputSlot(outputs.push(leaf.value) - 1)
    if (isPromise(leaf)) leaf.then(undefined, () => undefined)
    if (leaf !== null && typeof leaf === 'object')
      throw new TensorError(
        'TRACE',
        `jit ${name}: the result's '${path}' is a ${leaf.constructor.name}; return tensors in plain records and arrays`,
      )
    return leaf
  })
  return { outputs, rebuild: rebuilder(template) }
}

/** Puts tensors where a template has their slots. Prepared once: mapTree would make up every leaf's path at every call. */
function rebuilder(template: unknown): Entry['rebuild'] {
  if (template instanceof OutputSlot) return (tensors) => tensors[template.index]
  if (!isBranch(template)) return () => template
  if (Array.isArray(template)) {
    const items = template.map(rebuilder)
    return (tensors) => items.map((item) => item(tensors))
  }
  const entries = Object.entries(template).map(([key, item]) => [key, rebuilder(item)] as const)
  return (tensors) => {
    const out: Record<string, unknown> = {}
    for (const [key, item] of entries) out[key] = item(tensors)
    return out
  }
}

/** Ends an entry: its programs and buffers go now, or after the calls under way. */
export function dropEntry(entry: Entry): void {
  entry.dropped = true
  if (entry.calls > 0) return
  entry.lease.release()
  freeNumbers(entry.numbers)
  entry.captures.dispose()
}

/** A call begins that does not end at once. */
export function enterEntry(entry: Entry): void {
  entry.calls++
  entry.captures.begin()
}

export function leaveEntry(entry: Entry): void {
  entry.captures.end()
  if (--entry.calls === 0 && entry.dropped) dropEntry(entry)
}

/** Whether the entry's device is gone, or weights that it was compiled over have been frozen, or freed for writing, since. */
export const isStale = ({ plan, roles, captures }: Entry): boolean =>
  (plan.device.gone === true && plan.steps.length > 0) || roles.given.some(isAnother) || (!captures.fresh && roles.captured.some(isAnother))

const isAnother = ({ storage, frozen, epoch }: Role): boolean =>
  storage.state === 'live' && ((storage.role === 'frozen') !== frozen || storage.epoch !== epoch)
