import { indexKey, isSym, isSymExpr, printShape } from '../shape.js'
import type { Attr, Attrs, Node, Value } from './node.js'
import { topological } from './walk.js'

/** An attribute as text; used both for people and, since it is injective, for the structural key. */
export function printAttr(attr: Attr): string {
  if (attr === null || attr === undefined) return '-'
  if (typeof attr === 'number') return Object.is(attr, -0) ? '-0' : String(attr)
  if (typeof attr === 'string') return JSON.stringify(attr)
  if (typeof attr === 'boolean') return String(attr)
  if (isSym(attr) || isSymExpr(attr)) return indexKey(attr)
  return `[${(attr as readonly Attr[]).map(printAttr).join(',')}]`
}

export function printAttrs(attrs: Attrs): string {
  const keys = Object.keys(attrs)
  if (keys.length === 0) return ''
  return `{${keys
    .filter((key) => attrs[key] !== undefined)
    .sort()
    .map((key) => `${key}=${printAttr(attrs[key])}`)
    .join(' ')}}`
}

function names(nodes: readonly Node[]): Map<Node, string> {
  return new Map(nodes.map((node, i) => [node, `%${i}`]))
}

const nameOf = (named: Map<Node, string>, value: Value): string =>
  value.node.outputs.length === 1 ? named.get(value.node)! : `${named.get(value.node)!}.${value.index}`

/** The graph as text, one node a line: `%3 = add(%1, %2) : f32[2, 3]`. */
export function printGraph(outputs: readonly Value[]): string {
  const nodes = topological(outputs)
  const named = names(nodes)
  const lines = nodes.map((node) => {
    const types = node.outputs.map((type) => `${type.dtype}${printShape(type.shape)}`).join(', ')
    return `${named.get(node)!} = ${node.op}(${node.inputs.map((value) => nameOf(named, value)).join(', ')})${printAttrs(node.attrs)} : ${types}`
  })
  return [...lines, `return ${outputs.map((value) => nameOf(named, value)).join(', ')}`].join('\n')
}

const label = (node: Node): string =>
  `${node.op}${node.op === 'const' ? ` ${printAttr(node.attrs['value'])}` : ''} ${node.outputs.map((type) => `${type.dtype}${printShape(type.shape)}`).join(', ')}`

/** Graphviz source (`dot -Tsvg`). */
export function toGraphviz(outputs: readonly Value[]): string {
  const nodes = topological(outputs)
  const index = new Map(nodes.map((node, i) => [node, i]))
  const lines = nodes.map(
    (node) => `  n${index.get(node)!} [label=${JSON.stringify(label(node))} shape=${node.op === 'input' ? 'ellipse' : 'box'}]`,
  )
  for (const node of nodes) for (const input of node.inputs) lines.push(`  n${index.get(input.node)!} -> n${index.get(node)!}`)
  return `digraph {\n  rankdir=TB node [fontname="monospace"]\n${lines.join('\n')}\n}\n`
}

/** Mermaid source, for Markdown pages. */
export function toMermaid(outputs: readonly Value[]): string {
  const nodes = topological(outputs)
  const index = new Map(nodes.map((node, i) => [node, i]))
  const lines = nodes.map((node) => `  n${index.get(node)!}["${label(node).replaceAll('"', "'")}"]`)
  for (const node of nodes) for (const input of node.inputs) lines.push(`  n${index.get(input.node)!} --> n${index.get(node)!}`)
  return `graph TD\n${lines.join('\n')}\n`
}
