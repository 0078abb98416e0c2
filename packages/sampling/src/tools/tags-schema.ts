/** Arguments that are each between tags, by a schema. */
import { SamplingError } from '../errors.js'
import { EMPTY, type Node, type Nodes } from '../grammar/nodes.js'
import type { JsonNode } from './bare-schema.js'
import { isText, parameterSchema, TAGS } from './tags.js'
import { checkKeywords, namedMembers } from './keywords.js'
import { PlainTexts, TEXT_KEYWORDS } from './text-schema.js'
import { escapePointer, type JsonSchema } from '../grammar/json-schema/document.js'

const END = `\n${TAGS.close}`

/** Texts between tags. */
export const textsBetweenTags = (nodes: Nodes): PlainTexts => new PlainTexts(nodes, TAGS.close, END)

/**
 * Arguments in the order of the schema's `properties`, and no others, with the tag behind them all.
 *
 * @throws SamplingError `GRAMMAR` for what cannot be written so
 */
export function tagsNode(nodes: Nodes, schema: JsonSchema, texts: PlainTexts, json: JsonNode): Node {
  if (typeof schema !== 'object') throw new SamplingError('GRAMMAR', 'In this format of calls a tool says which parameters it has')
  checkKeywords(schema, ['type', 'properties', 'required', 'additionalProperties'], '#')
  const { properties, required } = namedMembers(schema, '#')
  const parameters = Object.keys(properties).map((name) => {
    if (name === '' || name.includes(TAGS.name))
      throw new SamplingError('GRAMMAR', `#/properties: the key ${JSON.stringify(name)} cannot be written in this format of calls`)
    const value = valueNode(nodes, parameterSchema(schema, name)!, `#/properties/${escapePointer(name)}`, texts, json)
    const parameter = nodes.sequence(nodes.literal(`${TAGS.open}${name}${TAGS.name}\n`), value, nodes.literal('\n'))
    return required.includes(name) ? parameter : nodes.choice(EMPTY, parameter)
  })
  return nodes.sequence(...parameters, nodes.literal(TAGS.end))
}

/** A value and the tag that ends it. */
function valueNode(nodes: Nodes, schema: JsonSchema, pointer: string, texts: PlainTexts, json: JsonNode): Node {
  if (!isText(schema)) return nodes.sequence(json(nodes, schema), nodes.literal(END))
  const keywords = schema as { readonly [keyword: string]: unknown }
  if (!('const' in keywords) && !('enum' in keywords)) {
    checkKeywords(keywords, ['type', ...TEXT_KEYWORDS], pointer)
    return texts.ofSchema(keywords, pointer)
  }
  checkKeywords(keywords, ['type', 'enum', 'const'], pointer)
  const values = ('const' in keywords ? [keywords.const] : keywords.enum) as readonly string[]
  return nodes.choice(...values.map((text) => nodes.literal(texts.ofText(text, pointer))))
}
