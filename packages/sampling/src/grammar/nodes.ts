/**
 * What a grammar is made of: expressions over bytes, each kept once, so that the same expression has the same number wherever it comes from. Expressions are put together in their simplest form.
 *
 * Source of the idea: J. Brzozowski, "Derivatives of Regular Expressions", Journal of the ACM 11(4), 1964; M. Might et al., "Parsing with Derivatives", ICFP 2011.
 */
import { SamplingError } from '../errors.js'
import { ByteSet, bytesOf, commonLength, compareBytes, normalRanges, utf8Ranges, type Range } from './bytes.js'
import { CharacterSet } from './character-set.js'

/** The number of an expression. */
export type Node = number

export type NodeData =
  /** No text at all: not even the empty one. */
  | { readonly kind: 'nothing' }
  /** The empty text. */
  | { readonly kind: 'empty' }
  /** One byte of a set. */
  | { readonly kind: 'bytes'; readonly set: ByteSet }
  | { readonly kind: 'sequence'; readonly first: Node; readonly second: Node }
  | { readonly kind: 'choice'; readonly nodes: readonly Node[] }
  /** `item` from `min` to `max` times. */
  | { readonly kind: 'repeat'; readonly item: Node; readonly min: number; readonly max: number }
  /** What a rule says, which may refer to itself. */
  | { readonly kind: 'rule'; readonly rule: number }
  /** What a function gives when it is needed: for what would be too large to write out. Some text has to match it, unless it is inside of `both`. */
  | { readonly kind: 'lazy'; readonly key: string; readonly expand: () => Node }
  /** Text that all of `nodes` match, and none of `not`. Regular: no rules inside. */
  | { readonly kind: 'both'; readonly nodes: readonly Node[]; readonly not: readonly Node[] }

export const NOTHING: Node = 0
export const EMPTY: Node = 1

/** Bytes of a character in JSON behind its first, at most: those of `\\u001f`. */
const MOST_SHORT = 5

export class Nodes {
  readonly data: NodeData[] = []
  private readonly known = new Map<string, Node>()
  /** Of expressions of one character, those that stand for themselves. */
  readonly characterSets = new Map<Node, CharacterSet>()
  /** Sequences by their first part, as there are many. */
  private readonly sequences: (Map<Node, Node> | undefined)[] = []
  private readonly short: (boolean | undefined)[] = []
  /** Bytes of a range, by its ends. */
  private readonly ranges = new Map<number, Node>()
  /** The expression of each rule; undefined while it is declared only. */
  readonly rules: { readonly name: string; body: Node | undefined }[] = []

  constructor() {
    this.intern('0', { kind: 'nothing' })
    this.intern('1', { kind: 'empty' })
  }

  bytes(set: ByteSet): Node {
    return set.isEmpty ? NOTHING : this.intern(`b${set.key}`, { kind: 'bytes', set })
  }

  private byte(byte: number): Node {
    return this.range(byte, byte)
  }

  private range(low: number, high: number): Node {
    const key = low * 256 + high
    let node = this.ranges.get(key)
    if (node === undefined) this.ranges.set(key, (node = this.bytes(ByteSet.range(low, high))))
    return node
  }

  /** Whether it is a few bytes at most, such as those of a character behind its first. */
  isShort(node: Node): boolean {
    return (this.short[node] ??= this.mostBytes(node, MOST_SHORT) <= MOST_SHORT)
  }

  /** How many bytes an expression has at most; more than `limit` where it may be more than that. */
  private mostBytes(node: Node, limit: number): number {
    const data = this.data[node]!
    switch (data.kind) {
      case 'bytes':
        return 1
      case 'sequence': {
        const first = this.mostBytes(data.first, limit)
        return first > limit ? first : first + this.mostBytes(data.second, limit - first)
      }
      case 'choice':
        return limit < 1 ? Infinity : Math.max(...data.nodes.map((one) => this.mostBytes(one, limit)))
      default:
        return Infinity
    }
  }

  /** Text as it is. */
  literal(text: string | Uint8Array): Node {
    const bytes = typeof text === 'string' ? bytesOf(text) : text
    return bytes.reduceRight((then, byte) => this.join(this.byte(byte), then), EMPTY)
  }

  /** One character of some ranges of code points. */
  characters(ranges: Iterable<Range>): Node {
    const all = normalRanges(ranges)
    const node = this.forms(utf8Ranges(all), 0)
    // Where all are bytes, that can be seen.
    if ((all.at(-1)?.[1] ?? 0) > 0x7f && !this.characterSets.has(node)) this.characterSets.set(node, new CharacterSet(all))
    return node
  }

  /** One character that stands for itself, or stands in another way for another. */
  character(plain: Node, other: Node): Node {
    const node = this.choice(plain, other)
    const set = this.characterSets.get(plain)
    if (set !== undefined) this.characterSets.set(node, set)
    return node
  }

  /** Sequences of ranges of bytes, from their byte `at` on: those that begin alike stand together, so that few ways lead on from any place. */
  private forms(forms: readonly (readonly Range[])[], at: number): Node {
    const ways: Node[] = []
    for (let from = 0; from < forms.length;) {
      const [low, high] = forms[from]![at]!
      let to = from + 1
      while (to < forms.length && forms[to]![at]![0] === low && forms[to]![at]![1] === high) to++
      const rest = forms[from]!.length === at + 1 ? EMPTY : this.forms(forms.slice(from, to), at + 1)
      ways.push(this.sequence(this.range(low, high), rest))
      from = to
    }
    return this.branch(ways)
  }

  /** A choice of ways that begin with different bytes: bytes with the same behind them are one way. */
  private branch(ways: readonly Node[]): Node {
    if (ways.length === 1) return ways[0]!
    const byRest = new Map<Node, Node[]>()
    const others: Node[] = []
    for (const way of ways) {
      const data = this.data[way]!
      if (data.kind !== 'sequence' || this.data[data.first]!.kind !== 'bytes') others.push(way)
      else {
        const known = byRest.get(data.second)
        if (known === undefined) byRest.set(data.second, [data.first])
        else known.push(data.first)
      }
    }
    for (const [rest, firsts] of byRest) others.push(this.join(this.choice(...firsts), rest))
    return this.choice(...others)
  }

  /** One of some texts. Texts that begin alike share their beginning, and texts that end alike their end: of thousands few are looked at in any place. */
  literals(texts: Iterable<string | Uint8Array>): Node {
    return this.continued(Array.from(texts, (text) => [text, EMPTY] as const))
  }

  /**
   * One of some texts, each with what follows it. Texts that begin alike share their beginning.
   *
   * @param isSorted they come in the order of their bytes
   */
  continued(texts: Iterable<readonly [text: string | Uint8Array, next: Node]>, isSorted = false): Node {
    const sorted = Array.from(texts, ([text, after]) => ({ bytes: typeof text === 'string' ? bytesOf(text) : text, after }))
    if (!isSorted) sorted.sort((a, b) => compareBytes(a.bytes, b.bytes))
    /** Places in the present text where ways part, with the ways that are known. */
    const open: { readonly depth: number; readonly ways: Node[] }[] = [{ depth: 0, ways: [] }]
    sorted.forEach(({ bytes, after }, i) => {
      const last = open.at(-1)!
      if (last.depth === bytes.length) last.ways.push(after)
      else open.push({ depth: bytes.length, ways: [after] })
      const next = sorted[i + 1]
      const shared = next === undefined ? 0 : commonLength(bytes, next.bytes)
      while (open.at(-1)!.depth > shared) {
        const { depth, ways } = open.pop()!
        const before = Math.max(open.at(-1)!.depth, shared)
        let way = this.branch(ways)
        for (let at = depth - 1; at >= before; at--) way = this.pair(this.byte(bytes[at]!), way)
        if (open.at(-1)!.depth === before) open.at(-1)!.ways.push(way)
        else open.push({ depth: before, ways: [way] })
      }
    })
    return this.branch(open[0]!.ways)
  }

  sequence(...nodes: readonly Node[]): Node {
    return nodes.reduceRight((second, first) => this.pair(first, second), EMPTY)
  }

  private pair(first: Node, second: Node): Node {
    if (first === NOTHING || second === NOTHING) return NOTHING
    if (first === EMPTY) return second
    if (second === EMPTY) return first
    // To the right, so that what is the same is put together the same way.
    const parts: Node[] = []
    let last = first
    for (let data = this.data[last]!; data.kind === 'sequence'; data = this.data[last]!) {
      parts.push(data.first)
      last = data.second
    }
    parts.push(last)
    return parts.reduceRight((then, part) => this.join(part, then), second)
  }

  /** A sequence of two parts, of which the first is none itself. */
  private join(first: Node, second: Node): Node {
    if (second === EMPTY) return first
    const known = (this.sequences[first] ??= new Map<Node, Node>())
    let node = known.get(second)
    if (node === undefined) {
      node = this.data.push({ kind: 'sequence', first, second }) - 1
      known.set(second, node)
    }
    return node
  }

  choice(...nodes: readonly Node[]): Node {
    const all = new Set<Node>()
    let bytes: ByteSet | undefined
    for (const node of nodes) {
      const data = this.data[node]!
      // Choices have no choices among theirs, but may have bytes.
      for (const one of data.kind === 'choice' ? data.nodes : [node]) {
        const way = one === node ? data : this.data[one]!
        if (way.kind === 'bytes') (bytes ??= new ByteSet()).addAll(way.set)
        else if (one !== NOTHING) all.add(one)
      }
    }
    if (bytes !== undefined) all.add(this.bytes(bytes))
    const sorted = [...all].sort((a, b) => a - b)
    if (sorted.length < 2) return sorted[0] ?? NOTHING
    return this.intern(`c${sorted.join()}`, { kind: 'choice', nodes: sorted })
  }

  optional(node: Node): Node {
    return this.choice(EMPTY, node)
  }

  /** @throws SamplingError `GRAMMAR` where `max` is below `min` */
  repeat(item: Node, min: number, max = Infinity): Node {
    if (!(min >= 0 && max >= min))
      throw new SamplingError('GRAMMAR', `A repetition goes from a number to one not below it, got ${min} to ${max}`)
    if (max === 0 || item === EMPTY) return EMPTY
    if (item === NOTHING) return min === 0 ? EMPTY : NOTHING
    if (min === 1 && max === 1) return item
    const inner = this.data[item]!
    // Repetitions of a repetition are one where their counts leave none out; else both would be counted, and each with each.
    if (inner.kind === 'repeat' && (min === 0 ? inner.min <= 1 : min * inner.max + 1 >= (min + 1) * inner.min))
      return this.repeat(inner.item, min * inner.min, max * inner.max)
    return this.intern(`r${item},${min},${max}`, { kind: 'repeat', item, min, max })
  }

  /** Text that all match, and none of `not`. Regular expressions only. */
  both(nodes: readonly Node[], not: readonly Node[] = []): Node {
    if (nodes.includes(NOTHING)) return NOTHING
    const [all, none] = [nodes, not].map((list) => [...new Set(list)].sort((a, b) => a - b)) as [Node[], Node[]]
    if (none.length === 0 && all.length === 1) return all[0]!
    return this.intern(`&${all.join()}!${none.join()}`, { kind: 'both', nodes: all, not: none })
  }

  private scopes = 0

  /** A number of its own, for the keys of {@link lazy} that one part of a grammar makes. */
  scope(): number {
    return this.scopes++
  }

  /** @param key tells it apart from others; the same key is the same expression */
  lazy(key: string, expand: () => Node): Node {
    let made: Node | undefined
    return this.intern(`l${key}`, { kind: 'lazy', key, expand: () => (made ??= expand()) })
  }

  /** A rule that is told what it is by {@link Nodes.define}. */
  declare(name: string): { readonly node: Node; readonly rule: number } {
    const rule = this.rules.push({ name, body: undefined }) - 1
    return { node: this.intern(`R${rule}`, { kind: 'rule', rule }), rule }
  }

  define(rule: number, body: Node): void {
    this.rules[rule]!.body = body
  }

  private intern(key: string, data: NodeData): Node {
    const found = this.known.get(key)
    if (found !== undefined) return found
    const node = this.data.push(data) - 1
    this.known.set(key, node)
    return node
  }
}
