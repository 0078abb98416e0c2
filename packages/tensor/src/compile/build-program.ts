import { TensorError } from '../errors.js'
import type { Attr, Node, Value } from '../graph/node.js'
import { typeOf } from '../graph/node.js'
import { printAttrs } from '../graph/print.js'
import { topological } from '../graph/walk.js'
import { isSym, isSymExpr, shapeKey, type Sym } from '../shape.js'
import { storageOf } from '../storage.js'
import type { Program, ProgramInput, ProgramOutput } from './program.js'

export interface BuildOptions {
  readonly keepsDuplicates: boolean
  /** What the input nodes stand for, where they are not the leaves themselves; see `lower`. */
  readonly leaves?: ReadonlyMap<Node, Node>
  /** For each output, the value of the input whose buffer it is written into. */
  readonly aliases?: readonly (Value | undefined)[]
}

/** Collects a lowered graph into a program. Inputs are numbered in order of their nodes' creation. */
export function buildProgram(outputs: readonly Value[], options: BuildOptions): Program {
  const all = topological(outputs)
  const nodes = all.filter((node) => node.op !== 'input')
  const inputNodes = all.filter((node) => node.op === 'input')
  for (const alias of options.aliases ?? [])
    if (alias !== undefined && !inputNodes.includes(alias.node))
      throw new TensorError('TRACE', 'an output is aliased to something that is not an input of its program')
  const inputs = inputNodes.map((node): ProgramInput => {
    const storage = storageOf(options.leaves?.get(node) ?? node)
    const value = { node, index: 0 }
    return storage?.role === 'frozen' && storage.buffer !== undefined
      ? { ...typeOf(value), value, role: 'frozen', frozen: storage.buffer }
      : { ...typeOf(value), value, role: 'input' }
  })
  const programOutputs = outputs.map((value, i): ProgramOutput => {
    const alias = options.aliases?.[i]
    return alias === undefined ? { ...typeOf(value), value } : { ...typeOf(value), value, alias: inputNodes.indexOf(alias.node) }
  })
  const key = keyOf(nodes, inputs, programOutputs, options.keepsDuplicates)
  return { key, nodes, inputs, outputs: programOutputs, symbols: symbolsOf(all), keepsDuplicates: options.keepsDuplicates }
}

function symbolsOf(nodes: readonly Node[]): Sym[] {
  const found = new Set<Sym>()
  const visit = (attr: Attr): void => {
    if (isSym(attr)) found.add(attr)
    else if (isSymExpr(attr)) found.add(attr.sym)
    else if (Array.isArray(attr)) (attr as readonly Attr[]).forEach(visit)
  }
  for (const node of nodes) {
    for (const { shape } of node.outputs) for (const dim of shape) if (isSym(dim)) found.add(dim)
    Object.values(node.attrs).forEach(visit)
  }
  return [...found]
}

let nextBufferId = 1
const bufferIds = new WeakMap<object, number>()

/** A frozen buffer is part of its program: a packed copy of it lives inside. */
function bufferId(buffer: object): number {
  let id = bufferIds.get(buffer)
  if (id === undefined) bufferIds.set(buffer, (id = nextBufferId++))
  return id
}

function keyOf(
  nodes: readonly Node[],
  inputs: readonly ProgramInput[],
  outputs: readonly ProgramOutput[],
  keepsDuplicates: boolean,
): string {
  const numbers = new Map<Node, number>()
  const lines: string[] = []
  for (const input of inputs) {
    numbers.set(input.value.node, numbers.size)
    lines.push(`${input.role[0]!}${input.dtype}${shapeKey(input.shape)}${input.frozen === undefined ? '' : `@${bufferId(input.frozen)}`}`)
  }
  const edge = (value: Value): string => `${numbers.get(value.node)!}.${value.index}`
  for (const node of nodes) {
    numbers.set(node, numbers.size)
    lines.push(`${node.op}(${node.inputs.map(edge).join(',')})${printAttrs(node.attrs)}`)
  }
  lines.push(outputs.map((output) => `${edge(output.value)}${output.alias === undefined ? '' : `>${output.alias}`}`).join(' '))
  return `${keepsDuplicates ? 'd' : ''}${lines.join('\n')}`
}
