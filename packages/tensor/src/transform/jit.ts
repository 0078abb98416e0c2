import type { CompileOptions } from '../compile/plan.js'
import { currentPlace, type Place } from '../debug/leaks.js'
import { debugLog } from '../debug/log.js'
import { defaultDeviceVersion } from '../device/default.js'
import type { Device, DeviceName } from '../device/device.js'
import { resolveDevice } from '../device/registry.js'
import { TensorError } from '../errors.js'
import { Handle, realizeAll } from '../handle.js'
import { storageOf, Use, type Storage } from '../storage.js'
import { Tensor } from '../tensor.js'
import { forEachLeaf, mapTree } from '../tree.js'
import { callEntry, type CallOptions } from './call-entry.js'
import { deviceOf } from './realize.js'
import { difference, matches, type CallLeaves } from './signature.js'
import { activeTrace, type QuantizedInputs } from './trace.js'
import { dropEntry, isStale, traceEntry, type Entry } from './trace-entry.js'

export interface JitOptions extends CompileOptions {
  /**
   * Positions of arguments whose buffers the call may take over. After a successful call their handles throw DONATED;
   * a refused call leaves them as they were; one that fails after it has started to write leaves them POISONED.
   */
  readonly donate?: readonly number[]
  /** Positions of arguments compiled in: plain values by value, functions and class instances by identity. */
  readonly static?: readonly number[]
  /** Told which component of a call differed when a second program is needed. */
  readonly onRecompile?: (reason: string) => void
  /** Where to run when no argument is on a device yet; default the default device. */
  readonly device?: DeviceName | Device
  /**
   * What `qmatmul` and `qmatmulChosen` do with what they multiply quantised weights by. `'rounded'`, the default: a device may round it to 8 bits, block by block, as the CPU does; `'f32'`: it is taken as it is, which
   * takes longer there.
   */
  readonly quantizedInputs?: QuantizedInputs
  /** Name in logs and errors; default the function's. */
  readonly name?: string
}

/** What may be passed where the function takes T: a number for any tensor; it arrives as an f32 scalar. */
export type Argument<T> = T extends Tensor
  ? T | number
  : T extends (...args: never) => unknown
    ? T
    : T extends object
      ? { [K in keyof T]: Argument<T[K]> }
      : T

/** A compiled function: call it, or `run` it with symbols and a signal. */
export interface Jitted<Args extends readonly unknown[], Result> {
  (...args: Args): Promise<Result>
  run(args: Args, options?: CallOptions): Promise<Result>
  /** Number of programs kept: one for each combination of shapes, dtypes, device and static values, 64 at most. */
  readonly size: number
  /** Forgets the compiled programs, once the calls under way have ended. A later call compiles again. */
  dispose(): void
  [Symbol.dispose](): void
}

const cacheLimit = 64

/**
 * Compiles a function of tensors. It is traced once for each combination of argument structure, shapes, dtypes,
 * device and static values, and replayed afterwards.
 *
 * Inside, nothing runs: asking for values, branching on them, calling another jitted function or returning a promise
 * throws TRACE. Tensors captured by the function become hidden inputs, read at each call; when one was disposed, the
 * call throws DISPOSED. Arguments may be disposed as soon as a call has been made.
 *
 * Errors of a call: TRACE for a function or class instance that is not in `static`; VALUE for a symbol without a value
 * or out of its range; DONATED for a buffer given twice, borrowed or frozen; DEVICE when the tensors lie on two devices.
 */
export function jit<Params extends readonly unknown[], Result>(
  fn: (...args: Params) => Result,
  options: JitOptions = {},
): Jitted<{ [K in keyof Params]: Argument<Params[K]> }, Result> {
  type Args = { [K in keyof Params]: Argument<Params[K]> }
  const name = options.name ?? (fn.name === '' ? 'function' : fn.name)
  checkPositions(name, options)
  const entries: Entry[] = []
  let compiling: Promise<unknown> | undefined

  const find = (args: readonly unknown[]): { readonly entry: Entry; readonly leaves: CallLeaves } | undefined => {
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!
      if (isStale(entry)) {
        entries.splice(i--, 1)
        dropEntry(entry)
        continue
      }
      const leaves: CallLeaves = { handles: [], numbers: [] }
      if (!fits(entry, args, leaves)) continue
      if (i > 0) {
        entries.splice(i, 1)
        entries.unshift(entry)
      }
      return { entry, leaves }
    }
    return undefined
  }

  const compile = async (args: readonly unknown[]): Promise<void> => {
    const before = entries[0]
    if (before !== undefined) {
      const reason = whatDiffers(before, args)
      debugLog(1, () => `jit ${name}: compiling again, ${reason}`)
      options.onRecompile?.(reason)
    }
    entries.unshift(await traceEntry(name, fn as unknown as (...args: unknown[]) => unknown, args, options))
    while (entries.length > cacheLimit) dropEntry(entries.pop()!)
  }

  /**
   * A call that has to wait first: for values of its arguments, a program, or whoever reads what it may overwrite. It
   * takes place when it was made all the same: what it was given may be disposed, and what it was donated is gone.
   */
  const runLater = async (args: readonly unknown[], call: CallOptions, place: Place | undefined): Promise<unknown> => {
    using use = new Use()
    const readers = readersOf(args, options)
    const promised = new Set<Storage>()
    try {
      const held = await holdArguments(args, { options, call, use, promised })
      for (const reader of readers) await reader
      let found = find(held)
      for (let tries = 0; found === undefined; found = find(held)) {
        // Two first calls in flight compile once: the second waits, then looks again.
        if (compiling !== undefined) await compiling.catch(() => undefined)
        else if (tries++ === 3)
          throw new TensorError(
            'TRACE',
            `jit ${name}: what it is compiled for keeps changing while it is compiled: frozen weights, the default device or the compiled programs themselves`,
          )
        else {
          compiling = compile(held)
          try {
            await compiling
          } finally {
            compiling = undefined
          }
        }
      }
      return callEntry(name, found.entry, found.leaves, call, place, promised)
    } catch (error) {
      for (const storage of promised) storage.returnFromDonation(false)
      throw error
    }
  }

  const runNow = async (args: readonly unknown[], call: CallOptions): Promise<unknown> => {
    const found = find(args)
    const place = currentPlace()
    return found !== undefined && isReady(found.entry, found.leaves)
      ? callEntry(name, found.entry, found.leaves, call, place)
      : runLater(args, call, place)
  }

  const run = (args: Args, call: CallOptions = {}): Promise<Result> => {
    const trace = activeTrace()
    if (trace !== undefined)
      throw new TensorError(
        'TRACE',
        `jit ${name} was called while jit traces '${trace.name}', where nothing can run; call the function itself there, it is compiled along with '${trace.name}'`,
      )
    return runNow(args, call) as Promise<Result>
  }
  const dispose = (): void => {
    for (const entry of entries.splice(0)) dropEntry(entry)
  }
  return Object.defineProperties(
    Object.assign((...args: Args): Promise<Result> => run(args), { run, dispose, [Symbol.dispose]: dispose }),
    {
      size: { get: () => entries.length },
      name: { value: name },
    },
  ) as unknown as Jitted<Args, Result>
}

function checkPositions(name: string, { donate = [], static: fixed = [] }: JitOptions): void {
  for (const [option, positions] of [
    ['donate', donate],
    ['static', fixed],
  ] as const)
    for (const position of positions)
      if (!Number.isInteger(position) || position < 0)
        throw new TensorError('VALUE', `jit ${name}: ${option} lists positions of arguments, counted from 0; got ${position}`)
  const both = donate.find((position) => fixed.includes(position))
  if (both !== undefined)
    throw new TensorError(
      'VALUE',
      `jit ${name}: argument ${both} is in donate and in static; a compiled-in value has no buffer to give away`,
    )
}

function fits(entry: Entry, args: readonly unknown[], leaves: CallLeaves): boolean {
  const { specs, plan, followedDefault } = entry
  if (specs.length !== args.length) return false
  for (let i = 0; i < specs.length; i++) if (!matches(specs[i]!, args[i], leaves, plan.device)) return false
  // Compiled for the default device of its time: what has no device of its own follows a change of it.
  return (
    followedDefault === undefined ||
    followedDefault === defaultDeviceVersion() ||
    leaves.handles.some((handle) => handle.device === plan.device)
  )
}

function whatDiffers(entry: Entry, args: readonly unknown[]): string {
  if (entry.specs.length !== args.length) return `${entry.specs.length} arguments → ${args.length}`
  for (let i = 0; i < args.length; i++) {
    const reason = difference(entry.specs[i]!, args[i], entry.plan.device)
    if (reason !== undefined) return reason
  }
  return 'the default device'
}

/** Every tensor has values, and nothing under way reads what the call may overwrite. */
function isReady(entry: Entry, leaves: CallLeaves): boolean {
  return (
    leaves.handles.every((handle) => handle.realized) && !entry.donated.some((slot) => storageOf(leaves.handles[slot]!.value.node)!.inUse)
  )
}

/** Ends of what reads the donated arguments at the time of the call. */
function readersOf(args: readonly unknown[], options: JitOptions): Promise<void>[] {
  const readers: Promise<void>[] = []
  for (const position of options.donate ?? [])
    forEachLeaf(args[position], (leaf) => {
      const storage = leaf instanceof Handle ? storageOf(leaf.value.node) : undefined
      for (const use of storage?.uses ?? []) readers.push(use.ended)
    })
  return readers
}

/**
 * The arguments as they are at the time of the call: handles of their own, so that the caller may dispose his. Tensors
 * without values are computed, and then belong to the caller's handles as after `realize()`. What is donated is put in
 * `promised`, and refuses other readers from now on.
 */
async function holdArguments(
  args: readonly unknown[],
  {
    options,
    call,
    use,
    promised,
  }: { readonly options: JitOptions; readonly call: CallOptions; readonly use: Use; readonly promised: Set<Storage> },
): Promise<unknown[]> {
  const lazy = new Map<Handle, Tensor>()
  const present = new Set<Storage>()
  const given: Storage[] = []
  const givenLazy = new Set<Handle>()
  const twinOf = (handle: Handle, donated: boolean): Tensor => {
    const storage = storageOf(handle.value.node)
    if (storage === undefined) {
      if (donated) givenLazy.add(handle)
      const twin = lazy.get(handle) ?? new Tensor(handle.value)
      lazy.set(handle, twin)
      return twin
    }
    use.take(storage)
    present.add(storage)
    if (donated) given.push(storage)
    return new Tensor(handle.value, handle.storage)
  }
  const promise = (storage: Storage): void => {
    storage.donate()
    promised.add(storage)
  }
  const held = args.map((arg, i) => {
    const donated = options.donate?.includes(i) === true
    return options.static?.includes(i) === true ? arg : mapTree(arg, (leaf) => (leaf instanceof Handle ? twinOf(leaf, donated) : leaf))
  })
  given.forEach(promise)
  if (lazy.size === 0) return held
  const handles = [...lazy.keys()]
  const device = deviceOf(present) ?? (options.device === undefined ? undefined : await resolveDevice(options.device))
  const storages = await realizeAll(handles, { ...call, ...(device === undefined ? {} : { device }) }, use)
  storages.forEach((storage, i) => {
    lazy.get(handles[i]!)!.adopt(storage)
    if (givenLazy.has(handles[i]!)) promise(storage)
  })
  return held
}
