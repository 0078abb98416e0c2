import type { Device, Executable } from '../device/device.js'
import { debugLog } from '../debug/log.js'
import { byteSize } from '../dtype.js'
import { makeNode } from '../graph/build.js'
import type { Node, TensorType, Value } from '../graph/node.js'
import { sameValue, typeOf } from '../graph/node.js'
import { printGraph } from '../graph/print.js'
import { topological } from '../graph/walk.js'
import { elementCount, type Sym } from '../shape.js'
import { substitute } from '../transform/region.js'
import { crossing, planAliases } from './alias.js'
import { buildProgram } from './build-program.js'
import { lower, type LowerOptions } from './lower.js'
import { printProgram, type Program } from './program.js'

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
export async function makePlan(
  outputs: readonly Value[],
  donated: ReadonlySet<Node>,
  device: Device,
  compile: Compile,
  options: CompileOptions = {},
): Promise<Plan> {
  const lowered = lower(outputs, device, options)
  const mayAlias = device.caps.alias && options.alias !== false
  const givenAway = new Set([...lowered.leaves].filter(([, leaf]) => mayAlias && donated.has(leaf)).map(([stand]) => stand))
  const aliases = planAliases(lowered.outputs, givenAway)
  debugLog(2, () => `graph for ${device.name}, ${topological(outputs).length} nodes\n${printGraph(outputs)}`)
  const parts = aliases.late.size === 0 ? onePart(lowered, aliases) : twoParts(lowered, aliases, givenAway)
  const steps: Step[] = []
  const symbols = new Set<Sym>()
  for (const { program, inputs, outputs: slots } of parts.programs) {
    // Nothing to compute: everything asked for is in the other part, or is an argument handed through.
    if (program.outputs.length === 0) continue
    debugLog(2, () => printProgram(program))
    steps.push({ executable: (await compile(program)).executable, inputs, outputs: slots })
    for (const symbol of program.symbols) symbols.add(symbol)
  }
  const leaves = new Set<Node>()
  for (const step of steps) for (const slot of step.inputs) if (slot.kind === 'leaf') leaves.add(slot.node)
  return {
    device,
    steps,
    temporaries: parts.temporaries,
    outputs: lowered.outputs.map(typeOf),
    aliases: aliases.aliases.map((value) => value && lowered.leaves.get(value.node)),
    leaves: [...leaves],
    symbols: [...symbols],
    copied: aliases.copied,
  }
}

type Lowered = ReturnType<typeof lower>
type Aliases = ReturnType<typeof planAliases>

/** A program and where its buffers come from and go to. */
interface Part {
  readonly program: Program
  readonly inputs: readonly Slot[]
  readonly outputs: readonly Slot[]
}

interface Parts {
  readonly programs: readonly Part[]
  readonly temporaries: readonly TensorType[]
}

function onePart(lowered: Lowered, { aliases }: Aliases): Parts {
  const program = buildProgram(lowered.outputs, { ...lowered, aliases })
  const part: Part = {
    program,
    inputs: program.inputs.map(({ value }) => leafSlot(lowered, value)),
    outputs: lowered.outputs.map((_, index) => outputSlot(lowered, aliases, index)),
  }
  return { programs: [part], temporaries: [] }
}

function twoParts(lowered: Lowered, { aliases, late }: Aliases, givenAway: ReadonlySet<Node>): Parts {
  const handed = crossing(lowered.outputs, late, givenAway)
  const all = lowered.outputs.map((_, index) => index)
  const early = all.filter((index) => !late.has(lowered.outputs[index]!.node))
  const second = all.filter((index) => late.has(lowered.outputs[index]!.node))
  // An output that is also handed over is computed once and read by the second program from the output's buffer.
  const temporary = handed.filter((value) => !early.some((index) => sameValue(lowered.outputs[index]!, value)))
  const stands = handed.map((value): Value => ({ node: makeNode('input', [], {}, [typeOf(value)]), index: 0 }))
  const rewritten = substitute(
    second.map((index) => lowered.outputs[index]!),
    handed,
    stands,
  )

  const firstProgram = buildProgram([...early.map((index) => lowered.outputs[index]!), ...temporary], {
    ...lowered,
    aliases: [...early.map((index) => aliases[index]), ...temporary.map(() => undefined)],
  })
  const secondProgram = buildProgram(rewritten, { ...lowered, aliases: second.map((index) => aliases[index]) })
  const handedSlot = (value: Value): Slot => {
    const index = early.find((candidate) => sameValue(lowered.outputs[candidate]!, value))
    return index === undefined
      ? { kind: 'temporary', index: temporary.findIndex((other) => sameValue(other, value)) }
      : outputSlot(lowered, aliases, index)
  }
  const first: Part = {
    program: firstProgram,
    inputs: firstProgram.inputs.map(({ value }) => leafSlot(lowered, value)),
    outputs: [
      ...early.map((index) => outputSlot(lowered, aliases, index)),
      ...temporary.map((_, index): Slot => ({ kind: 'temporary', index })),
    ],
  }
  const last: Part = {
    program: secondProgram,
    inputs: secondProgram.inputs.map(({ value }): Slot => {
      const at = stands.findIndex((stand) => stand.node === value.node)
      return at < 0 ? leafSlot(lowered, value) : handedSlot(handed[at]!)
    }),
    outputs: second.map((index) => outputSlot(lowered, aliases, index)),
  }
  return { programs: [first, last], temporaries: temporary.map(typeOf) }
}

const leafSlot = (lowered: Lowered, value: Value): Slot => ({ kind: 'leaf', node: lowered.leaves.get(value.node)! })

function outputSlot(lowered: Lowered, aliases: Aliases['aliases'], index: number): Slot {
  const alias = aliases[index]
  return { kind: 'output', index, alias: alias && lowered.leaves.get(alias.node) }
}

/** Bytes of a buffer that can hold the type at its symbols' maximum. */
export const typeBytes = (type: TensorType): number => elementCount(type.shape) * byteSize(type.dtype)
