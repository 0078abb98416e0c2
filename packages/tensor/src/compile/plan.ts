import type { Device, Executable } from '../device/device.js'
import { debugLog } from '../debug/log.js'
import { byteSize } from '../dtype.js'
import type { Node, TensorType, Value } from '../graph/node.js'
import { typeOf } from '../graph/node.js'
import { printGraph } from '../graph/print.js'
import { topological } from '../graph/walk.js'
import { elementCount, type Sym } from '../shape.js'
import { Storage } from '../storage.js'
import { substitute } from '../transform/region.js'
import { crossing, planAliases } from './alias.js'
import { buildProgram } from './build-program.js'
import { lower, type LowerOptions } from './lower.js'
import type { Program } from './program.js'

export interface CompileOptions extends LowerOptions {
  /** Write into donated buffers where that is safe; default true. For differential tests. */
  readonly alias?: boolean
}

/** Where one buffer of a program comes from or goes to. */
export type Slot =
  | { readonly kind: 'leaf'; readonly node: Node } // an input node of the graph that was compiled
  | { readonly kind: 'temporary'; readonly index: number } // handed from one program to a later one
  | { readonly kind: 'output'; readonly index: number; readonly alias: Node | undefined } // what the caller gets

export interface Step {
  readonly executable: Executable
  readonly inputs: readonly Slot[]
  readonly outputs: readonly Slot[]
}

/** One or two programs that compute the outputs of a graph; what `jit` and `realize` run. */
export interface Plan {
  readonly device: Device
  readonly steps: readonly Step[]
  /** Types of the buffers between steps. */
  readonly temporaries: readonly TensorType[]
  readonly outputs: readonly TensorType[]
  /** Per output, the leaf whose buffer it takes over. */
  readonly aliases: readonly (Node | undefined)[]
  /** Every input node that some step reads. */
  readonly leaves: readonly Node[]
  readonly symbols: readonly Sym[]
  /** Donated inputs that had to be copied, with the reader in the way. */
  readonly copied: readonly { readonly output: number; readonly reader: string }[]
}

export interface CompiledProgram {
  readonly executable: Executable
  readonly program: Program
}

/** Compiles a program or finds it compiled. */
export type Compile = (program: Program) => Promise<CompiledProgram>

/** Lowers a graph for a device, decides aliasing and compiles what comes out. */
export async function makePlan(outputs: readonly Value[], donated: ReadonlySet<Node>, device: Device, compile: Compile, options: CompileOptions = {}): Promise<Plan> {
  const lowered = lower(outputs, device, options)
  const mayAlias = device.caps.alias && options.alias !== false
  const plan = planAliases(lowered.outputs, mayAlias ? donated : new Set())
  debugLog(2, () => `graph for ${device.name}, ${topological(lowered.outputs).length} nodes\n${printGraph(lowered.outputs)}`)
  return plan.late.size === 0 ? singleStep(lowered, plan, device, compile) : twoSteps(lowered, plan, device, compile)
}

type Lowered = ReturnType<typeof lower>
type Aliases = ReturnType<typeof planAliases>

async function singleStep(lowered: Lowered, plan: Aliases, device: Device, compile: Compile): Promise<Plan> {
  const wanted = buildProgram(lowered.outputs, { keepsDuplicates: lowered.keepsDuplicates, aliases: plan.aliases })
  const { executable } = await compile(wanted)
  const step: Step = {
    executable,
    inputs: wanted.inputs.map(({ value }) => ({ kind: 'leaf', node: value.node })),
    outputs: lowered.outputs.map((_, index) => ({ kind: 'output', index, alias: plan.aliases[index]?.node })),
  }
  return finish(device, [step], [wanted], [], lowered, plan)
}

async function twoSteps(lowered: Lowered, plan: Aliases, device: Device, compile: Compile): Promise<Plan> {
  const { late } = plan
  const handed = crossing(lowered.outputs, late)
  const early = lowered.outputs.map((_, index) => index).filter((index) => !late.has(lowered.outputs[index]!.node))
  const second = lowered.outputs.map((_, index) => index).filter((index) => late.has(lowered.outputs[index]!.node))
  // An output that is also handed over is computed once and read by the second program from the output's buffer.
  const temporary = handed.filter((value) => !early.some((index) => same(lowered.outputs[index]!, value)))
  const stands = handed.map((value) => new Storage(typeOf(value)))
  const rewritten = substitute(second.map((index) => lowered.outputs[index]!), handed, stands.map((storage) => storage.value))

  const firstProgram = buildProgram([...early.map((index) => lowered.outputs[index]!), ...temporary], {
    keepsDuplicates: lowered.keepsDuplicates,
    aliases: [...early.map((index) => plan.aliases[index]), ...temporary.map(() => undefined)],
  })
  const secondProgram = buildProgram(rewritten, { keepsDuplicates: lowered.keepsDuplicates, aliases: second.map((index) => plan.aliases[index]) })
  const outputSlot = (index: number): Slot => ({ kind: 'output', index, alias: plan.aliases[index]?.node })
  const handedSlot = (value: Value): Slot => {
    const index = early.find((candidate) => same(lowered.outputs[candidate]!, value))
    return index === undefined ? { kind: 'temporary', index: temporary.findIndex((other) => same(other, value)) } : outputSlot(index)
  }
  const firstCompiled = await compile(firstProgram)
  const secondCompiled = await compile(secondProgram)
  const steps: Step[] = [
    {
      executable: firstCompiled.executable,
      inputs: firstProgram.inputs.map(({ value }) => ({ kind: 'leaf', node: value.node })),
      outputs: [...early.map(outputSlot), ...temporary.map((_, index): Slot => ({ kind: 'temporary', index }))],
    },
    {
      executable: secondCompiled.executable,
      inputs: secondProgram.inputs.map(({ value }): Slot => {
        const at = stands.findIndex((storage) => storage.node === value.node)
        return at < 0 ? { kind: 'leaf', node: value.node } : handedSlot(handed[at]!)
      }),
      outputs: second.map(outputSlot),
    },
  ]
  return finish(device, steps, [firstProgram, secondProgram], temporary.map(typeOf), lowered, plan)
}

function finish(device: Device, steps: Step[], programs: Program[], temporaries: TensorType[], lowered: Lowered, plan: Aliases): Plan {
  const leaves = new Set<Node>()
  for (const step of steps) for (const slot of step.inputs) if (slot.kind === 'leaf') leaves.add(slot.node)
  return {
    device,
    steps,
    temporaries,
    outputs: lowered.outputs.map(typeOf),
    aliases: plan.aliases.map((value) => value?.node),
    leaves: [...leaves],
    symbols: [...new Set(programs.flatMap((program) => program.symbols))],
    copied: plan.copied,
  }
}

const same = (a: Value, b: Value): boolean => a.node === b.node && a.index === b.index

/** Bytes of a buffer that can hold the type at its symbols' maximum. */
export const typeBytes = (type: TensorType): number => elementCount(type.shape) * byteSize(type.dtype)
