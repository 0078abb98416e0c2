/** Strings that are written as they are, up to a text that ends them. */
import { SamplingError } from '../errors.js'
import { LAST_POINT } from '../grammar/bytes.js'
import { formatSource, isFormat } from '../grammar/json-schema/formats.js'
import { EMPTY, NOTHING, type Node, type Nodes } from '../grammar/nodes.js'
import { regexNode } from '../grammar/regex.js'
import { textUntil } from './text-until.js'

type Keywords = { readonly [keyword: string]: unknown }

/** What a schema may say of strings that are written as they are. */
export const TEXT_KEYWORDS = ['minLength', 'maxLength', 'pattern', 'format']

/**
 * Text of which the keywords for strings are true, and `ending` behind it. The text has nothing of `forbidden` in it, which is what a reader takes for the end.
 */
export function textNode(nodes: Nodes, schema: Keywords, forbidden: string, ending: string, pointer: string): Node {
  const { minLength = 0, maxLength = Infinity, pattern, format } = schema
  const isLength = (value: unknown): value is number => value === Infinity || (Number.isInteger(value) && (value as number) >= 0)
  if (!isLength(minLength) || !isLength(maxLength) || minLength > maxLength)
    throw new SamplingError(
      'GRAMMAR',
      `${pointer}: lengths go from an integer to one not below it, got ${String(minLength)} to ${String(maxLength)}`,
    )
  const end = nodes.literal(ending)
  const source = typeof format === 'string' ? formatSource(format) : undefined
  if (typeof format === 'string' && isFormat(format) === false)
    throw new SamplingError('GRAMMAR', `${pointer}/format: texts cannot be held to the format ${JSON.stringify(format)}`)
  if (minLength === 0 && maxLength === Infinity && pattern === undefined && source === undefined) {
    const others = ending === forbidden ? [] : [{ text: forbidden, next: NOTHING }]
    return textUntil(nodes, [{ text: ending, next: EMPTY }, ...others], { mayEnd: false })
  }
  const character = nodes.characters([[0, LAST_POINT]])
  const any = nodes.repeat(character, 0)
  const all = [nodes.repeat(character, minLength, maxLength)]
  if (pattern !== undefined) {
    if (typeof pattern !== 'string')
      throw new SamplingError('GRAMMAR', `${pointer}/pattern must be a regular expression, got ${JSON.stringify(pattern)}`)
    all.push(regexNode(nodes, pattern))
  }
  if (source !== undefined) all.push(regexNode(nodes, source))
  return nodes.sequence(nodes.both(all, [nodes.sequence(any, nodes.literal(forbidden), any)]), end)
}

/** A text of a list of them, checked to be one that can be written as it is. */
export function checkText(text: string, forbidden: string, pointer: string): string {
  if (!text.includes(forbidden)) return text
  throw new SamplingError(
    'GRAMMAR',
    `${pointer}: ${JSON.stringify(text)} cannot be written in this format of calls, for it has ${forbidden} in it`,
  )
}

/** Keywords that say nothing of what values may be. */
const ANNOTATIONS = [
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  '$schema',
  '$id',
  '$comment',
  '$defs',
  'definitions',
]

/** Throws `GRAMMAR` where a schema has keywords other than these. */
export function checkKeywords(schema: Keywords, allowed: readonly string[], pointer: string): void {
  const others = Object.keys(schema).filter((keyword) => !allowed.includes(keyword) && !ANNOTATIONS.includes(keyword))
  if (others.length === 0) return
  throw new SamplingError(
    'GRAMMAR',
    `Not supported in this format of calls: ${others.map((keyword) => `${pointer}/${keyword}`).join(', ')}; supported there: ${allowed.join(', ')}`,
  )
}
