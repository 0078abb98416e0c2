/** POST /v1/chat/completions. */
import type { Tool, ToolChoice } from '@tesserae/sampling/tools'
import { thinkingVariables } from '../lm/reasoning.js'
import type { LmMessage, LmSchema, LmToolCall } from '../lm/types.js'
import { wrong } from './api-error.js'
import { described, Fields, isRecord, missing } from './fields.js'
import { sharedFields, type GenerationRequest, type RequestLimits } from './generation-request.js'

const KNOWN = [
  ...['messages', 'tools', 'tool_choice', 'parallel_tool_calls', 'response_format', 'top_logprobs', 'max_completion_tokens'],
  ...['chat_template_kwargs', 'reasoning_effort', 'verbosity', 'modalities'],
]
const NAME = /^[a-zA-Z0-9_.:-]{1,128}$/

export function readChatRequest(body: Readonly<Record<string, unknown>>, limits: RequestLimits): GenerationRequest {
  const fields = new Fields(body)
  for (const old of ['functions', 'function_call'])
    if (fields.get(old) !== undefined) throw wrong(old, 'is the old form; give tools and tool_choice', 'unsupported_parameter')
  const shared = sharedFields(fields, KNOWN, limits)
  const messages = fields.list('messages', { min: 1, max: 10_000 })
  if (messages === undefined) throw missing('messages')
  const tools = toolsOf(fields)
  const toolChoice = toolChoiceOf(fields, tools)
  const parallel = fields.boolean('parallel_tool_calls')
  const schema = schemaOf(fields)
  const effort = fields.oneOf('reasoning_effort', ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])
  const variables = { ...thinkingVariables(effort), ...fields.fields('chat_template_kwargs')?.values }
  return {
    ...shared,
    prompts: [messages.map((message, i) => messageOf(Fields.of(message, `messages[${i}]`)))],
    options: {
      ...shared.options,
      ...(tools.length === 0 ? {} : { tools }),
      ...(toolChoice === undefined ? {} : { toolChoice }),
      ...(parallel === undefined || tools.length === 0 ? {} : { parallelToolCalls: parallel }),
      ...(schema === undefined ? {} : { schema }),
      ...(Object.keys(variables).length === 0 ? {} : { templateVariables: variables }),
      ...logprobsOf(fields),
    },
    echo: false,
  }
}

function logprobsOf(fields: Fields): { readonly logprobs?: boolean | number } {
  const wanted = fields.boolean('logprobs') ?? false
  const top = fields.number('top_logprobs', { min: 0, max: 20, integer: true }) ?? 0
  if (top > 0 && !wanted) throw wrong('top_logprobs', 'goes with logprobs: true alone')
  return wanted ? { logprobs: top === 0 ? true : top } : {}
}

function messageOf(fields: Fields): LmMessage {
  const role = fields.oneOf('role', ['system', 'developer', 'user', 'assistant', 'tool'])
  if (role === undefined) throw missing(fields.where('role'))
  if (role === 'assistant') {
    const reasoning = fields.text('reasoning_content') ?? fields.text('reasoning')
    const calls = (fields.list('tool_calls', { max: 128 }) ?? []).map((call, i) =>
      callOf(Fields.of(call, fields.where(`tool_calls[${i}]`)), i),
    )
    if (calls.length === 0 && fields.get('content') === undefined) throw missing(fields.where('content'))
    return {
      role,
      content: fields.get('content') === undefined ? '' : contentOf(fields),
      ...(reasoning === undefined ? {} : { reasoning }),
      ...(calls.length === 0 ? {} : { toolCalls: calls }),
    }
  }
  const content = contentOf(fields)
  if (role !== 'tool') return { role, content }
  const name = fields.text('name')
  return { role, content, toolCallId: fields.needText('tool_call_id'), ...(name === undefined ? {} : { name }) }
}

/** A text, or parts that are texts. */
function contentOf(fields: Fields): string {
  const content = fields.get('content')
  if (content === undefined) throw missing(fields.where('content'))
  if (typeof content === 'string') return content
  return fields
    .list('content', { max: 10_000 })!
    .map((part, i) => {
      const inner = Fields.of(part, fields.where(`content[${i}]`))
      const type = inner.needText('type')
      if (type === 'refusal') return inner.needText('refusal')
      if (type !== 'text') throw wrong(inner.where('type'), `this model reads text alone, got ${described(type)}`, 'unsupported_content')
      return inner.needText('text')
    })
    .join('')
}

function callOf(fields: Fields, index: number): LmToolCall {
  if ((fields.text('type') ?? 'function') !== 'function') throw wrong(fields.where('type'), 'must be function')
  const called = fields.fields('function')
  if (called === undefined) throw missing(fields.where('function'))
  const text = called.text('arguments') ?? '{}'
  let values: unknown
  try {
    values = JSON.parse(text === '' ? '{}' : text)
  } catch {
    values = undefined
  }
  if (!isRecord(values) || Object.hasOwn(values, '__proto__'))
    throw wrong(called.where('arguments'), `must be a JSON object as text, got ${described(text)}`)
  return { index, id: fields.needText('id'), name: called.needText('name'), arguments: values as LmToolCall['arguments'] }
}

function toolsOf(fields: Fields): Tool[] {
  const names = new Set<string>()
  return (fields.list('tools', { max: 128 }) ?? []).map((tool, i): Tool => {
    const outer = Fields.of(tool, `tools[${i}]`)
    const type = outer.needText('type')
    if (type !== 'function') throw wrong(outer.where('type'), `must be function, got ${described(type)}`)
    const inner = outer.fields('function')
    if (inner === undefined) throw missing(outer.where('function'))
    const name = inner.needText('name')
    if (!NAME.test(name)) throw wrong(inner.where('name'), `must be 1 to 128 letters, digits and _ . : -, got ${described(name)}`)
    if (names.has(name)) throw wrong(inner.where('name'), `two tools are called ${name}; each needs a name of its own`)
    names.add(name)
    const description = inner.text('description')
    const parameters = inner.fields('parameters')?.values
    return {
      name,
      ...(description === undefined ? {} : { description }),
      ...(parameters === undefined ? {} : { parameters: parameters as NonNullable<Extract<Tool, { name: string }>['parameters']> }),
    }
  })
}

function toolChoiceOf(fields: Fields, tools: readonly Tool[]): ToolChoice | undefined {
  const given = fields.get('tool_choice')
  if (given === undefined) return undefined
  const choice =
    typeof given === 'string' ? fields.oneOf('tool_choice', ['none', 'auto', 'required'])! : namedChoice(fields.fields('tool_choice')!)
  if (choice === 'none' || choice === 'auto') return tools.length === 0 ? undefined : choice
  if (tools.length === 0) throw wrong('tool_choice', 'needs tools, and there are none')
  if (typeof choice === 'object' && !tools.some((tool) => 'name' in tool && tool.name === choice.name))
    throw wrong('tool_choice.function.name', `there is no tool ${described(choice.name)} in tools`)
  return choice
}

function namedChoice(fields: Fields): { readonly name: string } {
  const type = fields.needText('type')
  if (type !== 'function') throw wrong(fields.where('type'), `must be function, got ${described(type)}`)
  const inner = fields.fields('function')
  if (inner === undefined) throw missing(fields.where('function'))
  return { name: inner.needText('name') }
}

function schemaOf(fields: Fields): LmSchema | undefined {
  const format = fields.fields('response_format')
  if (format === undefined) return undefined
  const type = format.oneOf('type', ['text', 'json_object', 'json_schema'])
  if (type === undefined) throw missing(format.where('type'))
  if (type === 'text') return undefined
  if (type === 'json_object') return { type: 'object' }
  const inner = format.fields('json_schema')
  if (inner === undefined) throw missing(format.where('json_schema'))
  const schema = inner.fields('schema')
  if (schema === undefined) throw missing(inner.where('schema'))
  return schema.values
}
