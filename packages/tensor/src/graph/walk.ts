import type { Node, Value } from './node.js'

/**
 * Every node that the values depend on, inputs first. Creation order is a topological order, so sorting by id both
 * orders the nodes and gives equal graphs an equal order. Nodes for which `stopAt` holds are left out, with all behind them.
 */
export function topological(values: readonly Value[], stopAt?: (node: Node) => boolean): Node[] {
  const seen = new Set<Node>()
  const stack: Node[] = []
  for (const { node } of values) {
    if (seen.has(node) || stopAt?.(node) === true) continue
    seen.add(node)
    stack.push(node)
  }
  while (stack.length > 0) {
    const node = stack.pop()!
    for (const input of node.inputs) {
      if (seen.has(input.node) || stopAt?.(input.node) === true) continue
      seen.add(input.node)
      stack.push(input.node)
    }
  }
  return [...seen].sort((a, b) => a.id - b.id)
}

/** Values by (node, output): what rewrites map through. */
export class ValueMap<T> {
  private readonly byNode = new Map<Node, (T | undefined)[]>()

  get(value: Value): T | undefined {
    return this.byNode.get(value.node)?.[value.index]
  }

  set(value: Value, to: T): void {
    const row = this.byNode.get(value.node)
    if (row === undefined) {
      const fresh: (T | undefined)[] = []
      fresh[value.index] = to
      this.byNode.set(value.node, fresh)
    } else row[value.index] = to
  }

  has(value: Value): boolean {
    return this.get(value) !== undefined
  }
}
