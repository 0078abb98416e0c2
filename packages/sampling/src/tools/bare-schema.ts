/** Arguments as the Gemma models write them: keys without quotes, strings between two times a text. */
import type { ModelJson } from '@tesserae/core'
import { SamplingError } from '../errors.js'
import { EMPTY, NOTHING, type Node, type Nodes } from '../grammar/nodes.js'
import { regexNode } from '../grammar/regex.js'
import { checkKeywords, checkSchema, namedMembers, type Keywords } from './keywords.js'
import { TEXT_KEYWORDS, type PlainTexts } from './text-schema.js'
import { escapePointer, type JsonSchema } from '../grammar/json-schema/document.js'

/** JSON of a schema, as an expression: numbers are written as they are there. */
export type JsonNode = (nodes: Nodes, schema: JsonSchema) => Node

const NUMBER_KEYWORDS = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']
const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  string: TEXT_KEYWORDS,
  number: NUMBER_KEYWORDS,
  integer: NUMBER_KEYWORDS,
  boolean: [],
  null: [],
  array: ['items', 'minItems', 'maxItems'],
  object: ['properties', 'required', 'additionalProperties'],
}
const TYPES = Object.keys(KEYWORDS)
/** Keys that can be told from what comes around them. */
const KEY = '[^\\s{}\\[\\],:<>|"\']+'
const IS_KEY = new RegExp(`^${KEY}$`, 'u')

/**
 * Values of a schema. Objects have their keys in alphabetical order, capitals or not, as the models' templates write them, and only those of `properties` unless `additionalProperties` is there.
 *
 * @throws SamplingError `GRAMMAR` for keywords that are not supported, with JSON pointers to them, and for keys and strings that cannot be written
 */
export function bareNode(nodes: Nodes, schema: JsonSchema, quote: string, texts: PlainTexts, json: JsonNode): Node {
  return new BareCompiler(nodes, schema, quote, texts, json).object(schema)
}

class BareCompiler {
  private readonly rules = new Map<string, Node>()
  private anyRule: Node | undefined

  constructor(
    private readonly nodes: Nodes,
    private readonly root: JsonSchema,
    private readonly quote: string,
    private readonly texts: PlainTexts,
    private readonly json: JsonNode,
  ) {}

  /** Arguments, which are an object whatever else a schema allows. */
  object(schema: JsonSchema): Node {
    if (typeof schema === 'boolean') return schema ? this.members({ additionalProperties: true }, '#') : NOTHING
    const { type } = schema
    if (type !== undefined && type !== 'object' && !(Array.isArray(type) && type.includes('object')))
      throw new SamplingError('TOOL', `arguments are an object, and the schema asks for ${JSON.stringify(type)}`)
    return this.value('$ref' in schema || 'anyOf' in schema ? schema : { ...schema, type: 'object' }, '#')
  }

  private value(given: JsonSchema, pointer: string): Node {
    const { nodes } = this
    const schema = checkSchema(given, pointer)
    if (schema === true) return this.any()
    if (schema === false) return NOTHING
    if ('$ref' in schema) {
      checkKeywords(schema, ['$ref'], pointer)
      return this.reference(schema.$ref, pointer)
    }
    if ('const' in schema || 'enum' in schema) {
      checkKeywords(schema, ['const', 'enum', 'type'], pointer)
      const values = 'const' in schema ? [schema.const as ModelJson] : (schema.enum as readonly ModelJson[])
      if (!Array.isArray(values)) throw new SamplingError('GRAMMAR', `${pointer}/enum must be a list, got ${JSON.stringify(values)}`)
      const types = this.typesOf(schema, pointer) ?? TYPES
      return nodes.choice(
        ...values.filter((one) => types.some((type) => isOf(one, type))).map((one) => nodes.literal(this.written(one, pointer))),
      )
    }
    if ('anyOf' in schema) {
      checkKeywords(schema, ['anyOf'], pointer)
      if (!Array.isArray(schema.anyOf)) throw new SamplingError('GRAMMAR', `${pointer}/anyOf must be a list of schemas`)
      return nodes.choice(...schema.anyOf.map((one: JsonSchema, i) => this.value(one, `${pointer}/anyOf/${i}`)))
    }
    const types = this.typesOf(schema, pointer)
    if (types === undefined) {
      checkKeywords(schema, [], pointer)
      return this.any()
    }
    checkKeywords(schema, ['type', ...types.flatMap((type) => KEYWORDS[type]!)], pointer)
    return nodes.choice(...types.map((type) => this.typed(type, schema, pointer)))
  }

  /** The types that a schema names, or those that its keywords are for. */
  private typesOf(schema: Keywords, pointer: string): readonly string[] | undefined {
    const { type } = schema
    if (type === undefined) {
      if ('enum' in schema || 'const' in schema) return undefined
      const meant = TYPES.filter((one) => one !== 'integer' && KEYWORDS[one]!.some((keyword) => keyword in schema))
      return meant.length === 0 ? undefined : meant
    }
    const types: unknown[] = Array.isArray(type) ? type : [type]
    const unknown = types.find((one) => typeof one !== 'string' || !TYPES.includes(one))
    if (unknown !== undefined) throw new SamplingError('GRAMMAR', `${pointer}/type: there is no type ${JSON.stringify(unknown)}`)
    return types as string[]
  }

  private typed(type: string, schema: Keywords, pointer: string): Node {
    const { nodes } = this
    switch (type) {
      case 'null':
        return nodes.literal('null')
      case 'boolean':
        return nodes.choice(nodes.literal('true'), nodes.literal('false'))
      case 'string':
        return nodes.sequence(nodes.literal(this.quote), this.texts.ofSchema(schema, pointer))
      case 'array':
        return this.list(schema, pointer)
      case 'object':
        return this.members(schema, pointer)
      default:
        return this.json(nodes, { type, ...Object.fromEntries(Object.entries(schema).filter(([key]) => NUMBER_KEYWORDS.includes(key))) })
    }
  }

  private list(schema: Keywords, pointer: string): Node {
    const { nodes } = this
    const { items = true, minItems = 0, maxItems = Infinity } = schema as { items?: JsonSchema; minItems?: number; maxItems?: number }
    if (!(Number.isInteger(minItems) && minItems >= 0 && (maxItems === Infinity || Number.isInteger(maxItems)) && maxItems >= minItems))
      throw new SamplingError('GRAMMAR', `${pointer}: a list has from ${minItems} to ${maxItems} items, which is none`)
    const item = this.value(items, `${pointer}/items`)
    const some = (least: number): Node =>
      nodes.sequence(item, nodes.repeat(nodes.sequence(nodes.literal(','), item), least - 1, maxItems - 1))
    const inside = maxItems === 0 ? EMPTY : minItems === 0 ? nodes.optional(some(1)) : some(minItems)
    return nodes.sequence(nodes.literal('['), inside, nodes.literal(']'))
  }

  private members(schema: Keywords, pointer: string): Node {
    const { nodes } = this
    const { properties, required } = namedMembers(schema, pointer)
    const { additionalProperties = false } = schema as { additionalProperties?: JsonSchema }
    const names = Object.keys(properties).sort((a, b) => compare(a.toLowerCase(), b.toLowerCase()) || compare(a, b))
    for (const name of names)
      if (!IS_KEY.test(name))
        throw new SamplingError(
          'GRAMMAR',
          `${pointer}/properties: the key ${JSON.stringify(name)} cannot be written in this format of calls`,
        )
    const comma = nodes.literal(',')

    /** What may follow where members have come, or none has. */
    let [behind, first] = [EMPTY, EMPTY]
    if (additionalProperties !== false) {
      const key = nodes.both(
        [regexNode(nodes, `^${KEY}$`)],
        names.map((name) => nodes.literal(name)),
      )
      const member = nodes.sequence(key, nodes.literal(':'), this.value(additionalProperties, `${pointer}/additionalProperties`))
      behind = nodes.repeat(nodes.sequence(comma, member), 0)
      first = nodes.optional(nodes.sequence(member, behind))
    }
    for (const name of names.toReversed()) {
      const value = this.value(properties[name]!, `${pointer}/properties/${escapePointer(name)}`)
      const member = nodes.sequence(nodes.literal(`${name}:`), value, behind)
      const isRequired = required.includes(name)
      first = isRequired ? member : nodes.choice(member, first)
      behind = isRequired ? nodes.sequence(comma, member) : nodes.choice(nodes.sequence(comma, member), behind)
    }
    return nodes.sequence(nodes.literal('{'), first, nodes.literal('}'))
  }

  private any(): Node {
    if (this.anyRule === undefined) {
      const { node, rule } = this.nodes.declare('any value')
      this.anyRule = node
      const schema = { items: true, additionalProperties: true }
      this.nodes.define(rule, this.nodes.choice(...TYPES.filter((type) => type !== 'integer').map((type) => this.typed(type, schema, '#'))))
    }
    return this.anyRule
  }

  private reference(reference: unknown, pointer: string): Node {
    if (typeof reference !== 'string' || !/^#(\/|$)/.test(reference))
      throw new SamplingError(
        'GRAMMAR',
        `${pointer}/$ref: references are pointers into the tool's own schema (#/$defs/…), got ${JSON.stringify(reference)}`,
      )
    const known = this.rules.get(reference)
    if (known !== undefined) return known
    let target: unknown = this.root
    for (const key of reference.split('/').slice(1)) {
      const name = key.replaceAll('~1', '/').replaceAll('~0', '~')
      target = typeof target === 'object' && target !== null && Object.hasOwn(target, name) ? (target as Keywords)[name] : undefined
    }
    if (target === undefined) throw new SamplingError('GRAMMAR', `${pointer}/$ref: there is nothing at ${reference}`)
    const { node, rule } = this.nodes.declare(reference)
    this.rules.set(reference, node)
    this.nodes.define(rule, this.value(target as JsonSchema, reference))
    return node
  }

  /** A value as text. */
  private written(value: ModelJson, pointer: string): string {
    if (typeof value === 'string') return this.quote + this.texts.ofText(value, pointer)
    if (Array.isArray(value)) return `[${value.map((one) => this.written(one, pointer)).join(',')}]`
    if (typeof value !== 'object' || value === null) return JSON.stringify(value)
    const names = Object.keys(value).sort((a, b) => compare(a.toLowerCase(), b.toLowerCase()) || compare(a, b))
    return `{${names.map((name) => `${name}:${this.written(value[name]!, pointer)}`).join(',')}}`
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function isOf(value: ModelJson, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value)
  return type === (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value)
}
