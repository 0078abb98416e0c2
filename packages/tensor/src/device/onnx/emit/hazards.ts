/**
 * Outputs written into an input's memory. The compiler aliases an output when every other *node of ours* that reads the
 * input comes before the writer. But one of our nodes is several of ONNX, which need not all wait for each of its inputs;
 * and ONNX Runtime's Reshape and its like are views, so that reading their result reads the input's memory at that later
 * time. Here the rule is checked on the ONNX graph. Where it does not hold the writer is made to wait for the reader, or,
 * if the reader needs the written value, the reader is given a copy made before.
 */
import type { EmitContext } from './context.js'
import { zeroAfter } from './generate.js'
import type { MutableNode, Name } from './model-builder.js'

export interface Alias {
  readonly input: Name
  readonly output: Name
}

/** Ops whose result may lie in their first input's memory, as they are or once ONNX Runtime has simplified them. */
const views: ReadonlySet<string> = new Set(['Reshape', 'Identity', 'Squeeze', 'Unsqueeze', 'Flatten', 'Transpose', 'Expand', 'Slice'])

export function orderAliases(context: EmitContext, aliases: readonly Alias[]): void {
  if (aliases.length === 0) return
  const { builder } = context
  builder.currentOp = 'alias'
  let changed = false
  let producers = producersOf(builder.nodes)
  for (const alias of aliases) {
    if (!orderAlias(context, alias, producers)) continue
    changed = true
    producers = producersOf(builder.nodes)
  }
  if (changed) builder.sortNodes()
}

type Producers = ReadonlyMap<Name, MutableNode>
const producersOf = (nodes: readonly MutableNode[]): Producers =>
  new Map(nodes.flatMap((node) => node.output.map((name) => [name, node] as const)))

function orderAlias(context: EmitContext, { input, output }: Alias, producers: Producers): boolean {
  const { nodes } = context.builder
  const writer = producers.get(output)
  if (writer === undefined) return false
  const before = ancestorsOf(producers, writer)
  const memory = new Set<Name>([input])
  const late: MutableNode[] = []
  for (const node of nodes) {
    if (node === writer || !node.input.some((name) => memory.has(name))) continue
    if (views.has(node.opType) && memory.has(node.input[0]!)) for (const name of node.output) memory.add(name)
    else if (!before.has(node)) late.push(node)
  }
  if (late.length === 0) return false

  const after = descendantsOf(nodes, writer)
  const waitFor = new Set<Name>()
  const copies = new Map<Name, Name>()
  for (const reader of late) {
    if (!after.has(reader)) {
      waitFor.add(reader.output.find((name) => name !== '')!)
      continue
    }
    reader.input = reader.input.map((name) => {
      if (!memory.has(name)) return name
      let copy = copies.get(name)
      if (copy === undefined) copies.set(name, (copy = copyOf(context, name)))
      waitFor.add(copy)
      return copy
    })
  }
  const at = Math.max(
    0,
    writer.input.findIndex((name) => name !== '' && !memory.has(name)),
  )
  const inputs = [...writer.input]
  for (const name of waitFor) {
    const held = inputs[at]!
    const shape = context.node('Add', [context.node('Shape', [held]), zeroAfter(context, name)])
    inputs[at] = context.node('Reshape', [held, shape], { attributes: { allowzero: 1 } })
  }
  writer.input = inputs
  return true
}

/** The same elements elsewhere. Concat copies even when it has nothing to join. */
function copyOf(context: EmitContext, name: Name): Name {
  const flat = context.node('Reshape', [name, context.ints([-1])])
  const copied = context.node('Concat', [flat], { attributes: { axis: 0 } })
  return context.node('Reshape', [copied, context.node('Shape', [name])], { attributes: { allowzero: 1 } })
}

function ancestorsOf(producers: Producers, start: MutableNode): ReadonlySet<MutableNode> {
  const seen = new Set<MutableNode>()
  const stack = [start]
  while (stack.length > 0)
    for (const name of stack.pop()!.input) {
      const from = producers.get(name)
      if (from === undefined || seen.has(from)) continue
      seen.add(from)
      stack.push(from)
    }
  return seen
}

function descendantsOf(nodes: readonly MutableNode[], start: MutableNode): ReadonlySet<MutableNode> {
  const readers = new Map<Name, MutableNode[]>()
  for (const node of nodes)
    for (const name of node.input) {
      const list = readers.get(name)
      if (list === undefined) readers.set(name, [node])
      else list.push(node)
    }
  const seen = new Set<MutableNode>()
  const stack = [start]
  while (stack.length > 0)
    for (const name of stack.pop()!.output)
      for (const reader of readers.get(name) ?? []) {
        if (seen.has(reader)) continue
        seen.add(reader)
        stack.push(reader)
      }
  return seen
}
