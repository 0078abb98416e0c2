/** `@tesserae/sampling/grammar`: what a text may be, so that nothing else is generated. */
export type { Grammar } from './grammar/compile.js'
export * as grammar from './grammar/grammar.js'
export type { GBNFOptions } from './grammar/grammar.js'
export type { Dialect, JsonSchema, JsonValue } from './grammar/json-schema/document.js'
export type { JsonSchemaOptions } from './grammar/json-schema/json-schema.js'
export type { SchemaRefusal } from './grammar/json-schema/read.js'
export { grammarStep, type Matcher } from './grammar/matcher.js'
export { Vocabulary, type VocabularyOptions } from './grammar/vocabulary.js'
