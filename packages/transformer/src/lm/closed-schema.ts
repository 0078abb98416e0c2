/** Schemas without members that nobody asked for. */
import type { JsonSchema } from '@tesserae/sampling/grammar'

type Keywords = Readonly<Record<string, unknown>>

/** Keywords by which other schemas have a say in an object's members, so that closing one of them could leave no value at all. */
const shared = /"(allOf|unevaluatedProperties|if|dependentSchemas|\$dynamicRef|not)":/
const own = ['additionalProperties', 'patternProperties', 'anyOf', 'oneOf', '$ref', 'minProperties', 'propertyNames']

/**
 * The schema, where an object that names its members has no others unless it says so by `additionalProperties`. Every value of the result is one of the schema's. JSON Schema lets other members come, which a
 * model that is held to it alone may go on writing without end; OpenAI's and vLLM's strict modes close them too.
 */
export function closedSchema(schema: JsonSchema): JsonSchema {
  return typeof schema === 'boolean' || shared.test(JSON.stringify(schema)) ? schema : (close(schema) as JsonSchema)
}

const isObject = (value: unknown): value is Keywords => typeof value === 'object' && value !== null && !Array.isArray(value)

function close(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(close)
  if (!isObject(schema)) return schema
  const out: Record<string, unknown> = { ...schema }
  for (const key of ['items', 'prefixItems', 'anyOf', 'oneOf', 'additionalProperties']) if (key in out) out[key] = close(out[key])
  for (const key of ['properties', '$defs', 'definitions'])
    if (isObject(out[key])) out[key] = Object.fromEntries(Object.entries(out[key]).map(([name, value]) => [name, close(value)]))
  const { properties, required } = out
  const isClosable =
    isObject(properties) &&
    !own.some((key) => key in out) &&
    (required === undefined || (Array.isArray(required) && required.every((name) => Object.hasOwn(properties, String(name)))))
  return isClosable ? { ...out, additionalProperties: false } : out
}
