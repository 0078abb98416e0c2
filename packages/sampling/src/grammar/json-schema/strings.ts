/** Texts as they stand in JSON, by what a schema says of them. Characters are written in one way each, as `JSON.stringify` does: by themselves where they may be, by the shortest escape elsewhere. */
import { SamplingError } from '../../errors.js'
import { ByteSet, bytesOf, LAST_POINT, otherRanges, type Range } from '../bytes.js'
import type { Machine } from '../machine.js'
import { ofLength } from '../lengths.js'
import { type Node, type Nodes } from '../nodes.js'
import { regexNode } from '../regex.js'
import { BACKSLASH, QUOTE, writtenCharacter, writtenText } from './characters.js'
import { formatSource } from './formats.js'
import type { StringShape, TextRule } from './shapes.js'

const PLAIN_ASCII = ByteSet.range(0x20, 0x7f).without(ByteSet.of(QUOTE, BACKSLASH))
const ALL: readonly Range[] = [[0, LAST_POINT]]

export class Strings {
  /** Any one character. */
  readonly character: Node
  /** Any text. */
  readonly any: Node
  /** Characters that are no plain ones of one byte. */
  private others: Node | undefined
  private readonly rules = new Map<TextRule, Node | string>()
  /** Expressions of one character. */
  private readonly characters = new Set<Node>()
  private readonly known = new Map<StringShape, Node>()

  constructor(
    private readonly nodes: Nodes,
    private readonly machine: () => Machine,
  ) {
    this.character = writtenCharacter(nodes, ALL)
    this.any = nodes.repeat(this.character, 0)
    this.characters.add(this.character)
  }

  /** Why a rule cannot be followed; undefined where it can. */
  problemOf(rule: TextRule): string | undefined {
    const made = this.ruleOf(rule)
    return typeof made === 'string' ? made : undefined
  }

  private ruleOf(rule: TextRule): Node | string {
    let made = this.rules.get(rule)
    if (made === undefined) {
      const [kind, text] = [rule.slice(0, rule.indexOf(':')), rule.slice(rule.indexOf(':') + 1)]
      try {
        const source = kind === 'pattern' ? text : formatSource(text)!
        made = regexNode(this.nodes, source, (ranges) => {
          const character = writtenCharacter(this.nodes, ranges)
          this.characters.add(character)
          return character
        })
      } catch (error) {
        if (!(error instanceof SamplingError)) throw error
        made = error.message
      }
      this.rules.set(rule, made)
    }
    return made
  }

  /** Texts of a shape, without quotes. */
  node(shape: StringShape): Node {
    let made = this.known.get(shape)
    if (made === undefined) this.known.set(shape, (made = this.make(shape)))
    return made
  }

  private make({ min, max, rules, notRules, values, notValues }: StringShape): Node {
    const { nodes } = this
    const good = (list: readonly TextRule[]): Node[] => list.map((rule) => this.ruleOf(rule)).filter((one) => typeof one !== 'string')
    const all = good(rules)
    const not = good(notRules)
    if (values !== undefined) return nodes.both([nodes.literals(values.map(writtenText)), ...all], not)
    const hasLength = min > 0 || max < Infinity
    const only = hasLength && all.length === 1 ? ofLength(nodes, all[0]!, min, max, this.isCharacter) : undefined
    if (only !== undefined) all[0] = only
    else if (hasLength || all.length === 0) all.push(nodes.repeat(this.character, min, max))
    // Without other rules what is left out is told apart character by character, and the rest stays plain text.
    if (notValues.length > 0 && rules.length + not.length === 0 && !hasLength) return this.allBut(notValues)
    if (notValues.length > 0) not.push(nodes.literals(notValues.map(writtenText)))
    return nodes.both(all, not)
  }

  /** Any text but some. */
  allBut(texts: readonly string[]): Node {
    return this.allButEnds(texts.map((text) => [...text]))
  }

  private allButEnds(ends: readonly (readonly string[])[]): Node {
    const { nodes } = this
    if (ends.length === 0) return this.any
    const next = new Map<string, string[][]>()
    for (const [first, ...rest] of ends) {
      if (first === undefined) continue
      const list = next.get(first) ?? []
      list.push(rest)
      next.set(first, list)
    }
    const taken = [...next.keys()].map((one): Range => [one.codePointAt(0)!, one.codePointAt(0)!])
    const ways = [...next].map(([first, rest]) => nodes.sequence(nodes.literal(writtenText(first)), this.allButEnds(rest)))
    ways.push(nodes.sequence(this.otherCharacter(taken), this.any))
    const more = nodes.choice(...ways)
    return ends.some((end) => end.length === 0) ? more : nodes.optional(more)
  }

  /** Any one character but some; names begin with letters nearly always, and what is beyond them is the same each time. */
  private otherCharacter(taken: readonly Range[]): Node {
    const { nodes } = this
    if (!taken.every(([point]) => point >= 0x20 && point < 0x80 && point !== QUOTE && point !== BACKSLASH))
      return writtenCharacter(nodes, otherRanges(taken))
    const plain = PLAIN_ASCII.without(ByteSet.of(...taken.map(([point]) => point)))
    this.others ??= writtenCharacter(nodes, [
      [0, 0x1f],
      [QUOTE, QUOTE],
      [BACKSLASH, BACKSLASH],
      [0x80, LAST_POINT],
    ])
    return nodes.choice(nodes.bytes(plain), this.others)
  }

  /** Whether a text is of a shape. */
  isOfShape(shape: StringShape, text: string): boolean {
    const { min, max, rules, notRules, values, notValues } = shape
    const length = [...text].length
    if (length < min || length > max || values?.includes(text) === false || notValues.includes(text)) return false
    const follows = (rule: TextRule): boolean => {
      const node = this.ruleOf(rule)
      return typeof node !== 'string' && this.matches(node, writtenText(text))
    }
    return rules.every(follows) && !notRules.some(follows)
  }

  isEmpty(shape: StringShape): boolean {
    return !this.machine().isProductive(this.node(shape))
  }

  /** Bytes of ASCII are characters too: parts of others and of escapes come behind bytes that are none. */
  private readonly isCharacter = (node: Node): boolean => {
    if (this.characters.has(node)) return true
    const data = this.nodes.data[node]!
    return data.kind === 'bytes' && PLAIN_ASCII.holds(data.set)
  }

  private matches(node: Node, text: string): boolean {
    const machine = this.machine()
    let config = machine.configOf(node)
    for (const byte of bytesOf(text)) config = machine.step(config, byte)
    return machine.accepts(config)
  }
}
