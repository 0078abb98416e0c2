/** What is to follow at some place in a text: expressions in lists that share their ends, each kept once. */
import { EMPTY, type Node, type Nodes } from './nodes.js'

/** What follows: an expression and what follows that, or one of several such. */
export type Rest = number
export const END: Rest = 0
/** Something that was cut off. */
export const CUT: Rest = 1
/** In the place of an expression where one of several things follows. */
const WAYS = -1
/** Of so many things that may follow each is kept. Where there are more, those that were put together before stay together: else each place in an ambiguous text would have all of those before it. */
const FEW_WAYS = 16
/** Lists that are kept at most: a gigabyte of them, and half of what a Map can hold. */
const MOST_RESTS = 2 ** 23

export class Rests {
  private readonly nodeOfRest: Node[] = [EMPTY, EMPTY]
  private readonly nextOfRest: Rest[] = [END, END]
  private readonly ids = new Map<number, Rest>()
  /** What follows where one of several things follows. */
  private readonly ways: (readonly Rest[] | undefined)[] = []
  private readonly wayIds = new Map<string, Rest>()
  /** By both parts, see {@link Rests.append}. */
  private readonly appended = new Map<number, Rest>()

  constructor(private readonly nodes: Nodes) {}

  /** Whether no more should be kept. */
  get isFull(): boolean {
    return this.nodeOfRest.length > MOST_RESTS
  }

  nodeOf(rest: Rest): Node {
    return this.nodeOfRest[rest]!
  }

  nextOf(rest: Rest): Rest {
    return this.nextOfRest[rest]!
  }

  /** The things of which one follows; undefined where an expression does. */
  waysOf(rest: Rest): readonly Rest[] | undefined {
    return this.ways[rest]
  }

  /** What follows with an expression before it; the parts of a sequence one by one. */
  push(node: Node, next: Rest): Rest {
    if (node === EMPTY) return next
    const { data } = this.nodes
    const before: Node[] = []
    let last = node
    for (let one = data[last]!; one.kind === 'sequence'; one = data[last]!) {
      before.push(one.first)
      last = one.second
    }
    let rest = this.pushOne(last, next)
    for (let i = before.length - 1; i >= 0; i--) rest = this.pushOne(before[i]!, rest)
    return rest
  }

  /** What is to follow, and behind that something else. */
  append(first: Rest, second: Rest): Rest {
    if (second === END) return first
    const before: Rest[] = []
    let made: Rest | undefined
    let rest = first
    for (; rest !== END; rest = this.nextOfRest[rest]!) {
      made = this.appended.get(rest * 2 ** 26 + second)
      if (made !== undefined) break
      const ways = this.ways[rest]
      if (ways !== undefined) {
        made = this.anyOf(new Set(ways.map((way) => this.append(way, second))))
        break
      }
      before.push(rest)
    }
    made ??= second
    for (let i = before.length - 1; i >= 0; i--) {
      made = this.push(this.nodeOfRest[before[i]!]!, made)
      this.appended.set(before[i]! * 2 ** 26 + second, made)
    }
    return made
  }

  private pushOne(node: Node, next: Rest): Rest {
    // As often as it likes, and once more as often as it likes, is as often as it likes.
    if (node === this.nodeOfRest[next] && this.isStar(node)) return next
    const key = node * 2 ** 26 + next
    let rest = this.ids.get(key)
    if (rest === undefined) {
      rest = this.nodeOfRest.push(node) - 1
      this.nextOfRest.push(next)
      this.ids.set(key, rest)
    }
    return rest
  }

  private isStar(node: Node): boolean {
    const data = this.nodes.data[node]!
    return data.kind === 'repeat' && data.min === 0 && data.max === Infinity
  }

  /** One of several things follows; which are the same however they were put together, as long as they are few. */
  anyOf(rests: ReadonlySet<Rest>): Rest {
    const ways = (this.flat(rests) ?? this.apart(rests)).sort((a, b) => a - b)
    if (ways.length === 1) return ways[0]!
    const key = ways.join()
    let rest = this.wayIds.get(key)
    if (rest === undefined) {
      rest = this.nodeOfRest.push(WAYS) - 1
      this.nextOfRest.push(END)
      this.ways[rest] = ways
      this.wayIds.set(key, rest)
    }
    return rest
  }

  /** What several things are, one by one; undefined where they are many. */
  private flat(rests: ReadonlySet<Rest>): Rest[] | undefined {
    const flat = new Set<Rest>()
    for (const rest of rests) {
      const ways = this.ways[rest]
      if (ways === undefined) flat.add(rest)
      else for (const way of ways) flat.add(way)
      if (flat.size > FEW_WAYS) return undefined
    }
    return [...flat].some((rest) => this.ways[rest] !== undefined) ? undefined : [...flat]
  }

  /** Several things without those that others have among what they are. */
  private apart(rests: ReadonlySet<Rest>): Rest[] {
    const inside = new Set<Rest>()
    const todo = [...rests]
    for (let rest = todo.pop(); rest !== undefined; rest = todo.pop())
      for (const way of this.ways[rest] ?? []) {
        if (inside.has(way)) continue
        inside.add(way)
        todo.push(way)
      }
    return [...rests].filter((rest) => !inside.has(rest))
  }

  /** What is to follow for texts of up to `far` bytes that lead through no more than `levels` of it, which are fewer than 64 or all: without counts that they do not come to the end of, and cut off where they do not come. */
  cut(rest: Rest, far: number, levels: number, known = new Map<number, Rest>()): Rest {
    if (rest === END || rest === CUT || levels === Infinity) return rest
    if (levels === 0 && !this.isShort(rest)) return CUT
    // Many ways may lead to the same rest.
    const key = rest * 64 + levels
    const found = known.get(key)
    if (found !== undefined) return found
    const cut = this.findCut(rest, far, levels, known)
    known.set(key, cut)
    return cut
  }

  private findCut(rest: Rest, far: number, levels: number, known: Map<number, Rest>): Rest {
    const ways = this.ways[rest]
    if (ways !== undefined) return this.anyOf(new Set(ways.map((way) => this.cut(way, far, levels - 1, known))))
    const [node, next] = [this.nodeOfRest[rest]!, this.nextOfRest[rest]!]
    const below = this.cut(next, far, this.isShort(rest) ? levels : levels - 1, known)
    const same = this.blurred(node, far)
    return below === next && same === node ? rest : this.push(same, below)
  }

  /** What is to follow, with the count that comes first as {@link Rests.cut} leaves counts. */
  blur(rest: Rest, far: number): Rest {
    if (rest === END || rest === CUT || this.ways[rest] !== undefined) return rest
    const [node, next] = [this.nodeOfRest[rest]!, this.nextOfRest[rest]!]
    const [same, behind] = this.isShort(rest) ? [node, this.blur(next, far)] : [this.blurred(node, far), next]
    return same === node && behind === next ? rest : this.push(same, behind)
  }

  private isShort(rest: Rest): boolean {
    return this.ways[rest] === undefined && this.nodes.isShort(this.nodeOfRest[rest]!)
  }

  /** An expression without the counts that texts of up to `far` bytes do not come to the end of. */
  private blurred(node: Node, far: number): Node {
    const data = this.nodes.data[node]!
    if (data.kind !== 'repeat' || data.max <= far || (data.max === Infinity && data.min <= far)) return node
    return this.nodes.repeat(data.item, Math.min(data.min, far), Infinity)
  }
}
