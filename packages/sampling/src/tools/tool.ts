/** Tools as callers give them. */
import { SamplingError } from '../errors.js'
import type { JsonSchema } from '../grammar/json-schema/document.js'
import { BLANK, formatOf, type FormatName, type Part } from './format.js'

/** A function that a model may call. */
export interface FunctionTool<Name extends string = string> {
  readonly name: Name
  readonly description?: string
  /** What its arguments may be: the schema of an object. Default one without properties. */
  readonly parameters?: JsonSchema
}

/** A function that a model may call, by itself or as OpenAI's interface has it. */
export type Tool<Name extends string = string> = FunctionTool<Name> | { readonly type: 'function'; readonly function: FunctionTool<Name> }

/** The names of some tools. */
export type ToolName<Tools extends readonly Tool[]> = Tools[number] extends infer One
  ? One extends { readonly function: { readonly name: infer Name extends string } }
    ? Name
    : One extends { readonly name: infer Name extends string }
      ? Name
      : never
  : never

const NO_PARAMETERS: JsonSchema = { type: 'object', properties: {}, additionalProperties: false }

export interface CheckedTool {
  readonly name: string
  readonly parameters: JsonSchema
}

/** Throws `TOOL` for tools that are none, that share a name, or whose name the format cannot carry. */
export function checkTools(tools: readonly Tool[], format: FormatName): CheckedTool[] {
  if (!Array.isArray(tools)) throw new SamplingError('TOOL', `tools must be a list of tools, got ${String(tools)}`)
  const ends = endsOfName(formatOf(format).call)
  const names = new Set<string>()
  return tools.map((tool: Tool, i) => {
    const { name, parameters = NO_PARAMETERS } =
      (typeof tool === 'object' && tool !== null && 'function' in tool ? tool.function : tool) ?? {}
    if (typeof name !== 'string' || name === '' || /\p{Surrogate}/u.test(name))
      throw new SamplingError('TOOL', `tools[${i}]: a tool has a name that is not empty, got ${JSON.stringify(name) ?? 'none'}`)
    if (names.has(name))
      throw new SamplingError('TOOL', `tools[${i}]: two tools are called ${JSON.stringify(name)}; each needs a name of its own`)
    names.add(name)
    const bad = ends === undefined ? undefined : [...name].find((character) => BLANK.test(character) || ends.includes(character))
    if (bad !== undefined)
      throw new SamplingError(
        'TOOL',
        `tools[${i}]: the format ${format} cannot carry the name ${JSON.stringify(name)}, for ${JSON.stringify(bad)} ends names there`,
      )
    if (typeof parameters !== 'boolean' && (typeof parameters !== 'object' || parameters === null || Array.isArray(parameters)))
      throw new SamplingError('TOOL', `tools[${i}]: parameters must be a JSON Schema, got ${JSON.stringify(parameters)}`)
    return { name, parameters }
  })
}

/** The characters that end a name that is written without quotes; undefined where names have quotes. */
function endsOfName(parts: readonly Part[]): string | undefined {
  return parts.find((part) => part.kind === 'name')?.ends
}
