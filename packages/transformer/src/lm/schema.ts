/** Schemas of answers: JSON Schema as it is, and Standard Schemas by the JSON Schema that they give. */
import type { JsonSchema } from '@tesserae/sampling/grammar'
import { TransformerError } from '../errors.js'
import { closedSchema } from './closed-schema.js'
import type { LmSchema, StandardSchemaLike } from './types.js'

export interface AnswerSchema {
  readonly json: JsonSchema
  /** True where what the JSON Schema cannot hold to is checked by `validate`. */
  readonly isChecked: boolean
  /** The value that the schema makes of a value of JSON. Errors: OUTPUT with its complaints. */
  validate(value: unknown): Promise<unknown>
}

/**
 * Reads a schema. A Standard Schema has to say what it is as JSON Schema (standardschema.dev/json-schema): Zod's do from 4.2 on, ArkType's too, and Valibot's through `toStandardJsonSchema` of `@valibot/to-json-schema`.
 * Errors: OPTION for one that does not.
 */
export function readSchema(schema: LmSchema): AnswerSchema {
  if (typeof schema === 'boolean') return plain(schema)
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null)
    throw new TransformerError('OPTION', `schema is a JSON Schema or a Standard Schema, got ${typeof schema}`)
  return isStandard(schema)
    ? { json: closedSchema(jsonOf(schema)), isChecked: true, validate: (value) => validated(schema, value) }
    : plain(schema)
}

const plain = (json: JsonSchema): AnswerSchema => ({ json: closedSchema(json), isChecked: false, validate: async (value) => value })

/** Standard Schemas are objects or, as ArkType's, functions. */
const isStandard = (schema: object): schema is StandardSchemaLike => {
  const standard: unknown = (schema as { readonly '~standard'?: unknown })['~standard']
  return typeof standard === 'object' && standard !== null && typeof (standard as { validate?: unknown }).validate === 'function'
}

function jsonOf(schema: StandardSchemaLike): JsonSchema {
  const standard = schema['~standard'] as StandardSchemaLike['~standard'] & {
    readonly jsonSchema?: { readonly input?: (options: { readonly target: string }) => unknown }
  }
  const convert = standard.jsonSchema?.input
  if (typeof convert !== 'function')
    throw new TransformerError(
      'OPTION',
      `this schema of ${standard.vendor} does not say what it is as JSON Schema; ${advice[standard.vendor] ?? 'give a JSON Schema'}`,
    )
  try {
    return convert.call(standard.jsonSchema, { target: 'draft-2020-12' }) as JsonSchema
  } catch (cause) {
    throw new TransformerError(
      'OPTION',
      `this schema of ${standard.vendor} cannot be written as JSON Schema: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
}

const advice: Readonly<Record<string, string>> = {
  zod: 'update zod to 4.2 or later, or give z.toJSONSchema(schema)',
  valibot: 'wrap it by toStandardJsonSchema of @valibot/to-json-schema',
}

async function validated(schema: StandardSchemaLike, value: unknown): Promise<unknown> {
  const result = (await schema['~standard'].validate(value)) as { readonly value?: unknown; readonly issues?: readonly Issue[] }
  if (result.issues === undefined) return result.value
  const issues = result.issues.slice(0, 10).map(({ message, path = [] }) => {
    const where = path.map((key) => String(typeof key === 'object' ? key.key : key)).join('.')
    return where === '' ? message : `${where}: ${message}`
  })
  throw new TransformerError(
    'OUTPUT',
    `the value is refused by its schema: ${issues.join('; ')}. It was ${JSON.stringify(value)?.slice(0, 200)}`,
  )
}

interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[]
}
