/**
 * What a grammar is made of: expressions over bytes, each kept once, so that the same expression has the same number wherever it comes from. Expressions are put together in their simplest form.
 *
 * Source of the idea: J. Brzozowski, "Derivatives of Regular Expressions", Journal of the ACM 11(4), 1964; M. Might et al., "Parsing with Derivatives", ICFP 2011.
 */
import { SamplingError } from '../errors.js'
import { ByteSet, bytesOf, utf8Ranges, type Range } from './bytes.js'

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

/** Counts below this are written out; beyond, what is left is counted as the text goes on. */
export class Nodes {
  readonly data: NodeData[] = []
  private readonly known = new Map<string, Node>()
  /** The expression of each rule; undefined while it is declared only. */
  readonly rules: { readonly name: string; body: Node | undefined }[] = []

  constructor() {
    this.intern('0', { kind: 'nothing' })
    this.intern('1', { kind: 'empty' })
  }

  bytes(set: ByteSet): Node {
    return set.isEmpty ? NOTHING : this.intern(`b${set.key}`, { kind: 'bytes', set })
  }

  /** Text as it is. */
  literal(text: string | Uint8Array): Node {
    const bytes = typeof text === 'string' ? bytesOf(text) : text
    return this.sequence(...Array.from(bytes, (byte) => this.bytes(ByteSet.of(byte))))
  }

  /** One character of some ranges of code points. */
  characters(ranges: Iterable<Range>): Node {
    const single = new ByteSet()
    const longer: Node[] = []
    for (const form of utf8Ranges(ranges)) {
      if (form.length === 1) for (let byte = form[0]![0]; byte <= form[0]![1]; byte++) single.add(byte)
      else longer.push(this.sequence(...form.map(([low, high]) => this.bytes(ByteSet.range(low, high)))))
    }
    return this.choice(this.bytes(single), ...longer)
  }

  sequence(...nodes: readonly Node[]): Node {
    return nodes.reduceRight((second, first) => this.pair(first, second), EMPTY)
  }

  private pair(first: Node, second: Node): Node {
    if (first === NOTHING || second === NOTHING) return NOTHING
    if (first === EMPTY) return second
    if (second === EMPTY) return first
    const data = this.data[first]!
    // To the right, so that what is the same is put together the same way.
    if (data.kind === 'sequence') return this.pair(data.first, this.pair(data.second, second))
    return this.intern(`s${first},${second}`, { kind: 'sequence', first, second })
  }

  choice(...nodes: readonly Node[]): Node {
    const all = new Set<Node>()
    let bytes: ByteSet | undefined
    const take = (node: Node): void => {
      const data = this.data[node]!
      if (data.kind === 'choice') data.nodes.forEach(take)
      else if (data.kind === 'bytes') bytes = bytes === undefined ? data.set : bytes.union(data.set)
      else if (node !== NOTHING) all.add(node)
    }
    nodes.forEach(take)
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
