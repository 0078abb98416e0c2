/** Grammars: what a text may be, so that nothing else is generated. */
import { SamplingError } from '../errors.js'
import { LAST_POINT } from './bytes.js'
import { gbnfNode } from './gbnf.js'
import { jsonSchemaNode, type JsonSchemaOptions } from './json-schema/json-schema.js'
import type { JsonSchema } from './json-schema/document.js'
import { writtenCharacter } from './json-schema/strings.js'
import { Machine } from './machine.js'
import { Masks } from './masks.js'
import { Matcher } from './matcher.js'
import { Nodes, type Node } from './nodes.js'
import { regexNode } from './regex.js'
import { plainBytes, type Vocabulary } from './vocabulary.js'

/** Masks are kept for so many vocabularies. */
const MOST_VOCABULARIES = 8

/** What a text may be. Compiled once, and followed by any number of matchers. */
export class Grammar {
  private readonly masks: Masks[] = []

  constructor(
    /** For people. */
    readonly description: string,
    private readonly machine: Machine,
  ) {}

  /** Follows a text from its beginning, in the tokens of a vocabulary. */
  matcher(vocabulary: Vocabulary): Matcher {
    let masks = this.masks.find((one) => one.vocabulary === vocabulary)
    if (masks === undefined) {
      masks = new Masks(this.machine, vocabulary)
      this.masks.push(masks)
      if (this.masks.length > MOST_VOCABULARIES) this.masks.shift()
    }
    return new Matcher(masks)
  }

  /** Whether a whole text follows the grammar. */
  matches(text: string | Uint8Array): boolean {
    const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
    let config = this.machine.start
    for (const byte of bytes) config = this.machine.step(config, byte)
    return this.machine.accepts(config)
  }
}

export interface GBNFOptions {
  /** The rule that a text is to follow. Default `root`. */
  readonly root?: string
}

/** A grammar of an expression that a function makes. Throws `GRAMMAR` where no text matches. */
export function compileGrammar(description: string, build: (nodes: Nodes, machine: () => Machine) => Node): Grammar {
  const nodes = new Nodes()
  // Vocabularies keep masks of plain text inside of JSON's quotes.
  const character = writtenCharacter(nodes, [[0, LAST_POINT]])
  return new Grammar(description, new Machine(nodes, (machine) => build(nodes, () => machine), { character, isText: plainBytes }))
}

export const grammar = {
  /**
   * Texts in which a regular expression finds a match, as ECMAScript writes them with the flag `u`: all of the text for `^…$`.
   *
   * @example
   * const date = grammar.fromRegex('^\\d{4}-\\d{2}-\\d{2}$')
   * const matcher = date.matcher(vocabulary)
   * @throws SamplingError `GRAMMAR` for what is no regular expression, for back references, word boundaries, looking behind, and where no text matches
   */
  fromRegex: (source: string): Grammar => compileGrammar(`/${source}/`, (nodes) => regexNode(nodes, source)),

  /**
   * JSON that a schema validates (2020-12, 2019-09, draft-07, -06 and -04). Every text of the grammar is valid; where keywords cannot be held to, the schema is refused.
   *
   * @example
   * const person = grammar.fromJsonSchema({ type: 'object', properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 0 } }, required: ['name'] })
   * @throws SamplingError `GRAMMAR` that lists what cannot be held to by JSON pointers, and where no value is valid
   */
  fromJsonSchema(schema: JsonSchema, options: JsonSchemaOptions = {}): Grammar {
    return compileGrammar('a JSON Schema', (nodes, machine) => jsonSchemaNode(nodes, machine, schema, options).node)
  },

  /**
   * Texts of a grammar as llama.cpp writes them, from the rule `root` on. Rules may begin with themselves.
   *
   * @example
   * const list = grammar.fromGBNF('root ::= "[" (item ("," item)*)? "]"\nitem ::= [0-9]{1,3}')
   * @throws SamplingError `GRAMMAR`, with line and column, for what is no GBNF, for tokens of a vocabulary (`<think>`), and where no text matches
   */
  fromGBNF: (source: string, { root = 'root' }: GBNFOptions = {}): Grammar =>
    compileGrammar('a grammar in GBNF', (nodes) => gbnfNode(nodes, source, root)),

  /** One of some texts. Throws `GRAMMAR` for none. */
  choice(texts: readonly string[]): Grammar {
    if (texts.length === 0) throw new SamplingError('GRAMMAR', 'A choice needs at least one text, got none')
    return compileGrammar(`one of ${texts.length} texts`, (nodes) => nodes.literals(texts))
  },
}
