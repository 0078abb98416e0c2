/** Regular expressions as expressions over bytes. */
import { SamplingError } from '../errors.js'
import { LAST_POINT, type Range } from './bytes.js'
import { EMPTY, NOTHING, type Node, type Nodes } from './nodes.js'
import { parseRegex, type Regex } from './regex-syntax.js'

/** How a character of some ranges is written: as itself in plain text, perhaps by an escape inside of a JSON string. */
export type CharacterWriter = (ranges: readonly Range[]) => Node

/**
 * The texts in which a regular expression finds a match: all of the text where it is anchored by `^` and `$`, anywhere else.
 *
 * @throws SamplingError `GRAMMAR` for what is no regular expression or cannot be matched byte by byte
 */
export function regexNode(nodes: Nodes, source: string, write: CharacterWriter = (ranges) => nodes.characters(ranges)): Node {
  const regex = parseRegex(source)
  const any = write([[0, LAST_POINT]])
  const [more, all] = [nodes.repeat(any, 1), nodes.repeat(any, 0)]
  const compiler = new Compiler(nodes, write, all, source)
  // Text before and behind the match, each there or not: anchors hold only where it is not.
  const found = [true, false].flatMap((begins) =>
    [true, false].map((ends) => {
      const match = compiler.compile(regex, { begins, ends }, ends ? EMPTY : more)
      return begins ? match : nodes.sequence(more, match)
    }),
  )
  return nodes.choice(...found)
}

/** Where an expression stands: nothing can come before it, or behind it. */
interface Edges {
  readonly begins: boolean
  readonly ends: boolean
}

class Compiler {
  private readonly written = new Map<readonly Range[], Node>()

  constructor(
    private readonly nodes: Nodes,
    private readonly write: CharacterWriter,
    private readonly all: Node,
    private readonly source: string,
  ) {}

  /** A set is written once, though it is looked at for each way in which a match may stand in a text. */
  private characters(ranges: readonly Range[]): Node {
    let node = this.written.get(ranges)
    if (node === undefined) this.written.set(ranges, (node = this.write(ranges)))
    return node
  }

  /** The expression with what is to follow it. */
  compile(regex: Regex, edges: Edges, then: Node): Node {
    const { nodes } = this
    switch (regex.kind) {
      case 'characters':
        return nodes.sequence(this.characters(regex.ranges), then)
      case 'choice':
        return nodes.choice(...regex.items.map((item) => this.compile(item, edges, then)))
      case 'sequence':
        return this.sequence(regex.items, 0, edges, then)
      case 'anchor':
        return (regex.at === 'start' ? edges.begins : edges.ends) ? then : NOTHING
      case 'look': {
        // What is ahead is what follows, to the end of the text.
        const ahead = this.compile(regex.item, { begins: edges.begins, ends: false }, this.all)
        const toTheEnd = hasAnchor(regex.item)
          ? nodes.choice(ahead, this.compile(regex.item, { begins: edges.begins, ends: true }, EMPTY))
          : ahead
        return regex.negative ? nodes.both([then], [toTheEnd]) : nodes.both([then, toTheEnd])
      }
      case 'repeat': {
        const { item, min, max } = regex
        if (hasAnchor(item)) throw this.unsupported('an anchor or a look ahead inside of a repetition')
        return nodes.sequence(nodes.repeat(this.compile(item, { begins: false, ends: false }, EMPTY), min, max), then)
      }
      default:
        return regex satisfies never
    }
  }

  private sequence(items: readonly Regex[], at: number, edges: Edges, then: Node): Node {
    const item = items[at]
    if (item === undefined) return then
    const rest = items.slice(at + 1)
    // Nothing comes behind what only anchors come behind.
    const ends = edges.ends && rest.every(isWidthless)
    const begins = edges.begins && isWidthless(item)
    if (edges.begins && !isWidthless(item) && rest.some((one) => hasStart(one)) && mayBeEmpty(item))
      throw this.unsupported('^ behind something that may be empty')
    if (edges.ends && !ends && hasEnd(item) && rest.every((one) => isWidthless(one) || mayBeEmpty(one)))
      throw this.unsupported('$ before something that may be empty')
    return this.compile(item, { begins: edges.begins, ends }, this.sequence(items, at + 1, { begins, ends: edges.ends }, then))
  }

  private unsupported(what: string): SamplingError {
    return new SamplingError('GRAMMAR', `The regular expression ${JSON.stringify(this.source)}: ${what} is not supported`)
  }
}

const isWidthless = (regex: Regex): boolean =>
  regex.kind === 'anchor' || regex.kind === 'look' || (regex.kind === 'sequence' && regex.items.every(isWidthless))

const some = (test: (regex: Regex) => boolean) => {
  const look = (regex: Regex): boolean =>
    test(regex) || ('items' in regex && regex.items.some(look)) || ('item' in regex && look(regex.item))
  return look
}
const hasAnchor = some(({ kind }) => kind === 'anchor' || kind === 'look')
const hasStart = some((regex) => regex.kind === 'anchor' && regex.at === 'start')
const hasEnd = some((regex) => regex.kind === 'anchor' && regex.at === 'end')

function mayBeEmpty(regex: Regex): boolean {
  switch (regex.kind) {
    case 'characters':
      return false
    case 'sequence':
      return regex.items.every(mayBeEmpty)
    case 'choice':
      return regex.items.some(mayBeEmpty)
    case 'repeat':
      return regex.min === 0 || mayBeEmpty(regex.item)
    case 'anchor':
    case 'look':
      return true
    default:
      return regex satisfies never
  }
}
