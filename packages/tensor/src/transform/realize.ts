import { leasePrograms } from '../compile/cache.js'
import { makePlan, type CompileOptions, type Plan } from '../compile/plan.js'
import { defaultDevice } from '../device/default.js'
import { currentPlace, type Place } from '../debug/leaks.js'
import type { Device, RunOptions } from '../device/device.js'
import { TensorError } from '../errors.js'
import type { Value } from '../graph/node.js'
import { topological } from '../graph/walk.js'
import { checkSymbols, type Sym, type SymValues } from '../shape.js'
import { Storage, storageOf, Use } from '../storage.js'
import { executePlan, withDiagnostics } from './execute.js'

export interface RealizeOptions extends RunOptions, CompileOptions {
  /** Values of the symbols in the graph. */
  readonly symbols?: SymValues
  /** The device to compute on where no leaf says so. */
  readonly device?: Device
}

/** The one device that a graph's leaves are on; undefined when all of them wait on the host. */
export function deviceOf(storages: Iterable<Storage>): Device | undefined {
  let found: Device | undefined
  for (const storage of storages) {
    const { device } = storage
    if (device === undefined || device === found) continue
    if (found !== undefined)
      throw new TensorError(
        'DEVICE',
        `one program cannot read tensors on two devices, ${found.name} and ${device.name}; move them together with to('${found.name}')`,
      )
    found = device
  }
  return found
}

/** Symbol values that inputs carry, joined with those of the call. */
export function gatherSymbols(given: SymValues | undefined, storages: Iterable<Storage>): SymValues {
  let joined: Map<Sym, number> | undefined
  for (const storage of storages) {
    if (storage.symbols.size === 0) continue // nearly all of them, and an iterator for each is not free
    for (const [symbol, value] of storage.symbols) {
      const other = joined?.get(symbol) ?? given?.get(symbol)
      if (other !== undefined && other !== value)
        throw new TensorError(
          'VALUE',
          `symbol '${symbol.name}' is ${other} and ${value} in one call; all tensors of a call agree on a symbol's value`,
        )
      if (other === undefined) (joined ??= new Map(given)).set(symbol, value)
    }
  }
  return joined ?? given ?? noSymbols
}

const noSymbols: SymValues = new Map()

/**
 * Computes values in one program and returns their storages, parallel to `values`. What they read is in use from now
 * on, so it may be disposed as soon as this has been called.
 */
export async function realizeValues(values: readonly Value[], options: RealizeOptions = {}): Promise<Storage[]> {
  const leaves = topological(values).filter((node) => node.op === 'input')
  const place = currentPlace()
  using use = new Use()
  const storages = leaves.map((node) => {
    const storage = storageOf(node)
    if (storage === undefined)
      throw new TensorError(
        'TRACE',
        'a tensor that belongs to a function being traced by jit was used outside it; return it from the function instead',
      )
    use.take(storage)
    return storage
  })
  const device = deviceOf(storages) ?? options.device ?? (await defaultDevice())
  // A program packs frozen values while it is compiled, so they have to be there.
  for (const storage of storages) if (storage.role === 'frozen') storage.place(device)
  const lease = leasePrograms(device)
  try {
    return await runOnce(await makePlan(values, new Set(), device, lease.compile, options), storages, options, place)
  } finally {
    lease.release()
  }
}

async function runOnce(plan: Plan, storages: readonly Storage[], options: RealizeOptions, place: Place | undefined): Promise<Storage[]> {
  const symbols = gatherSymbols(options.symbols, storages)
  checkSymbols(plan.symbols, symbols)
  let results: Storage[] | undefined
  let failure: unknown
  const running = executePlan(
    plan,
    (node) => storageOf(node)!.place(plan.device),
    symbols,
    withDiagnostics(options),
    (outputs) =>
      (results = outputs.map(
        (buffer, i) => new Storage(plan.outputs[i]!, { buffer, symbols: symbolsOf(plan.outputs[i]!.shape, symbols), place }),
      )),
    ({ error }) => (failure = error),
  )
  if (running !== undefined) await running
  if (results === undefined) throw failure
  return results
}

/** The values of the symbols that a shape mentions. */
export function symbolsOf(shape: readonly (number | Sym)[], values: SymValues): SymValues {
  let out: Map<Sym, number> | undefined
  for (const dim of shape) if (typeof dim !== 'number') (out ??= new Map()).set(dim, values.get(dim)!)
  return out ?? noSymbols
}
