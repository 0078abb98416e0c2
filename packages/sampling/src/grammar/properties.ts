/** What is true of an expression whatever text comes: whether any matches it at all, and whether the empty text does. */
import { SamplingError } from '../errors.js'
import type { Node, Nodes } from './nodes.js'

/** What is known of expressions that are matched at the same time; undefined where no text matches all. */
export type LookAtBoth = (nodes: readonly Node[], not: readonly Node[]) => { readonly acceptsEmpty: boolean } | undefined

export class Properties {
  private readonly productive = new Map<Node, boolean>()
  private readonly nullable = new Map<Node, boolean>()
  private goodRules: ReadonlySet<number> = new Set()

  constructor(
    private readonly nodes: Nodes,
    private readonly both: LookAtBoth,
  ) {}

  /** Finds out about the rules, before anything is asked that refers to them. Throws `GRAMMAR` where a rule is used and not defined. */
  lookAtRules(): void {
    this.goodRules = this.findProductive()
  }

  /** Which rules some text matches: those that only refer to each other match none. */
  private findProductive(): ReadonlySet<number> {
    const { rules } = this.nodes
    const good = new Set<number>()
    for (let before = -1; before < good.size;) {
      before = good.size
      const known = new Map<Node, boolean>()
      rules.forEach(({ body, name }, rule) => {
        if (body === undefined) throw new SamplingError('GRAMMAR', `The rule ${name} is used and not defined`)
        if (
          !good.has(rule) &&
          this.holds(
            body,
            known,
            this.productiveAt((one) => good.has(one)),
          )
        )
          good.add(rule)
      })
    }
    return good
  }

  /** Whether an expression matches the empty text. */
  isNullable(node: Node): boolean {
    const leaves: Leaves = {
      bytes: false,
      lazy: undefined,
      rule: (rule) => this.holds(this.nodes.rules[rule]!.body!, this.nullable, leaves),
      both: (nodes, not) => this.both(nodes, not)?.acceptsEmpty === true,
    }
    return this.holds(node, this.nullable, leaves)
  }

  /** Whether some text matches an expression. */
  isProductive(node: Node): boolean {
    return this.holds(
      node,
      this.productive,
      this.productiveAt((rule) => this.goodRules.has(rule)),
    )
  }

  private productiveAt(rule: (rule: number) => boolean): Leaves {
    return { bytes: true, lazy: true, rule, both: (nodes, not) => this.both(nodes, not) !== undefined }
  }

  /** What holds of a sequence where it holds of both parts, of a choice where of one, and of a repetition where of its item or of no turn. */
  private holds(node: Node, known: Map<Node, boolean>, leaves: Leaves): boolean {
    const found = known.get(node)
    if (found !== undefined) return found
    // Where an expression comes back to itself it is not by this way that it holds.
    known.set(node, false)
    const data = this.nodes.data[node]!
    const look = (one: Node): boolean => this.holds(one, known, leaves)
    let result: boolean
    switch (data.kind) {
      case 'nothing':
        result = false
        break
      case 'empty':
        result = true
        break
      case 'bytes':
        result = leaves.bytes
        break
      case 'sequence':
        result = look(data.first) && look(data.second)
        break
      case 'choice':
        result = data.nodes.some(look)
        break
      case 'repeat':
        result = data.min === 0 || look(data.item)
        break
      case 'rule':
        result = leaves.rule(data.rule)
        break
      case 'lazy':
        result = leaves.lazy ?? look(data.expand())
        break
      case 'both':
        result = leaves.both(data.nodes, data.not)
        break
      default:
        result = data satisfies never
    }
    known.set(node, result)
    return result
  }
}

/** What is true of the expressions that others are made of. */
interface Leaves {
  readonly bytes: boolean
  /** Of what is made when it is needed; undefined where it is to be looked at. */
  readonly lazy: boolean | undefined
  readonly rule: (rule: number) => boolean
  readonly both: (nodes: readonly Node[], not: readonly Node[]) => boolean
}
