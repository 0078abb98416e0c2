import type { Plan, Slot } from '../compile/plan.js'
import type { Place } from '../debug/leaks.js'
import type { DeviceBuffer, RunOptions } from '../device/device.js'
import { TensorError } from '../errors.js'
import type { Node } from '../graph/node.js'
import type { Handle } from '../handle.js'
import { checkSymbols, type SymValues } from '../shape.js'
import { Storage, storageOf, Use } from '../storage.js'
import { Tensor } from '../tensor.js'
import type { Buffers } from './captures.js'
import { executePlan, withDiagnostics } from './execute.js'
import { gatherSymbols, symbolsOf } from './realize.js'
import type { CallLeaves } from './signature.js'
import { enterEntry, freeNumbers, leaveEntry, makeNumberBuffer, type Entry, type NumberBuffer } from './trace-entry.js'

export interface CallOptions extends RunOptions {
  /** Values of the symbols. */
  readonly symbols?: SymValues
}

/**
 * One call of a compiled function whose tensors all have values. Refusals before the launch leave every argument as it
 * was. Gives the result at once when the device was done at once. `promised` is given when a {@link Use} holds the
 * arguments, whose handles may be gone: those of them that were donated to this call when it was made.
 */
export function callEntry(
  name: string,
  entry: Entry,
  leaves: CallLeaves,
  call: CallOptions,
  place: Place | undefined,
  promised?: ReadonlySet<Storage>,
): unknown {
  const { plan, sources, captures } = entry
  const { device } = plan
  const bySlot = leaves.handles.map((handle) => storageOf(handle.value.node)!)
  const present = bySlot.filter((storage) => storage !== undefined)
  checkDonation(name, entry, bySlot, leaves.handles)
  for (const storage of present) {
    if (promised === undefined) storage.check()
    else if (!promised.has(storage)) storage.checkHeld()
  }
  captures.check()
  const symbols = gatherSymbols(gatherSymbols(call.symbols, present), captures.withSymbols)
  checkSymbols(plan.symbols, symbols)
  if (call.signal?.aborted === true) throw new TensorError('ABORTED', `${name}: aborted before it started`, { cause: call.signal.reason })

  // A device orders writes between runs, not between the programs of one call: a second call in between needs numbers of its own.
  const shared = entry.calls === 0 || plan.steps.length === 1
  const numbers = shared ? entry.numbers : entry.numbers.map(({ slot }) => makeNumberBuffer(slot, device))
  const bufferOf = (node: Node): DeviceBuffer => {
    const source = sources.get(node)!
    if ('storage' in source) return source.storage.place(device)
    return bySlot[source.slot]?.place(device) ?? numberBuffer(numbers, source.slot)
  }
  const capturedBuffer = (slot: Slot): DeviceBuffer | undefined => {
    const source = slot.kind === 'leaf' ? sources.get(slot.node)! : undefined
    return source !== undefined && 'storage' in source ? source.storage.place(device) : undefined
  }
  const donated = entry.donated.map((slot) => bySlot[slot]!)
  let known: Buffers
  try {
    writeNumbers(numbers, leaves.numbers)
    // Uploads happen before anything is launched.
    for (const node of entry.ownLeaves) bufferOf(node)
    for (const slot of entry.passed.values()) bySlot[slot]!.place(device)
    known = captures.buffers(() => plan.steps.map(({ inputs }) => inputs.map(capturedBuffer)))
  } catch (error) {
    if (!shared) freeNumbers(numbers)
    throw error
  }
  for (const storage of donated) storage.donate()

  let tensors: Tensor[] | undefined
  let failure: unknown
  const running = executePlan(
    plan,
    bufferOf,
    symbols,
    withDiagnostics(call),
    (outputs) => (tensors = settle(entry, outputs, bySlot, symbols, place)),
    ({ error, touched }) => {
      failure = error
      for (const storage of donated) storage.returnFromDonation(touched)
    },
    known,
  )
  const finish = (): unknown => {
    if (!shared) freeNumbers(numbers)
    if (tensors === undefined) throw failure
    return entry.rebuild(tensors)
  }
  if (running === undefined) return finish()
  // Nothing that the run reads may go, and none of its programs, before it has ended.
  const use = new Use()
  for (const storage of present) use.hold(storage)
  enterEntry(entry)
  return running.then(finish).finally(() => {
    use.end()
    leaveEntry(entry)
  })
}

function writeNumbers(numbers: readonly NumberBuffer[], values: readonly number[]): void {
  for (const { slot, buffer, bytes, value } of numbers) {
    value[0] = values[slot]!
    buffer.device.write(buffer, bytes)
  }
}

const numberBuffer = (numbers: readonly NumberBuffer[], slot: number): DeviceBuffer => numbers.find((item) => item.slot === slot)!.buffer

/** Wraps the output buffers, and gives back donated memory that no output took over. */
function settle(
  entry: Entry,
  outputs: readonly DeviceBuffer[],
  bySlot: readonly (Storage | undefined)[],
  symbols: SymValues,
  place: Place | undefined,
): Tensor[] {
  const { plan, passed, sources } = entry
  const tensors: Tensor[] = []
  const wrapStorage = (storage: Storage): void => {
    tensors.push(new Tensor(storage.value, storage))
  }
  const heirs = new Set<Storage>()
  const inherit = (slot: number, type: Plan['outputs'][number], values: SymValues): void => {
    const heirOf = bySlot[slot]!
    heirs.add(heirOf)
    wrapStorage(new Storage(type, { heirOf, symbols: values, place }))
  }
  let next = 0
  for (let index = 0; next < outputs.length || passed.has(index); index++) {
    const slot = passed.get(index)
    if (slot !== undefined) {
      inherit(slot, bySlot[slot]!.type, bySlot[slot]!.symbols)
      continue
    }
    const type = plan.outputs[next]!
    const alias = plan.aliases[next]
    const source = alias === undefined ? undefined : sources.get(alias)
    const values = symbolsOf(type.shape, symbols)
    if (source !== undefined && 'slot' in source) inherit(source.slot, type, values)
    else wrapStorage(new Storage(type, { buffer: outputs[next]!, symbols: values, place }))
    next++
  }
  for (const slot of entry.donated) if (!heirs.has(bySlot[slot]!)) bySlot[slot]!.discard()
  return tensors
}

const ownerOf = (storage: Storage): Storage => storage.lender ?? storage

function checkDonation(
  name: string,
  entry: Entry,
  bySlot: readonly (Storage | undefined)[],
  handles: readonly (Handle | undefined)[],
): void {
  if (entry.donated.length === 0) return
  // Counted once: a cache of many layers is donated at every token.
  const given = new Map<Storage, number>()
  for (const storage of bySlot) if (storage !== undefined) given.set(ownerOf(storage), (given.get(ownerOf(storage)) ?? 0) + 1)
  for (const slot of entry.donated) {
    const storage = bySlot[slot]!
    if (storage.role === 'frozen')
      throw new TensorError('DONATED', `jit ${name}: a frozen tensor cannot be donated; unfreeze() it, or leave the argument out of donate`)
    if (storage.lender !== undefined || handles[slot]!.storage !== storage)
      throw new TensorError(
        'DONATED',
        `jit ${name}: the donated ${storage.type.dtype} tensor borrows its memory from another handle; donate the owner`,
      )
    const twin = given.get(storage)! > 1
    if (twin || entry.captures.owners.has(storage))
      throw new TensorError(
        'DONATED',
        `jit ${name}: the same tensor was given ${twin ? 'in two places' : 'as an argument and captured by the function'}, one of them donated; its memory cannot be reused while the other reads it. clone() one of them`,
      )
  }
}
