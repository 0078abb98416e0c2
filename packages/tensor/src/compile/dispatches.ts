/** A program as dispatches of kernels, for devices that run kernels: which values they work out together is decided in `units.ts`, where these lie in `places.ts`. */
import { TensorError } from '../errors.js'
import type { Node, TensorType } from '../graph/node.js'
import { bindingCount, type Kernel } from '../kernel/ir.js'
import type { ElementContext } from '../kernel/lib/elements.js'
import { elementRules } from '../kernel/lib/rules.js'
import { softwareTuning, type Tuning } from '../kernel/lib/tuning.js'
import type { Sym, SymValues } from '../shape.js'
import { attentionGradDispatches } from './attention-backward.js'
import { attendCachedDispatches, attendPagedDispatches, attentionDispatches } from './attention-dispatch.js'
import { pageWritesDispatches, writesDispatch } from './cache-dispatch.js'
import { concatDispatches } from './concat-dispatch.js'
import { copyDispatch, elementsDispatch, writeDispatch, type Written } from './elements-dispatch.js'
import { chooseKept } from './kept.js'
import { longReductionDispatches } from './long-reduction-dispatch.js'
import { matricesDispatch } from './matrices-dispatch.js'
import { placeUnits, type Memory, type Place } from './places.js'
import type { PlainProduct } from './plain-product.js'
import { productsDispatch } from './products-dispatch.js'
import type { Program } from './program.js'
import type { Reach } from './reach.js'
import { reductionsDispatch } from './reductions-dispatch.js'
import { rowsDispatch } from './rows-dispatch.js'
import { scanDispatches } from './scan-dispatch.js'
import { orderScatters } from './scatter-order.js'
import { indexOrderDispatches, sortDispatches } from './sort-dispatch.js'
import { turnedDispatch } from './turned-dispatch.js'
import { chooseUnits, type Part, type Unit } from './units.js'

export type { Place } from './places.js'

export interface Dispatch {
  readonly kernel: Kernel
  /** What the kernel's arrays are bound to. */
  readonly places: readonly Place[]
  /** What its numbers are. */
  readonly symbols: readonly Sym[]
  /** Threads in all; workgroups are numbered along the first axis, and go on along the second. Those beyond do nothing, so devices may start more. */
  readonly threads: (values: SymValues) => number
  /** The operations whose elements it works out, for people. */
  readonly title: string
  /** The product that it is and nothing besides, which a device may leave to a library. */
  readonly product?: PlainProduct
}

export interface DispatchPlan {
  readonly dispatches: readonly Dispatch[]
  /** Bytes of the memory that temporaries share. */
  readonly arena: number
}

export interface DispatchOptions {
  /** Arrays that one kernel may reach, or ranges of larger ones. */
  readonly maxBindings: number
  /** Bytes of an array that are bound at a time, a multiple of 256; default no limit. */
  readonly rangeBytes?: number
  /** Bytes of a block of memory, a multiple of `rangeBytes`; default no limit. */
  readonly blockBytes?: number
  /** How kernels are cut for the processor underneath. Default: for adapters in software. */
  readonly tuning?: Tuning
}

/** @throws TensorError `UNSUPPORTED` where an operation reads more tensors than a kernel reaches, `OUT_OF_MEMORY` where it is their size that takes too many bindings */
export function planDispatches(asked: Program, options: DispatchOptions): DispatchPlan {
  const { maxBindings, rangeBytes = Infinity, blockBytes = Infinity, tuning = softwareTuning } = options
  const program = orderScatters(asked)
  const reach: Reach = { maxBindings, rangeBytes, blockBytes }
  const kept = chooseKept(program, reach)
  const units = chooseUnits(program, kept, reach, tuning.rowThreads > 1)
  const memory = placeUnits(program, units, tuning, reach)
  const dispatches = units.flatMap((unit) => dispatchesOf(unit, memory, tuning))
  // Outputs that are inputs, or the same value as another output.
  program.outputs.forEach(({ value, alias }, index) => {
    const own = memory.of(value)
    if (own?.kind === 'output' && own.index === index) return
    if (alias !== undefined && own?.kind === 'input' && own.index === alias) return
    dispatches.push(copyDispatch(value, memory.output(index), memory, tuning))
  })
  for (const { title, places, kernel } of dispatches) {
    const bindings = bindingCount(kernel.storages)
    if (bindings > maxBindings) throw outOfReach(title, bindings, places.length, reach)
  }
  return { dispatches, arena: memory.arena }
}

/** A kernel would take more bindings than a device has: for so many tensors, or because some are larger than one binding. */
function outOfReach(title: string, bindings: number, tensors: number, { maxBindings, rangeBytes }: Reach): TensorError {
  if (bindings === tensors)
    return new TensorError(
      'UNSUPPORTED',
      `${title} reads and writes ${tensors} tensors; the device reaches ${maxBindings} at a time. Put them together in parts`,
    )
  return new TensorError(
    'OUT_OF_MEMORY',
    `${title} reads and writes ${tensors} tensors in ${bindings} ranges of ${rangeBytes} bytes; the device reaches ${maxBindings} at a time. Use smaller batches, split the largest tensors, or use device 'cpu'`,
  )
}

function dispatchesOf(unit: Unit, memory: Memory, tuning: Tuning): Dispatch[] {
  const [{ node, cores }] = unit.parts as readonly [Part]
  switch (unit.kind) {
    case 'own':
      return ownDispatches(node, memory, tuning)
    case 'long':
      return longReductionDispatches(
        unit.parts.map((part) => part.node),
        memory,
        tuning,
      )
    case 'rows':
      return [rowsDispatch(node, cores[0]!, memory, tuning)]
    case 'products': {
      const together = matricesDispatch(unit.parts, memory, tuning) ?? productsDispatch(unit.parts, memory, tuning)
      return together === undefined
        ? unit.parts.map(
            (part) =>
              matricesDispatch([part], memory, tuning) ??
              productsDispatch([part], memory, tuning) ??
              elementsDispatch([part], memory, tuning),
          )
        : [together]
    }
    case 'elements':
      return [
        reductionsDispatch(unit.parts, memory, tuning) ??
          turnedDispatch(unit.parts, memory, tuning) ??
          elementsDispatch(unit.parts, memory, tuning),
      ]
    default:
      return unit.kind satisfies never
  }
}

function ownDispatches(node: Node, memory: Memory, tuning: Tuning): Dispatch[] {
  switch (node.op) {
    case 'sort':
      return sortedDispatches(node, memory, tuning)
    case 'indexOrder':
      return indexOrderDispatches(node, memory, tuning)
    case 'cumsum':
      return scanDispatches(node, memory, tuning)
    case 'concat':
      return concatDispatches(node, memory)
    case 'cacheWrite':
      return writesDispatch([{ cache: node.inputs[0]!, rows: node.inputs[1]!, out: { node, index: 0 } }], node.inputs[2]!, memory)
    case 'pagedWrite':
      return pageWritesDispatches(
        [{ cache: node.inputs[0]!, rows: node.inputs[1]!, out: { node, index: 0 } }],
        node.inputs.slice(2),
        memory,
        tuning,
      )
    case 'attendCached':
      return attendCachedDispatches(node, memory, tuning)
    case 'attendPaged':
      return attendPagedDispatches(node, memory, tuning)
    case 'attention':
    case 'attentionForward':
      return attentionDispatches(node, memory, tuning)
    case 'attentionGrad':
      return attentionGradDispatches(node, memory, tuning)
    default:
      throw new TensorError('KERNEL', `${node.op} has no dispatches of its own`)
  }
}

/** First where each element goes; then the elements from there, where somebody asks for them. */
function sortedDispatches(node: Node, memory: Memory, tuning: Tuning): Dispatch[] {
  const [type, positionType] = node.outputs as readonly [TensorType, TensorType]
  const place = memory.of({ node, index: 0 })
  const element: Written['element'] = (elements, index) => {
    const input: ElementContext['input'] = (which, at) => elements.at(which === 0 ? node.inputs[0]! : { node, index: 1 }, at)
    return elementRules.get('gatherAlong')!({ ...elements.contextOf(node), inputs: [type, positionType], input }, index)
  }
  return [
    ...sortDispatches(node, memory, tuning),
    ...(place === undefined ? [] : [writeDispatch('sorted', [{ type, place, element }], memory, tuning.elements)]),
  ]
}
