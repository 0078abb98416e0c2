import type { JsonSchema, JsonValue } from '@tesserae/sampling/grammar'

/** A schema with values that it validates and others that it does not. Which is which is for Ajv to say. */
export interface SchemaCase {
  readonly name: string
  readonly schema: JsonSchema
  /** Members stand in the order of the schema. */
  readonly instances: readonly JsonValue[]
  /** The same schema, with patterns that take backtracking no exponential time, for Ajv. */
  readonly judged?: JsonSchema
}

/** An object that takes no other members than these. */
export function closed(
  properties: { readonly [name: string]: JsonSchema },
  required: readonly string[] = Object.keys(properties),
): JsonSchema {
  return { type: 'object', properties, required, additionalProperties: false }
}

export const text = { type: 'string' } as const
export const integer = { type: 'integer' } as const
export const number = { type: 'number' } as const
export const boolean = { type: 'boolean' } as const
export const list = (items: JsonSchema, more: { readonly [keyword: string]: JsonValue } = {}): JsonSchema => ({
  type: 'array',
  items,
  ...more,
})
export const nullable = (type: string): JsonSchema => ({ type: [type, 'null'] })
