/** The loop that calls tools and goes on with what they give. */
import { throwIfAborted } from '@tesserae/core'
import type { Tool } from '@tesserae/sampling/tools'
import { TransformerError } from '../errors.js'
import { readSchema } from './schema.js'
import type { Lm, LmMessage, LmOptions, LmPart, LmResult, LmSchema, LmToolCall, SchemaOutput, StandardSchemaLike } from './types.js'

export interface ToolContext {
  readonly toolCallId: string
  /** What was said before the call. */
  readonly messages: readonly LmMessage[]
  readonly signal: AbortSignal | undefined
}

/** A function that a model may call, with what it does. */
export interface RunnableTool {
  readonly name: string
  readonly description?: string
  /** What its arguments may be: a JSON Schema, or a Standard Schema, which also checks and types them. Default none. */
  readonly parameters?: LmSchema
  /** What it gives goes to the model: text as it is, all else as JSON. What it throws goes there too, as text, so that the model may try otherwise. */
  // The arguments of each tool are its own; `defineTool` types them.
  execute(given: never, context: ToolContext): unknown
}

/**
 * A tool whose `execute` is typed by its parameters.
 *
 * @example
 * const weather = defineTool({
 *   name: 'weather',
 *   description: 'The weather in a city',
 *   parameters: z.object({ city: z.string() }),
 *   execute: async ({ city }, { signal }) => (await fetch(`https://example.com/${city}`, { signal })).json(),
 * })
 */
export const defineTool = <Parameters extends LmSchema>(tool: {
  readonly name: string
  readonly description?: string
  readonly parameters?: Parameters
  readonly execute: (
    given: Parameters extends StandardSchemaLike ? SchemaOutput<Parameters> : Readonly<Record<string, unknown>>,
    context: ToolContext,
  ) => unknown
}): RunnableTool => tool as unknown as RunnableTool

/** One answer of the model, and what the tools that it called gave. */
export interface ToolStep {
  readonly result: LmResult
  readonly toolResults: readonly { readonly call: LmToolCall; readonly content: string; readonly isError: boolean }[]
}

export interface RunToolsOptions<Schema extends LmSchema | undefined = undefined> extends Omit<LmOptions<Schema>, 'tools'> {
  readonly tools: readonly RunnableTool[]
  /** Most answers of the model, the last included. Default 8. */
  readonly maxSteps?: number
  /** Told of each part of each answer as it comes. */
  readonly onPart?: (part: LmPart, step: number) => void
  /** Told of each step once its tools have run. */
  readonly onStep?: (step: ToolStep, index: number) => void | Promise<void>
}

export interface RunToolsResult<Output = unknown> {
  /** The last answer's. */
  readonly text: string
  readonly object: Output | undefined
  /** The conversation with all that was added; what the next question goes behind. */
  readonly messages: readonly LmMessage[]
  readonly steps: readonly ToolStep[]
  /** tool-calls where the steps ran out before the model was done. */
  readonly finishReason: LmResult['finishReason']
  /** Of all answers together. */
  readonly usage: LmResult['usage']
}

/**
 * Asks a model, runs the tools that it calls, those of one answer side by side, and asks again with what they gave, until it answers without a call or the steps are used up. Works with every `Lm`, here or elsewhere. A
 * tool that throws, is given what its parameters refuse, or is none, is an answer of its own to the model. With a choice that forces a call only the first step is forced.
 *
 * @example
 * const { text } = await runTools(lm, [{ role: 'user', content: 'Umbrella in Paris?' }], { tools: [weather], maxSteps: 5 })
 * @throws OPTION for tools and steps that are none; AbortError, then also from within `execute`; what the model throws
 */
export async function runTools<Schema extends LmSchema | undefined = undefined>(
  lm: Lm,
  messages: readonly LmMessage[],
  options: RunToolsOptions<Schema>,
): Promise<RunToolsResult<SchemaOutput<Schema>>> {
  const { tools, maxSteps = 8, onPart, onStep, ...settings } = options
  if (!Number.isInteger(maxSteps) || maxSteps < 1)
    throw new TransformerError('OPTION', `maxSteps is an integer from 1 on, got ${String(maxSteps)}`)
  const given = tools.map(describe)
  const said: LmMessage[] = [...messages]
  const steps: ToolStep[] = []
  for (let step = 0; ; step++) {
    throwIfAborted(settings.signal, 'Running tools')
    const choice = step === 0 ? settings.toolChoice : settings.toolChoice === 'none' ? 'none' : 'auto'
    const before = [...said]
    const result = await answer(
      lm,
      before,
      { ...settings, tools: given, ...(choice === undefined ? {} : { toolChoice: choice }) },
      (part) => onPart?.(part, step),
    )
    const { text, reasoning, toolCalls } = result
    said.push({
      role: 'assistant',
      content: text,
      ...(reasoning === '' ? {} : { reasoning }),
      ...(toolCalls.length === 0 ? {} : { toolCalls }),
    })
    const toolResults = await Promise.all(toolCalls.map((call) => run(tools, call, before, settings.signal)))
    for (const { call, content } of toolResults) said.push({ role: 'tool', toolCallId: call.id, name: call.name, content })
    steps.push({ result, toolResults })
    await onStep?.(steps.at(-1)!, step)
    if (toolCalls.length > 0 && step + 1 < maxSteps) continue
    const { object, finishReason } = result as LmResult<string, SchemaOutput<Schema>>
    return { text, object, messages: said, steps, finishReason, usage: usageOf(steps) }
  }
}

function describe({ name, description, parameters }: RunnableTool): Tool {
  return {
    name,
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters: readSchema(parameters).json }),
  }
}

async function answer(lm: Lm, messages: readonly LmMessage[], options: LmOptions, onPart: (part: LmPart) => void): Promise<LmResult> {
  const parts: AsyncIterable<LmPart> = lm.stream(messages, options)
  for await (const part of parts) {
    onPart(part)
    if (part.type === 'finish') return part.result
  }
  throw new TransformerError('OUTPUT', `the model ${lm.info.id} ended its answer without saying so`)
}

async function run(
  tools: readonly RunnableTool[],
  call: LmToolCall,
  messages: readonly LmMessage[],
  signal: AbortSignal | undefined,
): Promise<ToolStep['toolResults'][number]> {
  try {
    const tool = tools.find(({ name }) => name === call.name)
    if (tool === undefined)
      throw new Error(`there is no tool ${JSON.stringify(call.name)}; there are ${tools.map(({ name }) => name).join(', ')}`)
    const { parameters } = tool
    const input = parameters === undefined ? call.arguments : await readSchema(parameters).validate(call.arguments)
    const value: unknown = await tool.execute(input as never, { toolCallId: call.id, messages, signal })
    return { call, content: typeof value === 'string' ? value : (JSON.stringify(value) ?? ''), isError: false }
  } catch (error) {
    throwIfAborted(signal, 'Running tools')
    return { call, content: `Error: ${error instanceof Error ? error.message : String(error)}`, isError: true }
  }
}

function usageOf(steps: readonly ToolStep[]): LmResult['usage'] {
  const sum = (key: keyof LmResult['usage']): number => steps.reduce((total, { result }) => total + result.usage[key], 0)
  return { promptTokens: sum('promptTokens'), cachedTokens: sum('cachedTokens'), completionTokens: sum('completionTokens') }
}
