/** Grammars in Lark's language as expressions over bytes. */
import { SamplingError } from '../../errors.js'
import type { Machine } from '../machine.js'
import type { Node, Nodes } from '../nodes.js'
import { regexNode } from '../regex.js'
import { parseRegex, type Regex } from '../regex-syntax.js'
import type { Source } from '../source.js'
import { utf8 } from '../bytes.js'
import { COMMON } from './common.js'
import { sameLetters } from './letters.js'
import { fromPython } from './python-regex.js'
import { isTerminal, type Definition, type Expression, type LarkGrammar } from './syntax.js'

/** How far terminals and templates may be made of others. */
const MOST_DEPTH = 200
/** Rules that come of templates. */
const MOST_RULES = 10_000

/** Makes an expression of a schema in JSON; the machine of the same nodes tells which texts are possible. */
export type SchemaCompiler = (nodes: Nodes, schema: unknown, machine: () => Machine) => Node

/** What parameters of a template stand for. */
type Scope = ReadonlyMap<string, Node>
const NO_SCOPE: Scope = new Map()

export class Compiler {
  private readonly definitions = new Map<string, Definition>()
  private readonly imported = new Map<string, string>()
  private readonly terminals = new Map<string, Node>()
  /** Terminals that are being made: none may be made of itself. */
  private readonly making: string[] = []
  private readonly rules = new Map<string, Node>()
  private readonly open: { readonly rule: number; readonly body: Expression; readonly scope: Scope }[] = []
  private readonly regexes = new Map<string, Node>()
  private readonly ignored: Node

  constructor(
    private readonly nodes: Nodes,
    private readonly source: Source,
    grammar: LarkGrammar,
    private readonly schema: SchemaCompiler | undefined,
    private readonly machine: () => Machine,
  ) {
    for (const definition of grammar.definitions) {
      this.checkNew(definition.name, definition.at)
      this.definitions.set(definition.name, definition)
    }
    for (const { terminal, name, at } of grammar.imports) {
      const pattern = COMMON.get(terminal)
      if (pattern === undefined) throw source.error(`common has no terminal ${terminal}; it has ${[...COMMON.keys()].join(', ')}`, at)
      if (!isTerminal(name)) throw source.error(`a terminal has a name in upper case, found ${name}`, at)
      if (this.imported.get(name) === pattern) continue
      this.checkNew(name, at)
      this.imported.set(name, pattern)
    }
    this.ignored = nodes.repeat(nodes.choice(...grammar.ignored.map((one) => this.terminal(one, NO_SCOPE))), 0)
  }

  /** The texts of a rule, with what is ignored around them. */
  compile(start: string): Node {
    const { nodes, source } = this
    const definition = this.definitions.get(start)
    if (definition === undefined && !this.imported.has(start))
      throw source.error(`there is no rule ${start} to begin with; name the one to begin with (\`start\`), or define it`, 0)
    const root = this.named({ kind: 'name', name: start, parameters: [], at: definition?.at ?? 0 }, NO_SCOPE)
    // What nothing leads to is looked at as well, so that no mistake is passed over.
    for (const { name, parameters, at } of this.definitions.values())
      if (parameters.length === 0) this.named({ kind: 'name', name, parameters: [], at }, NO_SCOPE)
    for (let next = this.open.pop(); next !== undefined; next = this.open.pop()) nodes.define(next.rule, this.rule(next.body, next.scope))
    return nodes.sequence(this.ignored, root)
  }

  private checkNew(name: string, at: number): void {
    if (this.definitions.has(name) || this.imported.has(name)) throw this.source.error(`${name} is defined a second time`, at)
  }

  /** A terminal where a rule asks for it: what is ignored may come behind it. */
  private token(node: Node): Node {
    return this.nodes.sequence(node, this.ignored)
  }

  private rule(body: Expression, scope: Scope): Node {
    const { nodes } = this
    const inside = (item: Expression): Node => this.rule(item, scope)
    switch (body.kind) {
      case 'sequence':
        return nodes.sequence(...body.items.map(inside))
      case 'choice': {
        const texts = body.items.filter((item) => item.kind === 'text' && !item.anyCase)
        const others = body.items.filter((item) => !texts.includes(item))
        return nodes.choice(this.token(this.texts(texts)), ...others.map(inside))
      }
      case 'repeat':
        return nodes.repeat(inside(body.item), body.min, body.max)
      case 'name':
        return this.named(body, scope)
      case 'schema':
        if (this.schema === undefined)
          throw this.source.error('%json needs the option jsonSchema, which makes an expression of a schema', body.at)
        return this.token(this.schema(nodes, body.schema, this.machine))
      default:
        return this.token(this.terminal(body, scope))
    }
  }

  private named(one: Expression & { readonly kind: 'name' }, scope: Scope): Node {
    const { name, at } = one
    const bound = scope.get(name)
    if (bound !== undefined) return bound
    if (isTerminal(name)) return this.token(this.terminal(one, scope))
    const definition = this.definitionOf(one)
    const values = one.parameters.map((value) => this.rule(value, scope))
    const key = `${name}{${values.join()}}`
    let node = this.rules.get(key)
    if (node === undefined) {
      const declared = this.nodes.declare(name)
      node = declared.node
      this.rules.set(key, node)
      if (this.rules.size > MOST_RULES)
        throw this.source.error(`more than ${MOST_RULES} rules come of templates, of ${name} among others`, at)
      this.open.push({ rule: declared.rule, body: definition.body, scope: scopeOf(definition, values) })
    }
    return node
  }

  private definitionOf({ name, parameters, at }: Expression & { readonly kind: 'name' }): Definition {
    const definition = this.definitions.get(name)
    if (definition === undefined) throw this.source.error(`${name} is used and not defined`, at)
    if (definition.parameters.length !== parameters.length)
      throw this.source.error(`${name} has ${definition.parameters.length} parameters, found ${parameters.length}`, at)
    return definition
  }

  /** The texts of a terminal alone. */
  private terminal(body: Expression, scope: Scope): Node {
    const { nodes, source } = this
    const inside = (item: Expression): Node => this.terminal(item, scope)
    switch (body.kind) {
      case 'text':
        return this.texts([body])
      case 'regex':
        return this.regex(body.pattern, body.flags, body.at)
      case 'range':
        return nodes.characters([[body.low, body.high]])
      case 'sequence':
        return nodes.sequence(...body.items.map(inside))
      case 'choice':
        return nodes.choice(...body.items.map(inside))
      case 'both':
        return nodes.both(body.items.map(inside))
      case 'not':
        // Text that is no UTF-8 is none.
        return nodes.both([nodes.repeat(nodes.characters([[0, 0x10ffff]]), 0)], [inside(body.item)])
      case 'repeat':
        return nodes.repeat(inside(body.item), body.min, body.max)
      case 'name':
        return this.namedTerminal(body, scope)
      case 'schema':
        throw source.error('%json cannot be part of a terminal', body.at)
      default:
        return body satisfies never
    }
  }

  private namedTerminal(one: Expression & { readonly kind: 'name' }, scope: Scope): Node {
    const { name, at } = one
    const bound = scope.get(name)
    if (bound !== undefined) return bound
    if (!isTerminal(name)) throw this.source.error(`a terminal is made of other terminals, found the rule ${name}`, at)
    const pattern = this.imported.get(name)
    if (pattern !== undefined) return this.regex(pattern, '', at)
    const definition = this.definitionOf(one)
    const values = one.parameters.map((value) => this.terminal(value, scope))
    const key = `${name}{${values.join()}}`
    let node = this.terminals.get(key)
    if (node !== undefined) return node
    if (this.making.includes(key))
      throw this.source.error(`the terminal ${name} is made of itself; what refers to itself is a rule, in lower case`, at)
    if (this.making.length >= MOST_DEPTH) throw this.source.error(`terminals are made of others more than ${MOST_DEPTH} deep`, at)
    this.making.push(key)
    node = this.terminal(definition.body, scopeOf(definition, values))
    this.making.pop()
    this.terminals.set(key, node)
    return node
  }

  private texts(texts: readonly Expression[]): Node {
    const { nodes } = this
    const plain: Uint8Array[] = []
    const others: Node[] = []
    for (const one of texts) {
      if (one.kind !== 'text') continue
      if (one.anyCase)
        others.push(nodes.sequence(...one.points.map((point) => nodes.characters(sameLetters(point).map((same) => [same, same] as const)))))
      else plain.push(Uint8Array.from(one.points.flatMap(utf8)))
    }
    return nodes.choice(nodes.literals(plain), ...others)
  }

  private regex(pattern: string, flags: string, at: number): Node {
    const key = `${flags}/${pattern}`
    let node = this.regexes.get(key)
    if (node !== undefined) return node
    const fail = (problem: string): SamplingError => this.source.error(`the regular expression /${pattern}/: ${problem}`, at)
    const translated = `^(?:${fromPython(pattern, flags, fail)})$`
    try {
      if (looksBeyond(parseRegex(translated), 0)) throw fail('looking ahead beyond the end of a terminal is not supported')
      node = regexNode(this.nodes, translated)
    } catch (cause) {
      if (!(cause instanceof SamplingError) || cause.message.startsWith('Lark')) throw cause
      throw new SamplingError('GRAMMAR', fail(`as ECMAScript has it, ${cause.message}`).message, { cause })
    }
    this.regexes.set(key, node)
    return node
  }
}

function scopeOf({ parameters }: Definition, values: readonly Node[]): Scope {
  return parameters.length === 0 ? NO_SCOPE : new Map(parameters.map((name, i) => [name, values[i]!]))
}

/** Whether a look ahead may see more than the characters that have to come behind it in the expression itself. */
function looksBeyond(regex: Regex, behind: number): boolean {
  if (regex.kind === 'look') return lengthOf(regex.item, 'most') > behind
  if (regex.kind === 'repeat') return looksBeyond(regex.item, behind)
  if (regex.kind === 'choice') return regex.items.some((item) => looksBeyond(item, behind))
  if (regex.kind !== 'sequence') return false
  let after = behind
  for (const item of [...regex.items].reverse()) {
    if (looksBeyond(item, after)) return true
    after += lengthOf(item, 'least')
  }
  return false
}

/** How many characters an expression has, at least or at most. */
function lengthOf(regex: Regex, which: 'least' | 'most'): number {
  switch (regex.kind) {
    case 'characters':
      return 1
    case 'anchor':
    case 'look':
      return 0
    case 'sequence':
      return regex.items.reduce((sum, item) => sum + lengthOf(item, which), 0)
    case 'choice':
      return Math[which === 'least' ? 'min' : 'max'](...regex.items.map((item) => lengthOf(item, which)))
    case 'repeat': {
      const turns = which === 'least' ? regex.min : regex.max
      return turns === 0 ? 0 : turns * lengthOf(regex.item, which)
    }
    default:
      return regex satisfies never
  }
}
