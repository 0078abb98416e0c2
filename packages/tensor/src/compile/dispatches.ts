/** A program as dispatches of kernels, for devices that run kernels: which values they work out together is decided in `units.ts`, where these lie in `places.ts`. */
import { TensorError } from '../errors.js'
import type { Node, TensorType } from '../graph/node.js'
import type { Kernel } from '../kernel/ir.js'
import type { ElementContext } from '../kernel/lib/elements.js'
import { sortedPlace } from '../kernel/lib/reductions.js'
import { elementRules } from '../kernel/lib/rules.js'
import { softwareTuning, type Tuning } from '../kernel/lib/tuning.js'
import { elementCountAt, type Sym, type SymValues } from '../shape.js'
import { attendCachedDispatches, attentionDispatches } from './attention-dispatch.js'
import { writesDispatch } from './cache-dispatch.js'
import { concatDispatches } from './concat-dispatch.js'
import { copyDispatch, elementsDispatch, writeDispatch, type Written } from './elements-dispatch.js'
import { ELEMENT_GROUP, kernelOf } from './kernel-parts.js'
import { chooseKept } from './kept.js'
import { longReductionDispatches } from './long-reduction-dispatch.js'
import { placeUnits, type Memory, type Place } from './places.js'
import { productsDispatch } from './products-dispatch.js'
import type { Program } from './program.js'
import { reductionsDispatch } from './reductions-dispatch.js'
import { rowsDispatch } from './rows-dispatch.js'
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
}

export interface DispatchPlan {
  readonly dispatches: readonly Dispatch[]
  /** Bytes of the memory that temporaries share. */
  readonly arena: number
}

export interface DispatchOptions {
  /** Arrays that one kernel may reach. */
  readonly maxBindings: number
  /** How kernels are cut for the processor underneath. Default: for adapters in software. */
  readonly tuning?: Tuning
}

export function planDispatches(program: Program, { maxBindings, tuning = softwareTuning }: DispatchOptions): DispatchPlan {
  const kept = chooseKept(program, maxBindings)
  const units = chooseUnits(program, kept, maxBindings, tuning.rowThreads > 1)
  const memory = placeUnits(program, units, tuning)
  const dispatches = units.flatMap((unit) => dispatchesOf(unit, memory, { maxBindings, tuning }))
  // Outputs that are inputs, or the same value as another output.
  program.outputs.forEach(({ value, alias }, index) => {
    const own = memory.of(value)
    if (own?.kind === 'output' && own.index === index) return
    if (alias !== undefined && own?.kind === 'input' && own.index === alias) return
    dispatches.push(copyDispatch(value, { kind: 'output', index }, memory, tuning))
  })
  return { dispatches, arena: memory.arena }
}

function dispatchesOf(unit: Unit, memory: Memory, options: Required<DispatchOptions>): Dispatch[] {
  const [{ node, cores }] = unit.parts as readonly [Part]
  const { tuning } = options
  switch (unit.kind) {
    case 'own':
      return ownDispatches(node, memory, options)
    case 'long':
      return longReductionDispatches(
        unit.parts.map((part) => part.node),
        memory,
        tuning,
      )
    case 'rows':
      return [rowsDispatch(node, cores[0]!, memory, tuning)]
    case 'products': {
      const together = productsDispatch(unit.parts, memory, tuning)
      return together === undefined
        ? unit.parts.map((part) => productsDispatch([part], memory, tuning) ?? elementsDispatch([part], memory, tuning))
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

function ownDispatches(node: Node, memory: Memory, { maxBindings, tuning }: Required<DispatchOptions>): Dispatch[] {
  switch (node.op) {
    case 'sort':
      return sortDispatches(node, memory, tuning)
    case 'concat':
      return concatDispatches(node, memory, maxBindings - 2)
    case 'cacheWrite':
      return writesDispatch([{ cache: node.inputs[0]!, rows: node.inputs[1]!, out: { node, index: 0 } }], node.inputs[2]!, memory)
    case 'attendCached':
      return attendCachedDispatches(node, memory, tuning)
    case 'attention':
      return attentionDispatches(node, memory, tuning)
    default:
      throw new TensorError('KERNEL', `${node.op} has no dispatches of its own`)
  }
}

/** First where each element goes, by a thread for each; then the elements from there. */
function sortDispatches(node: Node, memory: Memory, tuning: Tuning): Dispatch[] {
  const [type, positionType] = node.outputs as readonly [TensorType, TensorType]
  const first = kernelOf('sort', memory, ELEMENT_GROUP, ({ b, symbols, arrays, elements, thread, when }) => {
    const out = arrays.of({ node, index: 1 })!
    when(thread, symbols.count(type.shape), () => {
      const { to, from } = sortedPlace(elements.contextOf(node), thread)
      b.store(out, to, from.bits('u32'))
    })
  })
  const element: Written['element'] = (elements, index) => {
    const input: ElementContext['input'] = (which, at) => elements.at(which === 0 ? node.inputs[0]! : { node, index: 1 }, at)
    return elementRules.get('gatherAlong')!({ ...elements.contextOf(node), inputs: [type, positionType], input }, index)
  }
  return [
    { ...first, threads: (values) => elementCountAt(positionType.shape, values), title: 'sort' },
    writeDispatch('sorted', [{ type, place: memory.of({ node, index: 0 }), element }], memory, tuning.elements),
  ]
}
