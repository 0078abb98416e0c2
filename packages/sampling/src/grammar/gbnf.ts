/**
 * Grammars as llama.cpp writes them, GBNF: rules of characters.
 *
 * Source: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md; escapes and white space as its reader has them (src/llama-grammar.cpp). More than it takes are underscores in names, a line that
 * goes on with `|`, `{,n}`, and rules that begin with themselves.
 */
import { normalRanges, otherRanges, type Range } from './bytes.js'
import type { Node, Nodes } from './nodes.js'
import { choiceOf, nodeOf, pieceOf, sequenceOf, Source, type Piece } from './source.js'

const NAME = /[A-Za-z0-9_-]+/y
const SPACE = /(?:[ \t]|#[^\r\n]*)+/y
const SPACE_OR_LINES = /(?:[ \t\r\n]|#[^\r\n]*)+/y
const CONTROLS: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09 }
const DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

/** @throws SamplingError `GRAMMAR`, with line and column, for what is no GBNF, for rules that are not defined, and for tokens */
export function gbnfNode(nodes: Nodes, text: string, root: string): Node {
  return new Reader(nodes, new Source('GBNF', text)).read(root)
}

interface Rule {
  readonly node: Node
  readonly rule: number
  /** Where it was named first. */
  readonly at: number
  isDefined: boolean
}

class Reader {
  private readonly rules = new Map<string, Rule>()

  constructor(
    private readonly nodes: Nodes,
    private readonly source: Source,
  ) {}

  read(root: string): Node {
    const { source } = this
    this.skip(true)
    while (!source.isAtEnd) this.rule()
    for (const [name, { isDefined, at }] of this.rules) if (!isDefined) throw source.error(`the rule ${name} is used and not defined`, at)
    const start = this.rules.get(root)
    if (start === undefined)
      throw source.error(`there is no rule ${root} to begin with; name the one to begin with (\`root\`), or define it`, 0)
    return start.node
  }

  private skip(lines: boolean): void {
    this.source.match(lines ? SPACE_OR_LINES : SPACE)
  }

  private rule(): void {
    const { source, nodes } = this
    const start = source.at
    const name = source.match(NAME)?.[0]
    if (name === undefined) throw source.expected('the name of a rule, of letters, digits and dashes')
    const rule = this.named(name, start)
    if (rule.isDefined) throw source.error(`the rule ${name} is defined a second time`, start)
    rule.isDefined = true
    this.skip(false)
    source.expect('::=')
    this.skip(true)
    nodes.define(rule.rule, nodeOf(nodes, this.choice(false)))
    if (!source.isAtEnd && source.match(/\r\n|\r|\n/y) === undefined)
      throw source.expected('something to match, "|", a repetition or the end of the line')
    this.skip(true)
  }

  private named(name: string, at: number): Rule {
    let rule = this.rules.get(name)
    if (rule === undefined) this.rules.set(name, (rule = { ...this.nodes.declare(name), at, isDefined: false }))
    return rule
  }

  private choice(nested: boolean): Piece {
    const { source } = this
    const ways = [this.sequence(nested)]
    for (;;) {
      const end = source.at
      this.skip(true)
      if (!source.eat('|')) {
        source.at = end
        break
      }
      this.skip(true)
      ways.push(this.sequence(nested))
    }
    return choiceOf(this.nodes, ways)
  }

  private sequence(nested: boolean): Piece {
    const { nodes } = this
    const items: Piece[] = []
    for (;;) {
      const start = this.source.at
      const item = this.item()
      if (item === undefined) return sequenceOf(nodes, items)
      this.skip(nested)
      let piece = item
      for (let counts = this.repetition(nested); counts !== undefined; counts = this.repetition(nested)) {
        if (counts[1] < counts[0]) throw this.source.error(`a repetition from ${counts[0]} to ${counts[1]} times`, start)
        piece = nodes.repeat(nodeOf(nodes, piece), ...counts)
      }
      items.push(piece)
    }
  }

  private item(): Piece | undefined {
    const { source, nodes } = this
    const start = source.at
    if (source.eat('"')) return this.literal()
    if (source.eat('[')) return nodes.characters(this.set(start))
    if (source.eat('.')) return nodes.characters(otherRanges([]))
    if (source.eat('('))
      return source.nested(() => {
        this.skip(true)
        const group = this.choice(true)
        source.expect(')', '")" to close the group')
        return group
      })
    if (source.sees('<') || source.sees('!'))
      throw source.error('tokens of a vocabulary, such as <think> or <[1000]>, are not supported; write their text as a literal')
    if ('*+?{'.includes(source.char) && source.char !== '') throw source.expected('something to repeat')
    const name = source.match(NAME)?.[0]
    if (name === undefined) return undefined
    if (source.looksLike(/[ \t]*::=/y)) throw source.error(`the rule ${name} begins within another`, start)
    return this.named(name, start).node
  }

  private repetition(nested: boolean): readonly [min: number, max: number] | undefined {
    const { source } = this
    const [plain] = source.match(/[*+?]/y) ?? []
    if (plain !== undefined) {
      this.skip(nested)
      return plain === '*' ? [0, Infinity] : plain === '+' ? [1, Infinity] : [0, 1]
    }
    if (!source.eat('{')) return undefined
    this.skip(nested)
    const hasMin = !source.sees(',')
    const min = hasMin ? source.takeCount() : 0
    this.skip(nested)
    let max = min
    if (source.eat(',')) {
      this.skip(nested)
      max = hasMin && source.sees('}') ? Infinity : source.takeCount()
      this.skip(nested)
      source.expect('}')
    } else source.expect('}', '"," or "}"')
    this.skip(nested)
    return [min, max]
  }

  private literal(): Piece {
    const start = this.source.at - 1
    const points: number[] = []
    while (!this.source.eat('"')) {
      if (this.source.isAtEnd) throw this.source.error('a text without an end', start)
      points.push(this.character())
    }
    return pieceOf(points)
  }

  private set(start: number): readonly Range[] {
    const { source } = this
    const negative = source.eat('^')
    const ranges: Range[] = []
    while (!source.eat(']')) {
      if (source.isAtEnd) throw source.error('a set of characters without an end', start)
      const at = source.at
      const low = this.character()
      let high = low
      if (source.sees('-') && source.text[source.at + 1] !== ']') {
        source.at++
        if (source.isAtEnd) throw source.error('a set of characters without an end', start)
        high = this.character()
        if (high < low) throw source.error('a range whose end comes before its beginning', at)
      }
      ranges.push([low, high])
    }
    if (ranges.length === 0) throw source.error('a set of no characters; any character is "."', start)
    return negative ? otherRanges(ranges) : normalRanges(ranges)
  }

  private character(): number {
    const { source } = this
    if (!source.eat('\\')) return source.takeCharacter()
    const { char } = source
    if (char !== '' && '\\"[]-'.includes(char)) return source.takeCharacter()
    const [control, digits] = [CONTROLS[char], DIGITS[char]]
    if (control === undefined && digits === undefined) throw source.expected('one of n r t \\ " [ ] - x u U behind a backslash')
    source.at++
    return control ?? source.takeHex(digits!)
  }
}
