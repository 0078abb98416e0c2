/** Strings that are written as they are, up to a text that ends them. */
import { SamplingError } from '../errors.js'
import { LAST_POINT } from '../grammar/bytes.js'
import { formatSource, isFormat } from '../grammar/json-schema/formats.js'
import { EMPTY, NOTHING, type Node, type Nodes } from '../grammar/nodes.js'
import { regexNode } from '../grammar/regex.js'
import type { Keywords } from './keywords.js'
import { textUntil } from './text-until.js'

/** What a schema may say of strings that are written as they are. */
export const TEXT_KEYWORDS = ['minLength', 'maxLength', 'pattern', 'format']

/** Texts that are written as they are and end with `ending`. They have nothing of `forbidden` in them, which is what a reader takes for the end. */
export class PlainTexts {
  private any: Node | undefined

  constructor(
    private readonly nodes: Nodes,
    private readonly forbidden: string,
    private readonly ending: string,
  ) {}

  /** A text of which the keywords for strings are true, and what it ends with. */
  ofSchema(schema: Keywords, pointer: string): Node {
    const { nodes } = this
    const { minLength = 0, maxLength = Infinity, pattern, format } = schema
    const isLength = (value: unknown): value is number => value === Infinity || (Number.isInteger(value) && (value as number) >= 0)
    if (!isLength(minLength) || !isLength(maxLength) || minLength > maxLength)
      throw new SamplingError(
        'GRAMMAR',
        `${pointer}: lengths go from an integer to one not below it, got ${String(minLength)} to ${String(maxLength)}`,
      )
    const sources: string[] = []
    if (pattern !== undefined) {
      if (typeof pattern !== 'string')
        throw new SamplingError('GRAMMAR', `${pointer}/pattern must be a regular expression, got ${JSON.stringify(pattern)}`)
      sources.push(pattern)
    }
    if (typeof format === 'string') {
      if (isFormat(format) === false)
        throw new SamplingError('GRAMMAR', `${pointer}/format: texts cannot be held to the format ${JSON.stringify(format)}`)
      const source = formatSource(format)
      if (source !== undefined) sources.push(source)
    }
    if (minLength === 0 && maxLength === Infinity && sources.length === 0) return (this.any ??= this.anyText())
    const character = nodes.characters([[0, LAST_POINT]])
    const some = nodes.repeat(character, 0)
    const all = [nodes.repeat(character, minLength, maxLength), ...sources.map((source) => regexNode(nodes, source))]
    return nodes.sequence(nodes.both(all, [nodes.sequence(some, nodes.literal(this.forbidden), some)]), nodes.literal(this.ending))
  }

  private anyText(): Node {
    const { forbidden, ending } = this
    const others = ending === forbidden ? [] : [{ text: forbidden, next: NOTHING }]
    return textUntil(this.nodes, [{ text: ending, next: EMPTY }, ...others], { mayEnd: false })
  }

  /** A text of a list of them, with what it ends with. */
  ofText(text: string, pointer: string): string {
    if (!text.includes(this.forbidden)) return text + this.ending
    throw new SamplingError(
      'GRAMMAR',
      `${pointer}: ${JSON.stringify(text)} cannot be written in this format of calls, for it has ${this.forbidden} in it`,
    )
  }
}
