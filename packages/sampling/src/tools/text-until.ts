/** Free text up to the first of some texts, as expressions: an automaton that knows how much of them has come. */
import { bytesOf, ByteSet, LAST_POINT } from '../grammar/bytes.js'
import { EMPTY, NOTHING, type Node, type Nodes } from '../grammar/nodes.js'

export interface Ending {
  /** ASCII. */
  readonly text: string
  /** What follows it; {@link NOTHING} where it must not come. */
  readonly next: Node
}

export interface TextOptions {
  /** The text may end without any of them. */
  readonly mayEnd: boolean
  /** What text that has only white space before it must not go on with, and what comes there instead. */
  readonly atStart?: { readonly byte: number; readonly next: Node }
}

/**
 * Text up to the ending that comes first, and what follows that; of endings that end together the longest counts. Each place in the text is one of as many as the endings have bytes, so that the tokens that may come
 * there are looked for once.
 *
 * Source: A. Aho and M. Corasick, "Efficient string matching: an aid to bibliographic search", Communications of the ACM 18(6), 1975.
 */
export function textUntil(nodes: Nodes, endings: readonly Ending[], { mayEnd, atStart }: TextOptions): Node {
  // A place is what has come of an ending: the longest end of the text that begins one.
  const prefixes = ['']
  for (const { text } of endings)
    for (let length = 1; length < text.length; length++) if (!prefixes.includes(text.slice(0, length))) prefixes.push(text.slice(0, length))
  const rules = prefixes.map((prefix) => nodes.declare(`text behind ${JSON.stringify(prefix)}`))
  const other = nodes.characters([[0x80, LAST_POINT]])

  /** Bytes that are in no ending begin none. */
  const letters = ByteSet.of(...endings.flatMap(({ text }) => [...bytesOf(text)]))
  const others = new ByteSet()
  for (let byte = 0; byte < 0x80; byte++) if (!letters.has(byte)) others.add(byte)

  /** What may come at a place, without the bytes of `except`. */
  const placeOf = (prefix: string, except = new ByteSet()): Node => {
    const ways = new Map<Node, ByteSet>([[rules[0]!.node, others.without(except)]])
    for (const byte of letters.without(except)) {
      const next = after(prefix + String.fromCharCode(byte))
      if (next === NOTHING) continue
      const set = ways.get(next) ?? new ByteSet()
      set.add(byte)
      ways.set(next, set)
    }
    return nodes.choice(
      ...[...ways].map(([next, set]) => nodes.sequence(nodes.bytes(set), next)),
      nodes.sequence(other, rules[0]!.node),
      mayEnd ? EMPTY : NOTHING,
    )
  }
  const after = (text: string): Node => {
    const ended = endings.filter((ending) => text.endsWith(ending.text)).sort((a, b) => b.text.length - a.text.length)[0]
    if (ended !== undefined) return ended.next
    for (let from = 0; ; from++) {
      const place = prefixes.indexOf(text.slice(from))
      if (place >= 0) return rules[place]!.node
    }
  }
  prefixes.forEach((prefix, i) => nodes.define(rules[i]!.rule, placeOf(prefix)))
  if (atStart === undefined) return rules[0]!.node

  const start = nodes.declare('white space at the start')
  const blank = ByteSet.of(...bytesOf(' \t\n\r'))
  const special = blank.union(ByteSet.of(atStart.byte))
  nodes.define(start.rule, nodes.choice(nodes.sequence(nodes.bytes(blank), start.node), atStart.next, placeOf('', special)))
  return start.node
}
