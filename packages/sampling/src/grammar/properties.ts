/** What is true of an expression whatever text comes: whether any matches it at all, and whether the empty text does. */
import { SamplingError } from '../errors.js'
import type { Node, Nodes } from './nodes.js'

/** What is known of expressions that are matched at the same time; undefined where no text matches all. */
export type LookAtBoth = (nodes: readonly Node[], not: readonly Node[]) => { readonly acceptsEmpty: boolean } | undefined

export class Properties {
  private readonly productive: Question
  private readonly nullable: Question

  constructor(
    private readonly nodes: Nodes,
    both: LookAtBoth,
  ) {
    this.productive = new Question(nodes, { bytes: true, lazy: true, both: (all, not) => both(all, not) !== undefined })
    this.nullable = new Question(nodes, { bytes: false, lazy: undefined, both: (all, not) => both(all, not)?.acceptsEmpty === true })
  }

  /** Throws `GRAMMAR` where a rule is used and not defined. */
  checkRules(): void {
    for (const { body, name } of this.nodes.rules)
      if (body === undefined) throw new SamplingError('GRAMMAR', `The rule ${name} is used and not defined`)
  }

  /** Whether an expression matches the empty text. */
  isNullable(node: Node): boolean {
    return this.nullable.ask(node)
  }

  /** Whether some text matches an expression. */
  isProductive(node: Node): boolean {
    return this.productive.ask(node)
  }
}

/** What is true of the expressions that others are made of. */
interface Leaves {
  readonly bytes: boolean
  /** Of what is made when it is needed; undefined where it is to be looked at. */
  readonly lazy: boolean | undefined
  readonly both: (nodes: readonly Node[], not: readonly Node[]) => boolean
}

/** An expression of which something holds if it holds of all of its parts, or of any. */
interface Parts {
  readonly node: Node
  readonly parts: readonly Node[]
  readonly all: boolean
  at: number
}

/**
 * What holds of a sequence where it holds of both parts, of a choice where of one, and of a repetition where of its item or of no turn. No more is looked at than is needed, and nothing is called within
 * itself: expressions may be as long as they like, and rules may refer to each other.
 */
class Question {
  private readonly known: (boolean | undefined)[] = []

  constructor(
    private readonly nodes: Nodes,
    private readonly leaves: Leaves,
  ) {}

  ask(node: Node): boolean {
    for (;;) {
      const found = this.known[node]
      if (found !== undefined) return found
      this.look(node)
    }
  }

  /** Supposes that it holds of nothing that is not known yet. Where that led to no new truth it was right; else truths are known that were not, and it is to be asked again. */
  private look(root: Node): void {
    const supposed = new Set<Node>([root])
    let [wasSupposed, hasGrown] = [false, false]
    const open = [this.partsOf(root)]
    while (open.length > 0) {
      const { node, parts, all, at } = open.at(-1)!
      let result = all
      let next: Node | undefined
      for (let i = at; i < parts.length; i++) {
        const part = parts[i]!
        const value = this.known[part] ?? (supposed.has(part) ? false : undefined)
        if (value === undefined) {
          next = part
          open.at(-1)!.at = i
          break
        }
        if (this.known[part] === undefined) wasSupposed = true
        if (value !== all) {
          result = value
          break
        }
      }
      if (next !== undefined) {
        supposed.add(next)
        open.push(this.partsOf(next))
        continue
      }
      open.pop()
      if (!result) continue
      supposed.delete(node)
      this.known[node] = true
      hasGrown = true
    }
    if (!wasSupposed || !hasGrown) for (const node of supposed) this.known[node] = false
  }

  private partsOf(node: Node): Parts {
    const data = this.nodes.data[node]!
    const parts = (all: boolean, ...list: readonly Node[]): Parts => ({ node, parts: list, all, at: 0 })
    switch (data.kind) {
      case 'nothing':
        return parts(false)
      case 'empty':
        return parts(true)
      case 'bytes':
        return parts(this.leaves.bytes)
      case 'sequence':
        return parts(true, data.first, data.second)
      case 'choice':
        return { node, parts: data.nodes, all: false, at: 0 }
      case 'repeat':
        return data.min === 0 ? parts(true) : parts(false, data.item)
      case 'rule':
        return parts(false, this.nodes.rules[data.rule]!.body!)
      case 'lazy':
        return this.leaves.lazy === undefined ? parts(false, data.expand()) : parts(this.leaves.lazy)
      case 'both':
        return parts(this.leaves.both(data.nodes, data.not))
      default:
        return data satisfies never
    }
  }
}
