/** Arguments that are each written between tags, as Qwen3-Coder does. */
import type { JsonSchema } from '../grammar/json-schema/document.js'

/** Around a value. Values end with the first end tag, so that text cannot have one in it. */
export const TAGS = { open: '<parameter=', name: '>', close: '</parameter>', end: '</function>' }

/** Whether a parameter is written as text rather than as JSON: where its schema allows nothing but strings. */
export function isText(schema: JsonSchema | undefined): boolean {
  if (typeof schema !== 'object') return false
  const { type, enum: values, const: value } = schema
  if (Array.isArray(values)) return values.length > 0 && values.every((one) => typeof one === 'string')
  return 'const' in schema ? typeof value === 'string' : type === 'string'
}

/** The schema of a parameter, with the definitions that it may refer to; undefined where the tool has none of that name. */
export function parameterSchema(parameters: JsonSchema, key: string): JsonSchema | undefined {
  if (typeof parameters !== 'object') return undefined
  const { properties, $defs, definitions } = parameters
  if (typeof properties !== 'object' || properties === null || !Object.hasOwn(properties, key)) return undefined
  const schema = (properties as { [key: string]: JsonSchema })[key]!
  if (typeof schema !== 'object') return schema
  return { ...($defs === undefined ? {} : { $defs }), ...(definitions === undefined ? {} : { definitions }), ...schema }
}
