/** `@tesserae/sampling/lark`: grammars in Lark's language. */
import { compileGrammar, type Grammar } from './grammar/compile.js'
import { Compiler, type SchemaCompiler } from './grammar/lark/compile.js'
import { parseLark } from './grammar/lark/syntax.js'
import { Source } from './grammar/source.js'

export type { SchemaCompiler }

export interface LarkOptions {
  /** The rule that a text is to follow. Default `start`. */
  readonly start?: string
  /** Makes an expression of the schema behind `%json`. Without it `%json` is refused. */
  readonly jsonSchema?: SchemaCompiler
}

/**
 * Texts of a grammar as Lark writes them, with what llguidance adds: `%json`, `&` and `~` in terminals, `{2,3}`, dashes in names. Rules may begin with themselves.
 *
 * Which texts there are is decided without a lexer: where Lark's takes the longest terminal that it can, here every one that fits is tried, as by Lark's own dynamic lexer. So a text that Lark's parser accepts
 * is accepted, and a few more are: `ifx` as the keyword `if` and the name `x`, or a string that goes on behind its first quote where a regular expression such as `/".*?"/` allows it. Priorities (`name.2`) only say which
 * of several readings is meant, and change nothing here; neither do `?`, `!` and aliases.
 *
 * @example
 * const sums = fromLark(`
 *   start: start "+" term | term
 *   term: INT | "(" start ")"
 *   %import common (INT, WS)
 *   %ignore WS
 * `)
 * @throws SamplingError `GRAMMAR`, with line and column, for what is no grammar, for what cannot be supported (`%declare`, attributes of rules, tokens of a vocabulary, imports of other files), and where no text matches
 */
export function fromLark(source: string, { start = 'start', jsonSchema }: LarkOptions = {}): Grammar {
  return compileGrammar('a grammar in Lark', (nodes, machine) => {
    const text = new Source('Lark', source)
    return new Compiler(nodes, text, parseLark(text), jsonSchema, machine).compile(start)
  })
}
