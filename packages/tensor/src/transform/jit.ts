import { leasePrograms, type ProgramLease } from '../compile/cache.js'
import { makePlan, type CompileOptions, type Plan } from '../compile/plan.js'
import { debugLog, warn } from '../debug/log.js'
import { defaultDevice } from '../device/default.js'
import type { Device, DeviceBuffer, RunOptions } from '../device/device.js'
import { resolveDevice } from '../device/registry.js'
import type { DeviceName } from '../device/device.js'
import type { DType } from '../dtype.js'
import { TensorError } from '../errors.js'
import { makeNode } from '../graph/build.js'
import type { Node, Value } from '../graph/node.js'
import { topological } from '../graph/walk.js'
import { Handle, realize } from '../handle.js'
import type { SymValues } from '../shape.js'
import { Storage, storageOf } from '../storage.js'
import { Tensor } from '../tensor.js'
import { mapTree } from '../tree.js'
import { checkSymbols, executePlan, withDiagnostics } from './execute.js'
import { deviceOf, gatherSymbols, symbolsOf } from './realize.js'
import { describeArgument, difference, matches, type CallLeaves, type Spec } from './signature.js'
import { Trace, withTrace } from './trace.js'

export interface JitOptions extends CompileOptions {
  /** Positions of arguments whose buffers the call may take over; their handles are dead afterwards. */
  readonly donate?: readonly number[]
  /** Positions of arguments compiled in by value or identity: configuration objects, functions. */
  readonly static?: readonly number[]
  /** Told which component of a call differed when a second program is needed. */
  readonly onRecompile?: (reason: string) => void
  /** Where to run when no argument is on a device yet; default the default device. */
  readonly device?: DeviceName | Device
  /** Name in logs and errors; default the function's. */
  readonly name?: string
}

export interface CallOptions extends RunOptions {
  /** Values of the symbols. */
  readonly symbols?: SymValues
}

/** What may be passed where the function takes T: a number for any tensor; it arrives as an f32 scalar. */
export type Argument<T> = T extends Tensor ? T | number : T extends (...args: never) => unknown ? T : T extends object ? { [K in keyof T]: Argument<T[K]> } : T

/** A compiled function: call it, or `run` it with symbols and a signal. */
export interface Jitted<Args extends readonly unknown[], Result> {
  (...args: Args): Promise<Result>
  run(args: Args, options?: CallOptions): Promise<Result>
  /** Number of shapes compiled for. */
  readonly size: number
  /** Forgets the compiled programs. */
  dispose(): void
  [Symbol.dispose](): void
}

interface Entry {
  readonly specs: readonly Spec[]
  readonly plan: Plan
  readonly lease: ProgramLease
  readonly leaves: CallLeaves
  /** Where each leaf node's buffer comes from. */
  readonly sources: ReadonlyMap<Node, Source>
  readonly donated: readonly number[]
  readonly captured: readonly Storage[]
  /** Their roles when the function was traced: a program over frozen values ends with their freeze. */
  readonly capturedRoles: readonly Storage['role'][]
  /** Rebuilds the result around the output tensors. */
  readonly rebuild: (outputs: readonly Tensor[]) => unknown
  readonly numberBuffers: { readonly slot: number; readonly buffer: DeviceBuffer; readonly bytes: Uint8Array; readonly value: Float32Array }[]
  /** Outputs that are an argument given away, by slot: the handle changes, the buffer stays. */
  readonly passed: ReadonlyMap<number, number>
}

type Source = { readonly slot: number } | { readonly storage: Storage }

const cacheLimit = 64

/**
 * Compiles a function of tensors. It is traced once for each combination of argument structure, shapes, dtypes,
 * device and static values, and replayed afterwards.
 *
 * Inside, nothing runs: asking for values, branching on them or returning a promise throws TRACE. Realised tensors
 * captured by the function become hidden inputs, read at each call.
 */
export function jit<Params extends readonly unknown[], Result>(
  fn: (...args: Params) => Result,
  options: JitOptions = {},
): Jitted<{ [K in keyof Params]: Argument<Params[K]> }, Result> {
  type Args = { [K in keyof Params]: Argument<Params[K]> }
  const name = options.name ?? (fn.name === '' ? 'function' : fn.name)
  const entries: Entry[] = []
  const pending = new Map<string, Promise<Entry>>()

  const find = (args: readonly unknown[]): Entry | undefined => {
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!
      if (entry.captured.some((storage, k) => storage.state === 'live' && storage.role !== entry.capturedRoles[k])) {
        entries.splice(i--, 1)
        dropEntry(entry)
        continue
      }
      if (entry.specs.length !== args.length || !entry.specs.every((spec, k) => matches(spec, args[k], entry.leaves))) continue
      if (i > 0) {
        entries.splice(i, 1)
        entries.unshift(entry)
      }
      return entry
    }
    return undefined
  }

  const compile = async (args: Args): Promise<Entry> => {
    const before = entries[0]
    if (before !== undefined) {
      const reason = before.specs.map((spec, i) => difference(spec, args[i])).find((text) => text !== undefined) ?? 'another number of arguments'
      debugLog(1, () => `jit ${name}: compiling again, ${reason}`)
      options.onRecompile?.(reason)
    }
    const entry = await traceEntry(name, fn as unknown as (...args: unknown[]) => unknown, args, options)
    entries.unshift(entry)
    while (entries.length > cacheLimit) dropEntry(entries.pop()!)
    return entry
  }

  const run = async (args: Args, call: CallOptions = {}): Promise<Result> => {
    let entry = find(args)
    if (entry === undefined) {
      // Two first calls in flight compile once: the second waits, then looks again.
      while (pending.size > 0) {
        await [...pending.values()][0]!.catch(() => undefined)
        entry = find(args)
        if (entry !== undefined) break
      }
      if (entry === undefined) {
        const compiling = compile(args)
        pending.set(name, compiling)
        try {
          await compiling
        } finally {
          pending.delete(name)
        }
        entry = find(args)
        if (entry === undefined) throw new TensorError('TRACE', `jit ${name}: an argument changed while it was being compiled for`)
      }
    }
    return (await callEntry(name, entry, call)) as Result
  }

  const jitted = (...args: Args): Promise<Result> => run(args)
  const dispose = (): void => {
    for (const entry of entries.splice(0)) dropEntry(entry)
  }
  return Object.defineProperties(Object.assign(jitted, { run, dispose, [Symbol.dispose]: dispose }), {
    size: { get: () => entries.length },
    name: { value: name },
  }) as unknown as Jitted<Args, Result>
}

function dropEntry(entry: Entry): void {
  entry.lease.release()
  for (const { buffer } of entry.numberBuffers) buffer.device.free(buffer)
}

/** Records the function and compiles what it recorded. */
async function traceEntry(name: string, fn: (...args: unknown[]) => unknown, args: readonly unknown[], options: JitOptions): Promise<Entry> {
  const next = { slot: 0 }
  const specs = args.map((arg, i) => describeArgument(arg, `argument ${i}`, next, options.static?.includes(i) === true))
  const trace = new Trace(name)
  const argumentNodes: Node[] = []
  const donatedSlots: number[] = []
  const numberSlots: number[] = []

  const placeholder = (spec: Spec, donated: boolean): unknown => {
    switch (spec.kind) {
      case 'static':
        return spec.value
      case 'array':
        return spec.items.map((item) => placeholder(item, donated))
      case 'record':
        return Object.fromEntries(spec.keys.map((key, i) => [key, placeholder(spec.items[i]!, donated)]))
      case 'number':
      case 'tensor': {
        const type = spec.kind === 'number' ? { shape: [], dtype: 'f32' as const } : { shape: spec.shape, dtype: spec.dtype as DType }
        if (spec.kind === 'number') numberSlots.push(spec.slot)
        else if (donated) donatedSlots.push(spec.slot)
        // A frozen argument is compiled in, so its own node stands for it.
        const node = spec.kind === 'tensor' && spec.frozen !== undefined ? spec.frozen.node : makeNode('input', [], {}, [type], new ArgumentSource(trace, spec.kind === 'tensor' && spec.trainable))
        argumentNodes[spec.slot] = node
        return new Tensor({ node, index: 0 })
      }
      default:
        return spec satisfies never
    }
  }

  const result = withTrace(trace, () => fn(...specs.map((spec, i) => placeholder(spec, options.donate?.includes(i) === true))))
  if (typeof (result as { then?: unknown } | undefined)?.then === 'function')
    throw new TensorError('TRACE', `jit ${name}: the function returned a promise; it is traced synchronously, so leave out async and await, and read values after the call`)
  const outputs: Value[] = []
  const template = mapTree(result, (leaf, path) => {
    if (leaf instanceof Handle) return new OutputSlot(outputs.push(leaf.value) - 1)
    if (leaf !== null && typeof leaf === 'object') throw new TensorError('TRACE', `jit ${name}: the result's '${path}' is a ${leaf.constructor.name}; return tensors in plain records and arrays`)
    return leaf
  })

  const passed = new Map<number, number>()
  const seen = new Set<number>()
  outputs.forEach((value, index) => {
    const slot = argumentNodes.indexOf(value.node)
    if (slot >= 0 && donatedSlots.includes(slot) && !seen.has(slot)) {
      passed.set(index, slot)
      seen.add(slot)
    }
  })
  const computed = outputs.filter((_, index) => !passed.has(index))
  const nodes = topological(outputs)
  const captured = nodes.flatMap((node) => {
    if (node.op !== 'input' || argumentNodes.includes(node)) return []
    const storage = storageOf(node)
    if (storage === undefined) throw new TensorError('TRACE', `jit ${name}: a tensor of another function being traced was captured; pass it as an argument`)
    return [storage]
  })
  const leaves: CallLeaves = { handles: [], numbers: [] }
  specs.forEach((spec, i) => matches(spec, args[i], leaves))
  const storages = leaves.handles.flatMap((handle) => {
    const storage = handle === undefined ? undefined : storageOf(handle.value.node)
    return storage === undefined ? [] : [storage]
  })
  const device = deviceOf([...storages, ...captured]) ?? (options.device === undefined ? await defaultDevice() : await resolveDevice(options.device))
  for (const storage of [...storages, ...captured]) if (storage.role === 'frozen') storage.on(device)
  const donated = new Set(donatedSlots.map((slot) => argumentNodes[slot]!))
  const lease = leasePrograms(device)
  const plan = await makePlan(computed, donated, device, lease.compile, options).catch((error: unknown) => {
    lease.release()
    throw error
  })
  for (const { output, reader } of plan.copied) warn(`jit ${name}: result ${output} could not take over its donated argument's memory, because '${reader}' reads the old value too late; it is copied`)

  const sources = new Map<Node, Source>()
  argumentNodes.forEach((node, slot) => sources.set(node, { slot }))
  for (const storage of captured) sources.set(storage.node, { storage })
  return {
    specs, plan, lease, leaves, sources, donated: donatedSlots, captured, passed,
    capturedRoles: captured.map((storage) => storage.role),
    numberBuffers: numberSlots.map((slot) => {
      const value = new Float32Array(1)
      return { slot, buffer: device.alloc(4), value, bytes: new Uint8Array(value.buffer) }
    }),
    rebuild: (tensors) => mapTree(template, (leaf) => (leaf instanceof OutputSlot ? tensors[leaf.index] : leaf)),
  }
}

/** Marks an argument's node while its function is traced. */
class ArgumentSource {
  readonly trace: Trace
  readonly trainable: boolean

  constructor(trace: Trace, trainable: boolean) {
    this.trace = trace
    this.trainable = trainable
  }
}

class OutputSlot {
  readonly index: number

  constructor(index: number) {
    this.index = index
  }
}

/** One call of a compiled function. Refusals before the launch leave every argument as it was. */
async function callEntry(name: string, entry: Entry, call: CallOptions): Promise<unknown> {
  const { plan, sources } = entry
  const handles = entry.leaves.handles.slice()
  const numbers = entry.leaves.numbers.slice()
  entry.leaves.handles.length = 0 // the entry must not keep a caller's tensors alive
  const lazy = handles.filter((handle): handle is Handle => handle !== undefined && storageOf(handle.value.node) === undefined)
  if (lazy.length > 0) await realize(lazy, { device: plan.device })
  const bySlot: (Storage | undefined)[] = handles.map((handle) => (handle === undefined ? undefined : storageOf(handle.value.node)))
  const present = bySlot.filter((storage): storage is Storage => storage !== undefined)
  for (const storage of present) storage.check()
  for (const storage of entry.captured) storage.check()
  const symbols = gatherSymbols(call.symbols, present)
  checkSymbols(plan.symbols, symbols)
  checkDonation(name, entry, bySlot, handles)
  if (call.signal?.aborted === true) throw new TensorError('ABORTED', `${name}: aborted before it started`, { cause: call.signal.reason })

  for (const { slot, buffer, bytes, value } of entry.numberBuffers) {
    value[0] = numbers[slot]!
    plan.device.write(buffer, bytes)
  }
  const numberBuffer = (slot: number): DeviceBuffer => entry.numberBuffers.find((item) => item.slot === slot)!.buffer
  const bufferOf = (node: Node): DeviceBuffer => {
    const source = sources.get(node)!
    if ('storage' in source) return source.storage.on(plan.device)
    return bySlot[source.slot]?.on(plan.device) ?? numberBuffer(source.slot)
  }
  for (const node of plan.leaves) bufferOf(node) // uploads happen before anything is launched

  for (const slot of entry.passed.values()) bySlot[slot]!.on(plan.device)
  const donated = entry.donated.map((slot) => bySlot[slot]!)
  for (const storage of donated) storage.state = 'donated'
  let tensors: Tensor[] | undefined
  let failure: unknown
  const running = executePlan(
    plan,
    (node) => donatedBuffer(sources.get(node)!, bySlot) ?? bufferOf(node),
    symbols,
    withDiagnostics(call),
    (outputs) => {
      tensors = settle(entry, outputs, donated, bySlot, symbols)
    },
    ({ error, touched }) => {
      failure = error
      for (const storage of donated) storage.state = touched ? 'poisoned' : 'live'
    },
  )
  if (running !== undefined) await running
  if (tensors === undefined) throw failure
  return entry.rebuild(tensors)
}

/** Wraps the output buffers, and gives back donated memory that no output took over. */
function settle(entry: Entry, outputs: readonly DeviceBuffer[], donated: readonly Storage[], bySlot: readonly (Storage | undefined)[], symbols: SymValues): Tensor[] {
  const { plan, passed } = entry
  const taken = new Set<DeviceBuffer>()
  const tensors: Tensor[] = []
  const wrapBuffer = (type: Plan['outputs'][number], buffer: DeviceBuffer, role?: Storage['role']): Tensor => {
    const storage = new Storage(type, { buffer, symbols: symbolsOf(type.shape, symbols) })
    if (role !== undefined) storage.role = role
    return new Tensor(storage.value, storage)
  }
  let next = 0
  for (let index = 0; next < outputs.length || passed.has(index); index++) {
    const slot = passed.get(index)
    if (slot !== undefined) {
      const storage = bySlot[slot]!
      taken.add(storage.buffer!)
      tensors.push(wrapBuffer(storage.type, storage.buffer!, storage.role))
      continue
    }
    const buffer = outputs[next]!
    const alias = plan.aliases[next]
    const source = alias === undefined ? undefined : entry.sources.get(alias)
    tensors.push(wrapBuffer(plan.outputs[next]!, buffer, source !== undefined && 'slot' in source ? bySlot[source.slot]!.role : undefined))
    if (alias !== undefined) taken.add(buffer)
    next++
  }
  for (const storage of donated) storage.release(!taken.has(storage.buffer!))
  return tensors
}

/** A donated storage no longer answers to `on`, but its buffer is what the call works on. */
const donatedBuffer = (source: Source, bySlot: readonly (Storage | undefined)[]): DeviceBuffer | undefined =>
  'slot' in source && bySlot[source.slot]?.state === 'donated' ? bySlot[source.slot]!.buffer : undefined

function checkDonation(name: string, entry: Entry, bySlot: readonly (Storage | undefined)[], handles: readonly (Handle | undefined)[]): void {
  for (const slot of entry.donated) {
    const storage = bySlot[slot]!
    if (storage.role === 'frozen') throw new TensorError('DONATED', `jit ${name}: a frozen tensor cannot be donated; unfreeze() it, or leave the argument out of donate`)
    if (storage.borrowed || handles[slot]!.storage !== storage)
      throw new TensorError('DONATED', `jit ${name}: the donated ${storage.type.dtype} tensor borrows its memory from another handle; donate the owner`)
    const twin = bySlot.findIndex((other, i) => i !== slot && other !== undefined && (other === storage || (storage.buffer !== undefined && other.buffer === storage.buffer)))
    if (twin >= 0 || entry.captured.includes(storage))
      throw new TensorError('DONATED', `jit ${name}: the same tensor was given ${twin >= 0 ? 'in two places' : 'as an argument and captured by the function'}, one of them donated; its memory cannot be reused while the other reads it. clone() one of them`)
  }
}
