/**
 * Grammars in Lark's language, read into a tree.
 *
 * Source: https://lark-parser.readthedocs.io/en/stable/grammar.html, and what llguidance adds to it: https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md
 */
import type { Source } from '../source.js'

export type Expression =
  | { readonly kind: 'text'; readonly points: readonly number[]; readonly anyCase: boolean }
  | { readonly kind: 'regex'; readonly pattern: string; readonly flags: string; readonly at: number }
  | { readonly kind: 'range'; readonly low: number; readonly high: number }
  | { readonly kind: 'name'; readonly name: string; readonly parameters: readonly Expression[]; readonly at: number }
  | { readonly kind: 'sequence' | 'choice' | 'both'; readonly items: readonly Expression[]; readonly at: number }
  | { readonly kind: 'not'; readonly item: Expression; readonly at: number }
  | { readonly kind: 'repeat'; readonly item: Expression; readonly min: number; readonly max: number }
  | { readonly kind: 'schema'; readonly schema: unknown; readonly at: number }

export interface Definition {
  readonly name: string
  readonly parameters: readonly string[]
  readonly body: Expression
  readonly at: number
}

export interface Import {
  /** What it is called in the module `common`, and here. */
  readonly terminal: string
  readonly name: string
  readonly at: number
}

export interface LarkGrammar {
  readonly definitions: readonly Definition[]
  readonly imports: readonly Import[]
  readonly ignored: readonly Expression[]
}

export const isTerminal = (name: string): boolean => /^_?[A-Z]/.test(name)

const SPACE = /(?:[ \t\f]|\\[ \t]*\r?\n|(?:\/\/|#)[^\r\n]*)+/y
const SPACE_OR_LINES = /(?:[ \t\f\r\n]|\\[ \t]*\r?\n|(?:\/\/|#)[^\r\n]*)+/y
const NAME = /_?(?:[a-z][_a-z0-9]*(?:-[_a-z0-9]+)*|[A-Z][_A-Z0-9]*(?:-[_A-Z0-9]+)*)/y
const CONTROLS: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, f: 0x0c }
const DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

/** @throws SamplingError `GRAMMAR`, with line and column, for what is no grammar or has what is not supported */
export function parseLark(source: Source): LarkGrammar {
  return new Parser(source).parse()
}

class Parser {
  private readonly definitions: Definition[] = []
  private readonly imports: Import[] = []
  private readonly ignored: Expression[] = []

  constructor(private readonly source: Source) {}

  parse(): LarkGrammar {
    const { source } = this
    this.skip(true)
    while (!source.isAtEnd) {
      if (source.sees('%')) this.statement()
      else this.definition()
      this.skip(false)
      if (!source.isAtEnd && !source.looksLike(/[\r\n]/y))
        throw source.expected('something to match, "|", a repetition or the end of the line')
      this.skip(true)
    }
    return { definitions: this.definitions, imports: this.imports, ignored: this.ignored }
  }

  private skip(lines: boolean): void {
    this.source.match(lines ? SPACE_OR_LINES : SPACE)
  }

  private statement(): void {
    const { source } = this
    const start = source.at
    const [, keyword] = source.match(/%(\w*)/y)!
    this.skip(false)
    if (keyword === 'ignore') this.ignored.push(this.choice(false))
    else if (keyword === 'import') this.import()
    else if (keyword === 'llguidance') this.options()
    else if (keyword === 'declare')
      throw source.error('%declare is not supported: the texts of a declared terminal are not known; define it', start)
    else if (keyword === 'override' || keyword === 'extend')
      throw source.error(`%${keyword} is not supported: there are no rules of other files to change`, start)
    else throw source.error('expected %ignore or %import', start)
  }

  private options(): void {
    const start = this.source.at
    const options = this.json()
    if (typeof options !== 'object' || options === null || Object.keys(options).some((key) => key !== 'no_forcing'))
      throw this.source.error('%llguidance takes no options here that change which texts match', start)
  }

  private import(): void {
    const { source } = this
    const start = source.at
    const path = source.match(/\.?[\w-]+(?:\.[\w-]+)*/y)?.[0]
    if (path === undefined) throw source.expected('the name of a terminal, such as common.INT')
    this.skip(false)
    const [module, ...names] = path.split('.')
    if (module !== 'common' || names.length > 1) throw source.error(`only terminals of common can be imported, found ${path}`, start)
    if (names.length === 0) {
      source.expect('(', '"." or a list of names in parentheses')
      do {
        this.skip(true)
        const at = source.at
        const terminal = this.name()
        this.imports.push({ terminal, name: terminal, at })
        this.skip(true)
      } while (source.eat(','))
      source.expect(')', '"," or ")"')
      return
    }
    let name = names[0]!
    if (source.eat('->')) {
      this.skip(false)
      name = this.name()
    }
    this.imports.push({ terminal: names[0]!, name, at: start })
  }

  private name(what = 'a name'): string {
    const name = this.source.match(NAME)?.[0]
    if (name === undefined) throw this.source.expected(what)
    return name
  }

  private definition(): void {
    const { source } = this
    // Both change the tree that Lark's parser makes, and no text.
    source.match(/[!?]{0,2}/y)
    const at = source.at
    const name = this.name('the name of a rule or a terminal, or a statement such as %ignore')
    const parameters: string[] = []
    if (source.eat('{'))
      do {
        this.skip(true)
        parameters.push(this.name())
        this.skip(true)
      } while (source.eat(','))
    if (parameters.length > 0) source.expect('}', '"," or "}"')
    this.skip(false)
    if (source.sees('['))
      throw source.error('attributes of rules, such as capture, lazy, stop or max_tokens, are not supported; leave them out')
    // Says which of several readings of a text is meant, and not which texts there are.
    if (source.eat('.') && source.match(/[+-]?\d+/y) === undefined) throw source.expected('a priority')
    this.skip(false)
    source.expect(':', '":" behind the name')
    this.definitions.push({ name, parameters, body: this.choice(false), at })
  }

  private choice(nested: boolean): Expression {
    const { source } = this
    const at = source.at
    const items: Expression[] = []
    this.skip(nested)
    // A line may begin with the sign, the first as well.
    this.bar()
    do {
      this.skip(nested)
      items.push(this.both(nested))
      this.alias(nested)
    } while (this.bar())
    return items.length === 1 ? items[0]! : { kind: 'choice', items, at }
  }

  /** The sign between ways, at the beginning of a line perhaps. */
  private bar(): boolean {
    const before = this.source.at
    this.skip(true)
    if (this.source.eat('|')) return true
    this.source.at = before
    return false
  }

  private alias(nested: boolean): void {
    if (!this.source.eat('->')) return
    this.skip(nested)
    this.name('the name of an alias')
    this.skip(nested)
  }

  private both(nested: boolean): Expression {
    const { source } = this
    const at = source.at
    const items = [this.sequence(nested)]
    while (source.eat('&')) {
      this.skip(nested)
      items.push(this.sequence(nested))
    }
    return items.length === 1 ? items[0]! : { kind: 'both', items, at }
  }

  private sequence(nested: boolean): Expression {
    const { at } = this.source
    const items: Expression[] = []
    for (;;) {
      const item = this.repeated(nested)
      if (item === undefined) break
      items.push(item)
    }
    return items.length === 1 ? items[0]! : { kind: 'sequence', items, at }
  }

  private repeated(nested: boolean): Expression | undefined {
    const start = this.source.at
    let item = this.atom()
    if (item === undefined) return undefined
    for (;;) {
      this.skip(nested)
      const counts = this.counts()
      if (counts === undefined) return item
      const [min, max] = counts
      if (max < min) throw this.source.error(`a repetition from ${min} to ${max} times`, start)
      item = { kind: 'repeat', item, min, max }
    }
  }

  private counts(): readonly [min: number, max: number] | undefined {
    const { source } = this
    const [plain] = source.match(/[*+?]/y) ?? []
    if (plain !== undefined) return plain === '*' ? [0, Infinity] : plain === '+' ? [1, Infinity] : [0, 1]
    if (source.match(/~[ \t]*(?=\d)/y) !== undefined) {
      const min = source.takeCount()
      if (source.match(/[ \t]*\.\.[ \t]*/y) === undefined) return [min, min]
      return [min, source.takeCount()]
    }
    if (source.match(/\{\s*(?=[\d,])/y) === undefined) return undefined
    const hasMin = !source.sees(',')
    const min = hasMin ? source.takeCount() : 0
    let max = min
    if (source.match(/\s*,\s*/y) !== undefined) max = hasMin && source.sees('}') ? Infinity : source.takeCount()
    source.match(/\s*/y)
    source.expect('}')
    return [min, max]
  }

  private atom(): Expression | undefined {
    const { source } = this
    const at = source.at
    if (source.eat('(')) return this.group(')')
    if (source.eat('[')) return { kind: 'repeat', item: this.group(']'), min: 0, max: 1 }
    if (source.eat('"')) return this.text(at)
    if (source.eat('/')) return this.regex(at)
    if (source.eat('~')) {
      this.skip(false)
      const item = source.nested(() => this.atom())
      if (item === undefined) throw source.expected('something that is not to match')
      return { kind: 'not', item, at }
    }
    if (source.sees('%')) return this.inline()
    if (source.sees('<'))
      throw source.error('tokens of a vocabulary, such as <think> or <[1000]>, are not supported; write their text as a string')
    if (source.sees('@')) throw source.error('references to other grammars are not supported')
    if (source.looksLike(/[*+?]/y)) throw source.expected('something to repeat')
    const name = source.match(NAME)?.[0]
    return name === undefined ? undefined : { kind: 'name', name, parameters: this.parameters(), at }
  }

  private group(end: string): Expression {
    return this.source.nested(() => {
      const group = this.choice(true)
      this.skip(true)
      this.source.expect(end, `${JSON.stringify(end)} to close the group`)
      return group
    })
  }

  private parameters(): readonly Expression[] {
    const { source } = this
    if (!source.looksLike(/\{\s*[^\d,\s]/y)) return []
    source.at++
    return source.nested(() => {
      const parameters: Expression[] = []
      do parameters.push(this.choice(true))
      while (source.eat(','))
      source.expect('}', '"," or "}"')
      return parameters
    })
  }

  private inline(): Expression {
    const { source } = this
    const at = source.at
    const [, keyword] = source.match(/%(\w*)/y)!
    if (keyword !== 'json') throw source.error(`%${keyword} is not supported within a rule`, at)
    this.skip(true)
    return { kind: 'schema', schema: this.json(), at }
  }

  /** An object of JSON, as far as its last brace. */
  private json(): unknown {
    const { source } = this
    const start = source.at
    let depth = 0
    do {
      const [sign] = source.match(/(?:[^"{}[\]]|"(?:[^"\\]|\\[^])*")*([{}[\]])/y) ?? []
      if (sign === undefined) throw source.error('an object in JSON without an end', start)
      depth += sign.endsWith('{') || sign.endsWith('[') ? 1 : -1
    } while (depth > 0)
    try {
      return JSON.parse(source.text.slice(start, source.at)) as unknown
    } catch (cause) {
      throw source.error(`no JSON: ${(cause as Error).message}`, start)
    }
  }

  private text(start: number): Expression {
    const { source } = this
    const points = this.points(start)
    if (source.match(/[ \t]*\.\.[ \t]*/y) !== undefined) {
      const end = source.at
      source.expect('"', 'a string that ends a range')
      const last = this.points(end)
      if (points.length !== 1 || last.length !== 1) throw source.error('a range goes from one character to another', start)
      if (last[0]! < points[0]!) throw source.error('a range whose end comes before its beginning', start)
      return { kind: 'range', low: points[0]!, high: last[0]! }
    }
    return { kind: 'text', points, anyCase: source.match(/i(?![\w-])/y) !== undefined }
  }

  private points(start: number): number[] {
    const { source } = this
    const points: number[] = []
    while (!source.eat('"')) {
      if (source.isAtEnd || source.looksLike(/[\r\n]/y)) throw source.error('a string without an end', start)
      points.push(this.character())
    }
    return points
  }

  private character(): number {
    const { source } = this
    if (!source.eat('\\')) return source.takeCharacter()
    const { char } = source
    if (char !== '' && '\\"/'.includes(char)) return source.takeCharacter()
    const [control, digits] = [CONTROLS[char], DIGITS[char]]
    if (control === undefined && digits === undefined) throw source.expected('one of n r t f \\ " / x u U behind a backslash')
    source.at++
    return control ?? source.takeHex(digits!)
  }

  private regex(start: number): Expression {
    const { source } = this
    const begin = source.at
    for (;;) {
      if (source.isAtEnd) throw source.error('a regular expression without an end', start)
      if (source.eat('/')) break
      if (source.eat('\\') && source.isAtEnd) continue
      source.takeCharacter()
    }
    const pattern = source.text.slice(begin, source.at - 1)
    const [flags] = source.match(/[a-z]*/y)!
    if (/[^imsux]/.test(flags)) throw source.error(`the flags of a regular expression are i, m, s, u and x, found ${flags}`, start)
    if (/[\r\n]/.test(pattern) && !flags.includes('x')) throw source.error('a regular expression of several lines needs the flag x', start)
    return { kind: 'regex', pattern, flags, at: start }
  }
}
