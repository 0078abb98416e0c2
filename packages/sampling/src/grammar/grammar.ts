/** The ways to say what a text may be, so that nothing else is generated. */
import { SamplingError } from '../errors.js'
import { compileGrammar, type Grammar } from './compile.js'
import { gbnfNode } from './gbnf.js'
import type { JsonSchema } from './json-schema/document.js'
import { jsonSchemaNode, type JsonSchemaOptions } from './json-schema/json-schema.js'
import { regexNode } from './regex.js'

export interface GBNFOptions {
  /** The rule that a text is to follow. Default `root`. */
  readonly root?: string
}

/**
 * Texts in which a regular expression finds a match, as ECMAScript writes them with the flag `u`: all of the text for `^…$`.
 *
 * @example
 * const date = grammar.fromRegex('^\\d{4}-\\d{2}-\\d{2}$')
 * const matcher = date.matcher(vocabulary)
 * @throws SamplingError `GRAMMAR` for what is no regular expression, for back references, word boundaries, looking behind, and where no text matches
 */
export const fromRegex = (source: string): Grammar => compileGrammar(`/${source}/`, (nodes) => regexNode(nodes, source))

/**
 * JSON that a schema validates (2020-12, 2019-09, draft-07, -06 and -04). Every text of the grammar is valid; where keywords cannot be held to, the schema is refused.
 *
 * @example
 * const person = grammar.fromJsonSchema({ type: 'object', properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 0 } }, required: ['name'] })
 * @throws SamplingError `GRAMMAR` that lists what cannot be held to by JSON pointers, and where no value is valid
 */
export function fromJsonSchema(schema: JsonSchema, options: JsonSchemaOptions = {}): Grammar {
  return compileGrammar('a JSON Schema', (nodes, machine) => jsonSchemaNode(nodes, machine, schema, options))
}

/**
 * Texts of a grammar as llama.cpp writes them, from the rule `root` on. Rules may begin with themselves.
 *
 * @example
 * const list = grammar.fromGBNF('root ::= "[" (item ("," item)*)? "]"\nitem ::= [0-9]{1,3}')
 * @throws SamplingError `GRAMMAR`, with line and column, for what is no GBNF, for tokens of a vocabulary (`<think>`), and where no text matches
 */
export const fromGBNF = (source: string, { root = 'root' }: GBNFOptions = {}): Grammar =>
  compileGrammar('a grammar in GBNF', (nodes) => gbnfNode(nodes, source, root))

/** One of some texts. Throws `GRAMMAR` for none. */
export function choice(texts: readonly string[]): Grammar {
  if (texts.length === 0) throw new SamplingError('GRAMMAR', 'A choice needs at least one text, got none')
  return compileGrammar(`one of ${texts.length} texts`, (nodes) => nodes.literals(texts))
}
