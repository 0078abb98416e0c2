/** JSON Schemas as documents: which schema a reference means, in which dialect, and where it stands. */

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue }
/** A JSON Schema: `true` and `{}` allow any value, `false` none. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown }

/** Versions of JSON Schema, oldest first. */
export const dialects = ['draft-04', 'draft-06', 'draft-07', '2019-09', '2020-12'] as const
export type Dialect = (typeof dialects)[number]

/** A schema with an address of its own, and what is named inside of it. */
interface Resource {
  readonly uri: string
  readonly dialect: Dialect
  readonly root: Located
  readonly anchors: Map<string, Located>
  /** Names that references from further out may turn to other resources; '' for `$recursiveAnchor`. */
  readonly dynamic: Map<string, Located>
}

/** A schema and where it stands. */
export interface Located {
  readonly schema: JsonSchema
  /** For people: a JSON pointer, behind the address of its document where that is not the one given. */
  readonly pointer: string
  readonly resource: () => Resource
}

const KEYWORDS = {
  one: [
    'additionalItems',
    'additionalProperties',
    'contains',
    'else',
    'if',
    'items',
    'not',
    'propertyNames',
    'then',
    'unevaluatedItems',
    'unevaluatedProperties',
    'contentSchema',
  ],
  list: ['allOf', 'anyOf', 'oneOf', 'prefixItems', 'items'],
  map: ['$defs', 'definitions', 'dependentSchemas', 'patternProperties', 'properties', 'dependencies'],
} as const
/** Schemas within schemas deeper than this are refused. */
const MOST_DEPTH = 1_000
const HERE = 'tesserae:/schema'

export const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
export const isSchema = (value: unknown): value is JsonSchema => typeof value === 'boolean' || isObject(value)

/** A name as a part of a JSON pointer. */
export const escapePointer = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

/** The schema given with others it may refer to by address. */
export class SchemaDocument {
  private readonly resources = new Map<string, Resource>()
  /** Every schema that was met on the way through the keywords, by its object. */
  private readonly found = new Map<object, Located>()
  readonly root: Located
  /** Whether some schema says what is true of all that no other looked at. */
  looksAtTheRest = false

  constructor(
    schema: JsonSchema,
    private readonly dialect: Dialect,
    private readonly others: Readonly<Record<string, JsonSchema>> = {},
  ) {
    this.root = this.add(schema, HERE, '', dialect)
  }

  private add(schema: JsonSchema, uri: string, pointer: string, dialect: Dialect): Located {
    const located = this.scan(schema, pointer, undefined, uri, dialect, 0)
    // Where it was retrieved from is a name of it too.
    if (!this.resources.has(uri)) this.resources.set(uri, located.resource())
    return located
  }

  private scan(schema: JsonSchema, pointer: string, outer: Resource | undefined, base: string, dialect: Dialect, depth: number): Located {
    const known = typeof schema === 'object' ? this.found.get(schema) : undefined
    if (known !== undefined) return known
    if (depth > MOST_DEPTH) throw new RangeError(`${pointer.slice(0, 80)}…: schemas within schemas more than ${MOST_DEPTH} deep`)
    let resource = outer
    const located: Located = { schema, pointer, resource: () => resource! }
    if (typeof schema === 'object') this.found.set(schema, located)
    const own = dialectOf(schema) ?? dialect
    const id = idOf(schema, own)
    if (resource === undefined || id !== undefined) {
      resource = {
        uri: id === undefined ? base : splitFragment(resolve(id, outer?.uri ?? base))[0],
        dialect: own,
        root: located,
        anchors: new Map(),
        dynamic: new Map(),
      }
      this.resources.set(resource.uri, resource)
    }
    if (typeof schema !== 'object') return located
    const { anchors, dynamic, uri } = resource
    if (schema['unevaluatedItems'] !== undefined || schema['unevaluatedProperties'] !== undefined) this.looksAtTheRest = true
    const { $anchor: anchor, $dynamicAnchor: dynamicAnchor, $recursiveAnchor: recursive } = schema
    if (typeof anchor === 'string') anchors.set(anchor, located)
    if (typeof dynamicAnchor === 'string') {
      anchors.set(dynamicAnchor, located)
      dynamic.set(dynamicAnchor, located)
    }
    if (recursive === true && own === '2019-09') dynamic.set('', located)
    const legacy = own === 'draft-04' ? schema['id'] : schema['$id']
    if (dialects.indexOf(own) < 3 && typeof legacy === 'string' && legacy.startsWith('#')) anchors.set(legacy.slice(1), located)
    // What stands beside a reference was nothing before 2019-09, but for definitions.
    const look = (value: unknown, at: string): void => {
      if (isSchema(value)) this.scan(value, `${pointer}/${at}`, resource, uri, own, depth + 1)
    }
    for (const name of KEYWORDS.one) if (Object.hasOwn(schema, name)) look(schema[name], name)
    for (const name of KEYWORDS.list) {
      const list = schema[name]
      if (Object.hasOwn(schema, name) && Array.isArray(list)) list.forEach((one, i) => look(one, `${name}/${i}`))
    }
    for (const name of KEYWORDS.map) {
      const map = schema[name]
      if (Object.hasOwn(schema, name) && isObject(map))
        for (const [key, one] of Object.entries(map)) look(one, `${name}/${escapePointer(key)}`)
    }
    return located
  }

  /** A schema inside of one that was found, by its keyword and place. */
  inside(outer: Located, schema: JsonSchema, at: string): Located {
    const known = typeof schema === 'object' ? this.found.get(schema) : undefined
    return known ?? { schema, pointer: `${outer.pointer}/${at}`, resource: outer.resource }
  }

  /** What a reference means; a sentence about why it means nothing. */
  refer(from: Located, reference: string): Located | string {
    let target: string
    try {
      target = resolve(reference, from.resource().uri)
    } catch {
      return `${JSON.stringify(reference)} is no address`
    }
    const [uri, fragment] = splitFragment(target)
    const resource = this.resourceOf(uri)
    if (resource === undefined) return `there is no schema ${uri === HERE ? reference : uri}; give it with \`schemas\``
    if (fragment === '') return resource.root
    if (!fragment.startsWith('/')) return resource.anchors.get(fragment) ?? `${uri === HERE ? 'the schema' : uri} has no anchor ${fragment}`
    return this.follow(resource, fragment, reference)
  }

  /** Where a name leads from the outermost of some resources that has it. */
  dynamicTarget(scope: readonly string[], name: string): Located | undefined {
    for (const uri of scope) {
      const found = this.resources.get(uri)?.dynamic.get(name)
      if (found !== undefined) return found
    }
    return undefined
  }

  private resourceOf(uri: string): Resource | undefined {
    const known = this.resources.get(uri)
    if (known !== undefined) return known
    const key = [uri, `${uri}#`].find((one) => Object.hasOwn(this.others, one))
    if (key === undefined) return undefined
    this.add(this.others[key]!, uri, uri, this.dialect)
    return this.resources.get(uri)
  }

  private follow(resource: Resource, fragment: string, reference: string): Located | string {
    let value: unknown = resource.root.schema
    let located: Located | undefined = resource.root
    for (const part of fragment.slice(1).split('/')) {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
        return `${JSON.stringify(reference)} leads nowhere: no ${JSON.stringify(name)}`
      value = (value as Record<string, unknown>)[name]
      if (isObject(value)) located = this.found.get(value) ?? located
    }
    if (!isSchema(value)) return `${JSON.stringify(reference)} leads to no schema`
    if (isObject(value) && this.found.has(value)) return this.found.get(value)!
    return { schema: value, pointer: `${resource.root.pointer}${fragment}`, resource: located.resource }
  }
}

function dialectOf(schema: JsonSchema): Dialect | undefined {
  if (typeof schema !== 'object' || typeof schema['$schema'] !== 'string') return undefined
  return dialects.find((one) => (schema['$schema'] as string).includes(one))
}

function idOf(schema: JsonSchema, dialect: Dialect): string | undefined {
  if (typeof schema !== 'object') return undefined
  const id = dialect === 'draft-04' ? schema['id'] : schema['$id']
  if (typeof id !== 'string' || id.startsWith('#')) return undefined
  if (!URL.canParse(id, HERE)) return undefined
  // Beside a reference it was nothing before 2019-09.
  if (dialects.indexOf(dialect) < 3 && typeof schema['$ref'] === 'string') return undefined
  return id
}

function resolve(reference: string, base: string): string {
  if (reference.startsWith('#')) return `${base}${decode(reference)}`
  const [address, fragment] = splitFragment(new URL(reference, base).href)
  return fragment === '' ? address : `${address}#${decode(fragment)}`
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function splitFragment(uri: string): readonly [address: string, fragment: string] {
  const at = uri.indexOf('#')
  return at < 0 ? [uri, ''] : [uri.slice(0, at), uri.slice(at + 1)]
}
