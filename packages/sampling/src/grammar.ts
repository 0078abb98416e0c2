/** `@tesserae/sampling/grammar`: what a text may be, so that nothing else is generated. */
import { choice, fromGBNF, fromJsonSchema, fromRegex } from './grammar/grammar.js'

export type { Grammar } from './grammar/compile.js'
export type { GBNFOptions } from './grammar/grammar.js'
export type { Dialect, JsonSchema, JsonValue } from './grammar/json-schema/document.js'
export type { JsonSchemaOptions } from './grammar/json-schema/json-schema.js'
export type { SchemaRefusal } from './grammar/json-schema/read.js'
export { grammarStep, type Matcher } from './grammar/matcher.js'
export { Vocabulary, type VocabularyOptions } from './grammar/vocabulary.js'
// By themselves too, for bundles that are to hold no more than is used.
export { choice, fromGBNF, fromJsonSchema, fromRegex }

/** The ways to say what a text may be. */
export const grammar = { choice, fromGBNF, fromJsonSchema, fromRegex } as const
