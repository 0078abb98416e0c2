/** Grammars of texts that call tools. */
import { SamplingError } from '../errors.js'
import { compileGrammar, type Grammar } from '../grammar/compile.js'
import type { JsonSchema } from '../grammar/json-schema/document.js'
import { jsonSchemaNode, type JsonSchemaOptions } from '../grammar/json-schema/json-schema.js'
import { NOTHING, type Node, type Nodes } from '../grammar/nodes.js'
import { bareNode, type JsonNode } from './bare-schema.js'
import { formatOf, type Dialect, type Format, type FormatName, type Part } from './format.js'
import { tagsNode, textsBetweenTags } from './tags-schema.js'
import { PlainTexts } from './text-schema.js'
import { textUntil } from './text-until.js'
import { checkTools, type CheckedTool, type Tool, type ToolName } from './tool.js'

/** Whether tools are called: as the model sees fit, at least one, none, or this one. */
export type ToolChoice<Name extends string = string> = 'auto' | 'required' | 'none' | { readonly name: Name }

export interface ToolGrammarOptions<Name extends string = string> {
  readonly format: FormatName
  /** Default `auto`. */
  readonly choice?: ToolChoice<Name>
  /** Whether there may be several calls, or how many at most. Default true; false where `choice` names a tool. */
  readonly parallel?: boolean | { readonly max: number }
  /** Whether text may come before calls that have to come: what a model thinks before it calls. Default false. */
  readonly text?: boolean
  /** How the schemas of the parameters are read and written, as `grammar.fromJsonSchema` has it. */
  readonly json?: JsonSchemaOptions
}

/**
 * A grammar of texts that call tools, or may, in the format of a model. Text outside of calls is free, but does not have the marker in it that calls begin with.
 *
 * A tokenizer that writes markers such as `<tool_call>` or `[TOOL_CALLS]` as tokens of their own has their text as the bytes of those tokens in the vocabulary.
 *
 * @example
 * const calls = toolGrammar(tools, { format: 'hermes', choice: 'auto' })
 * const chooser = samplerChain([grammarStep(calls.matcher(vocabulary)), temperature(0.8)])
 * @throws SamplingError `TOOL` for tools that are none or that the format cannot carry, `GRAMMAR` where the schema of a tool's parameters is refused, as `grammar.fromJsonSchema` does
 */
export function toolGrammar<const Tools extends readonly Tool[]>(tools: Tools, options: ToolGrammarOptions<ToolName<Tools>>): Grammar {
  return compileGrammar(`calls of tools, ${options.format}`, (nodes, machine) =>
    toolNode(nodes, tools, options, (of, schema) => jsonSchemaNode(of, machine, schema, options.json)),
  )
}

/** Texts that call tools, or may: see {@link ToolGrammarOptions}. */
function toolNode(nodes: Nodes, tools: readonly Tool[], options: ToolGrammarOptions, json: JsonNode): Node {
  const { choice = 'auto', parallel = typeof choice === 'string', text = false } = options
  const format = formatOf(options.format)
  const checked = checkTools(tools, options.format)
  const { marker, atStart, list, between } = format
  const start = (next: Node): { atStart?: { byte: number; next: Node } } =>
    atStart === undefined ? {} : { atStart: { byte: atStart.charCodeAt(0), next } }
  if (choice === 'none') return textUntil(nodes, [{ text: marker, next: NOTHING }], { mayEnd: true, ...start(NOTHING) })

  const most = mostOf(parallel)
  const call = callNode(nodes, format, chosen(checked, choice), json)
  const several = (before: Node): Node => nodes.sequence(call, nodes.repeat(nodes.sequence(before, call), 0, most - 1))
  const calls =
    list === undefined
      ? several(nodes.literal(between + marker))
      : nodes.sequence(partsNode(nodes, list.open), several(nodes.literal(list.separator)), partsNode(nodes, list.close))
  if (choice === 'auto' || text) return textUntil(nodes, [{ text: marker, next: calls }], { mayEnd: choice === 'auto', ...start(calls) })
  const marked = nodes.sequence(nodes.literal(marker), calls)
  return atStart === undefined ? marked : nodes.choice(marked, calls)
}

function mostOf(parallel: boolean | { readonly max: number }): number {
  if (typeof parallel === 'boolean') return parallel ? Infinity : 1
  const { max } = parallel
  if (!(Number.isInteger(max) && max >= 1))
    throw new SamplingError('VALUE', `parallel: the most calls are an integer from 1 on, got ${String(max)}`)
  return max
}

/** The tools that may be called. */
function chosen(tools: readonly CheckedTool[], choice: Exclude<ToolChoice, 'none'>): readonly CheckedTool[] {
  if (typeof choice === 'string') {
    if (choice !== 'auto' && choice !== 'required')
      throw new SamplingError('TOOL', `choice must be "auto", "required", "none" or { name }, got ${JSON.stringify(choice)}`)
    if (tools.length === 0)
      throw new SamplingError('TOOL', `With the choice "${choice}" there is at least one tool, got none; see the choice "none"`)
    return tools
  }
  const tool = tools.find(({ name }) => name === choice.name)
  if (tool === undefined)
    throw new SamplingError(
      'TOOL',
      `choice: there is no tool called ${JSON.stringify(choice.name)}; those given are ${tools.map(({ name }) => JSON.stringify(name)).join(', ')}`,
    )
  return [tool]
}

/** A call of one of the tools, behind the marker. What comes before the name is the same for all. */
function callNode(nodes: Nodes, format: Format, tools: readonly CheckedTool[], json: JsonNode): Node {
  const parts = format.call.flatMap(spelled)
  const at = parts.findIndex(({ kind }) => kind === 'name')
  const hasQuotes = format.call.some(({ kind }) => kind === 'object')
  const write = argumentsWriter(nodes, parts.find((part) => part.kind === 'arguments')!.dialect, json)
  const calls = tools.map(({ name, parameters }) =>
    partsNode(nodes, parts.slice(at), {
      name: nodes.literal(hasQuotes ? JSON.stringify(name).slice(1, -1) : name),
      arguments: ofTool(name, () => write(parameters)),
    }),
  )
  return nodes.sequence(partsNode(nodes, parts.slice(0, at)), nodes.choice(...calls))
}

/** An object of JSON as the parts it is written in. */
function spelled(part: Part): readonly Part[] {
  if (part.kind !== 'object') return [part]
  const text = (one: string): Part => ({ kind: 'text', text: one })
  const id: Part[] = part.id === undefined ? [] : [{ kind: 'either', write: [[], [text(`, "${part.id}": "`), { kind: 'id' }, text('"')]] }]
  return [
    text(`{"${part.name}": "`),
    { kind: 'name', ends: '"' },
    text(`", "${part.arguments}": `),
    { kind: 'arguments', dialect: { kind: 'json' } },
    ...id,
    text('}'),
  ]
}

/** What is different in the calls of each tool. */
interface CallOf {
  readonly name: Node
  readonly arguments: Node
}

function partsNode(nodes: Nodes, parts: readonly Part[], call?: CallOf): Node {
  return nodes.sequence(...parts.map((part) => partNode(nodes, part, call)))
}

function partNode(nodes: Nodes, part: Part, call: CallOf | undefined): Node {
  switch (part.kind) {
    case 'text':
      return nodes.literal(part.text)
    case 'space':
      return nodes.choice(...part.forms.map((form) => nodes.literal(form)))
    case 'id':
      return nodes.repeat(
        nodes.characters([
          [0x30, 0x39],
          [0x41, 0x5a],
          [0x61, 0x7a],
        ]),
        9,
        9,
      )
    case 'either':
      return nodes.choice(...part.write.map((way) => partsNode(nodes, way, call)))
    case 'name':
      return call!.name
    case 'arguments':
      return call!.arguments
    case 'object':
      return partsNode(nodes, spelled(part), call)
    default:
      return part satisfies never
  }
}

/** How arguments are written in a dialect, for one tool after the other. */
function argumentsWriter(nodes: Nodes, dialect: Dialect, json: JsonNode): (parameters: JsonSchema) => Node {
  switch (dialect.kind) {
    case 'json':
      return (parameters) => json(nodes, asObject(parameters))
    case 'bare': {
      const texts = new PlainTexts(nodes, dialect.quote, dialect.quote)
      return (parameters) => bareNode(nodes, parameters, dialect.quote, texts, json)
    }
    case 'tags': {
      const texts = textsBetweenTags(nodes)
      return (parameters) => tagsNode(nodes, parameters, texts, json)
    }
    default:
      return dialect satisfies never
  }
}

/** Errors say which tool they are about. */
function ofTool(name: string, make: () => Node): Node {
  try {
    return make()
  } catch (cause) {
    if (!(cause instanceof SamplingError)) throw cause
    throw new SamplingError(cause.code, `The parameters of the tool ${JSON.stringify(name)}: ${cause.message}`, { cause })
  }
}

/** Arguments are an object, also where the schema does not say so. */
function asObject(schema: JsonSchema): JsonSchema {
  if (schema === false) return false
  const { type } = schema === true ? { type: undefined } : schema
  if (type !== undefined && type !== 'object' && !(Array.isArray(type) && type.includes('object')))
    throw new SamplingError('TOOL', `arguments are an object, and the schema asks for ${JSON.stringify(type)}`)
  return type === 'object' ? schema : { ...(schema === true ? {} : schema), type: 'object' }
}
