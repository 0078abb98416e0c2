/** Schemas as far as formats of calls that do not write JSON know them. */
import { SamplingError } from '../errors.js'
import { escapePointer, isObject, isSchema, type JsonSchema } from '../grammar/json-schema/document.js'

export type Keywords = { readonly [keyword: string]: unknown }

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

/** A schema that is one. */
export function checkSchema(schema: unknown, pointer: string): JsonSchema {
  if (isSchema(schema)) return schema
  throw new SamplingError('GRAMMAR', `${pointer}: a schema is an object or a boolean, got ${JSON.stringify(schema)}`)
}

export interface NamedMembers {
  readonly properties: { readonly [key: string]: JsonSchema }
  readonly required: readonly string[]
}

/** The members that a schema of objects names. Throws `GRAMMAR` where it requires others. */
export function namedMembers({ properties = {}, required = [] }: Keywords, pointer: string): NamedMembers {
  if (!isObject(properties))
    throw new SamplingError('GRAMMAR', `${pointer}/properties must be an object, got ${JSON.stringify(properties)}`)
  if (!Array.isArray(required) || !required.every((key): key is string => typeof key === 'string'))
    throw new SamplingError('GRAMMAR', `${pointer}/required must be a list of keys, got ${JSON.stringify(required)}`)
  const missing = required.filter((key) => !Object.hasOwn(properties, key))
  if (missing.length > 0)
    throw new SamplingError(
      'GRAMMAR',
      `${pointer}/required: ${missing.map((key) => JSON.stringify(key)).join(', ')} must be among the properties in this format of calls`,
    )
  for (const [key, schema] of Object.entries(properties)) checkSchema(schema, `${pointer}/properties/${escapePointer(key)}`)
  return { properties: properties as NamedMembers['properties'], required }
}
