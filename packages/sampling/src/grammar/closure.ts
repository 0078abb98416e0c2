import type { Node } from './nodes.js'
import type { Rest } from './rests.js'

/** What is found on the way to the bytes that come next. */
export class Closure {
  readonly heads = new Set<number>()
  readonly seen = new Set<Rest>()
  /** Repetitions of what may be empty that were looked into, with how often they may still turn. */
  turns: Map<string, number> | undefined
  accepting = false
  isOpen = false
  /** What is still to be looked at; of what is inside of a character that is told apart, how many of them may come. */
  readonly todo: Rest[] = []
  readonly rooms: number[] = []
  /** What is made when it is asked for, with what may follow each. */
  deferred: Map<Node, Set<Rest>> | undefined
  /** Rules that are to be looked into, the one that may begin with others last, and what may follow each. Most grammars have none. */
  rules: number[] | undefined
  behind: Map<number, Set<Rest>> | undefined

  add(rest: Rest, room: number): void {
    this.todo.push(rest)
    this.rooms.push(room)
  }

  /** Puts off what is the same for several that follow it until these are known. */
  defer(node: Node, next: Rest): void {
    const deferred = (this.deferred ??= new Map())
    const known = deferred.get(node)
    if (known === undefined) deferred.set(node, new Set([next]))
    else known.add(next)
  }

  enter(rule: number, next: Rest, order: Int32Array): void {
    const behind = (this.behind ??= new Map())
    const rules = (this.rules ??= [])
    const known = behind.get(rule)
    if (known !== undefined) return void known.add(next)
    behind.set(rule, new Set([next]))
    let [low, high] = [0, rules.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (order[rules[middle]!]! < order[rule]!) low = middle + 1
      else high = middle
    }
    rules.splice(low, 0, rule)
  }
}
