/**
 * Rules that begin with themselves, written so that they do not: following them would never come to a byte.
 *
 * Of rules that begin with each other, A is what begins with none of them, followed by what makes an A of it: with `A = … | B k`, a B becomes an A by `k`. What makes an A of a B is a rule that ends with
 * itself; for a rule alone it is a repetition. For this to be finite, what stands at a beginning must not be empty; so of rules that may be, a rule without the empty text is made.
 *
 * Source: D. J. Rosenkrantz, P. M. Lewis, "Deterministic Left Corner Parsing", 11th Symposium on Switching and Automata Theory, 1970; the ways without text are M. Johnson's, "Finite-state Approximation of
 * Constraint-based Grammars using Left-corner Grammar Transforms", ACL 1998.
 */
import { SamplingError } from '../errors.js'
import { EMPTY, type Node, type Nodes } from './nodes.js'
import type { Properties } from './properties.js'

/** Rules that are written for rules that begin with each other. */
const MOST_TAILS = 20_000

/**
 * Writes rules that begin with themselves anew; the texts that they match are the same.
 *
 * @returns by rule, a number above those of all rules that it begins with
 * @throws SamplingError `GRAMMAR` where too many rules begin with each other
 */
export function orderRules(nodes: Nodes, properties: Properties): Int32Array<ArrayBuffer> {
  let groups = groupsOf(nodes, properties)
  const recursive = groups.filter(({ isRecursive }) => isRecursive)
  if (recursive.length > 0) {
    new Rewriter(nodes, properties).rewrite(recursive.map(({ rules }) => rules))
    groups = groupsOf(nodes, properties)
  }
  const order = new Int32Array(nodes.rules.length)
  groups.forEach(({ rules }, i) => rules.forEach((rule) => (order[rule] = i + 1)))
  return order
}

/** The rules that an expression may begin with, before any byte. */
function beginningsOf(nodes: Nodes, properties: Properties, node: Node): Set<number> {
  const rules = new Set<number>()
  const seen = new Set<Node>([node])
  const todo = [node]
  const look = (one: Node): void => {
    if (seen.has(one)) return
    seen.add(one)
    todo.push(one)
  }
  while (todo.length > 0) {
    const data = nodes.data[todo.pop()!]!
    if (data.kind === 'rule') rules.add(data.rule)
    else if (data.kind === 'choice') data.nodes.filter((one) => properties.isProductive(one)).forEach(look)
    else if (data.kind === 'lazy') look(data.expand())
    else if (data.kind === 'repeat' && properties.isProductive(data.item)) look(data.item)
    else if (data.kind === 'sequence') {
      look(data.first)
      if (properties.isNullable(data.first)) look(data.second)
    }
  }
  return rules
}

interface Group {
  readonly rules: readonly number[]
  readonly isRecursive: boolean
}

/** Rules that begin with each other, after those that they begin with. R. Tarjan, "Depth-first search and linear graph algorithms", SIAM Journal on Computing 1(2), 1972. */
function groupsOf(nodes: Nodes, properties: Properties): Group[] {
  const groups: Group[] = []
  const index = new Map<number, number>()
  const low = new Map<number, number>()
  const next = new Map<number, readonly number[]>()
  const stack: number[] = []
  const onStack = new Set<number>()
  const enter = (rule: number): void => {
    index.set(rule, index.size)
    low.set(rule, index.get(rule)!)
    const { body } = nodes.rules[rule]!
    next.set(rule, properties.isProductive(body!) ? [...beginningsOf(nodes, properties, body!)] : [])
    stack.push(rule)
    onStack.add(rule)
  }
  for (let root = 0; root < nodes.rules.length; root++) {
    if (index.has(root)) continue
    enter(root)
    const path: [rule: number, at: number][] = [[root, 0]]
    while (path.length > 0) {
      const step = path.at(-1)!
      const rule = step[0]
      const other = next.get(rule)![step[1]++]
      if (other !== undefined) {
        if (!index.has(other)) {
          enter(other)
          path.push([other, 0])
        } else if (onStack.has(other)) low.set(rule, Math.min(low.get(rule)!, index.get(other)!))
        continue
      }
      path.pop()
      const before = path.at(-1)?.[0]
      if (before !== undefined) low.set(before, Math.min(low.get(before)!, low.get(rule)!))
      if (low.get(rule) !== index.get(rule)) continue
      const rules = stack.splice(stack.lastIndexOf(rule))
      for (const one of rules) onStack.delete(one)
      groups.push({ rules, isRecursive: rules.length > 1 || next.get(rule)!.includes(rule) })
    }
  }
  return groups
}

/** What an expression is but for the empty text, by what it begins with: a rule of a group and what follows it, or none. */
interface Beginnings {
  readonly rules: Map<number, Node[]>
  readonly others: Node[]
}

class Rewriter {
  /** Rules that may be empty, without the empty text. */
  private readonly proper = new Map<number, { readonly node: Node; readonly rule: number }>()
  /** Those that are to be told what they are. */
  private readonly open: number[] = []

  constructor(
    private readonly nodes: Nodes,
    private readonly properties: Properties,
  ) {}

  rewrite(groups: readonly (readonly number[])[]): void {
    const { nodes } = this
    for (const group of groups) this.rewriteGroup(group)
    const done = new Set(groups.flat())
    for (let rule = this.open.pop(); rule !== undefined; rule = this.open.pop())
      if (!done.has(rule)) nodes.define(this.proper.get(rule)!.rule, this.withoutEmpty(nodes.rules[rule]!.body!))
  }

  private rewriteGroup(group: readonly number[]): void {
    const { nodes } = this
    if (group.length ** 2 > MOST_TAILS)
      throw new SamplingError(
        'GRAMMAR',
        `${group.length} rules begin with each other, ${nodes.rules[group[0]!]!.name} among them; at most ${Math.floor(Math.sqrt(MOST_TAILS))} may`,
      )
    const set = new Set(group)
    const parts = new Map(group.map((rule) => [rule, this.split(nodes.rules[rule]!.body!, set)]))
    const nullable = new Set(group.filter((rule) => this.properties.isNullable(nodes.rules[rule]!.body!)))
    const tail = this.tails(group, parts)
    for (const rule of group) {
      const ways = group.flatMap((one) => {
        const begin = parts.get(one)!.others
        return begin.length === 0 ? [] : [nodes.sequence(nodes.choice(...begin), tail(one, rule))]
      })
      const body = nodes.choice(...ways)
      if (nullable.has(rule)) {
        const { node, rule: without } = this.properOf(rule)
        nodes.define(without, body)
        nodes.define(rule, nodes.choice(EMPTY, node))
      } else nodes.define(rule, body)
    }
  }

  /** Gives what makes a rule of a group of another. */
  private tails(group: readonly number[], parts: ReadonlyMap<number, Beginnings>): (from: number, to: number) => Node {
    const { nodes } = this
    const follows = (from: number, to: number): readonly Node[] => parts.get(to)!.rules.get(from) ?? []
    if (group.length === 1) {
      const [rule] = group as [number]
      const all = nodes.repeat(nodes.choice(...follows(rule, rule).map((then) => this.withoutEmpty(then))), 0)
      return () => all
    }
    /** What each rule is as well, without more text. */
    const same = new Map(
      group.map((rule) => {
        const found = new Set([rule])
        for (const one of found)
          for (const to of group) if (follows(one, to).some((then) => this.properties.isNullable(then))) found.add(to)
        return [rule, found]
      }),
    )
    const known = new Map<string, Node>()
    const open: [from: number, to: number, rule: number][] = []
    const steps = new Map(
      group.map((from) => [
        from,
        [...same.get(from)!].flatMap((one) =>
          group.flatMap((over) => follows(one, over).map((then) => ({ over, rest: this.withoutEmpty(then) }))),
        ),
      ]),
    )
    const tailOf = (from: number, to: number): Node => {
      const key = `${from},${to}`
      let node = known.get(key)
      if (node === undefined) {
        const declared = nodes.declare(`${nodes.rules[to]!.name} behind ${nodes.rules[from]!.name}`)
        known.set(key, (node = declared.node))
        open.push([from, to, declared.rule])
      }
      return node
    }
    return (first, last) => {
      const node = tailOf(first, last)
      for (let one = open.pop(); one !== undefined; one = open.pop()) {
        const [from, to, rule] = one
        const ways = steps.get(from)!.map(({ over, rest }) => nodes.sequence(rest, tailOf(over, to)))
        nodes.define(rule, nodes.choice(same.get(from)!.has(to) ? EMPTY : nodes.choice(), ...ways))
      }
      return node
    }
  }

  private withoutEmpty(node: Node): Node {
    return this.nodes.choice(...this.split(node, new Set()).others)
  }

  private properOf(rule: number): { readonly node: Node; readonly rule: number } {
    let made = this.proper.get(rule)
    if (made === undefined) {
      made = this.nodes.declare(`${this.nodes.rules[rule]!.name} with text`)
      this.proper.set(rule, made)
      this.open.push(rule)
    }
    return made
  }

  private split(node: Node, group: ReadonlySet<number>): Beginnings {
    const { nodes, properties } = this
    const found: Beginnings = { rules: new Map(), others: [] }
    const todo: [node: Node, then: Node][] = [[node, EMPTY]]
    const isApart = (one: Node): boolean => group.size === 0 || ![...beginningsOf(nodes, properties, one)].some((rule) => group.has(rule))
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      const [one, then] = next
      if (!properties.isProductive(one) || !properties.isProductive(then)) continue
      const data = nodes.data[one]!
      const isNullable = properties.isNullable(one)
      if (data.kind === 'rule' && group.has(data.rule)) {
        const list = found.rules.get(data.rule)
        if (list === undefined) found.rules.set(data.rule, [then])
        else list.push(then)
      } else if (!isNullable && isApart(one)) found.others.push(nodes.sequence(one, then))
      else if (data.kind === 'rule') found.others.push(nodes.sequence(this.properOf(data.rule).node, then))
      else if (data.kind === 'both') found.others.push(nodes.sequence(nodes.both(data.nodes, [...data.not, EMPTY]), then))
      else if (data.kind === 'lazy') todo.push([data.expand(), then])
      else if (data.kind === 'choice') for (const way of data.nodes) todo.push([way, then])
      else if (data.kind === 'sequence') {
        todo.push([data.first, nodes.sequence(data.second, then)])
        if (properties.isNullable(data.first)) todo.push([data.second, then])
      } else if (data.kind === 'repeat') {
        const min = properties.isNullable(data.item) ? 0 : Math.max(0, data.min - 1)
        todo.push([data.item, nodes.sequence(nodes.repeat(data.item, min, data.max - 1), then)])
      }
    }
    return found
  }
}
