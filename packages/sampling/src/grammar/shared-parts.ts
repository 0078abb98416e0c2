/** Parts of masks that are the same in every grammar, such as those of free text in quotes: kept with the vocabulary, by what their expressions say instead of by their numbers in one machine. */
import type { Node, Nodes } from './nodes.js'

/** Descriptions that are kept; beyond, all begin anew. */
const MOST = 100_000

/** Numbers of expressions that are the same for all machines of a vocabulary. */
export class Descriptions {
  private readonly known = new Map<string, number>()
  /** Told by {@link Described} of machines, whose numbers are of no more use when it changes. */
  generation = 0

  /** The number of a description, from 1 on. */
  of(text: string): number {
    let id = this.known.get(text)
    if (id === undefined) {
      if (this.known.size >= MOST) {
        this.known.clear()
        this.generation++
      }
      id = this.known.size + 1 + this.generation * MOST
      this.known.set(text, id)
    }
    return id
  }
}

/** The expressions of one machine by the numbers that all machines share. */
export class Described {
  private readonly ids = new Map<Node, number>()
  private generation = 0

  constructor(
    private readonly nodes: Nodes,
    private readonly descriptions: Descriptions,
  ) {}

  /** 0 for an expression that means something in its own machine alone: rules, and what is made when it is needed. */
  of(node: Node): number {
    if (this.generation !== this.descriptions.generation) {
      this.ids.clear()
      this.generation = this.descriptions.generation
    }
    let id = this.ids.get(node)
    if (id === undefined) {
      const text = this.describe(node)
      id = text === undefined ? 0 : this.descriptions.of(text)
      this.ids.set(node, id)
    }
    return id
  }

  private describe(node: Node): string | undefined {
    const data = this.nodes.data[node]!
    const all = (nodes: readonly Node[]): string | undefined => {
      const ids = nodes.map((one) => this.of(one))
      return ids.includes(0) ? undefined : ids.sort((a, b) => a - b).join()
    }
    switch (data.kind) {
      case 'nothing':
      case 'empty':
        return data.kind
      case 'bytes':
        return `bytes ${data.set.key}`
      case 'sequence': {
        const [first, second] = [this.of(data.first), this.of(data.second)]
        return first === 0 || second === 0 ? undefined : `sequence ${first} ${second}`
      }
      case 'choice': {
        const ids = all(data.nodes)
        return ids === undefined ? undefined : `choice ${ids}`
      }
      case 'repeat': {
        const item = this.of(data.item)
        return item === 0 ? undefined : `repeat ${item} ${data.min} ${data.max}`
      }
      case 'both':
      case 'rule':
      case 'lazy':
        return undefined
      default:
        return data satisfies never
    }
  }
}
