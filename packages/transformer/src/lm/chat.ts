/** Conversations as the ids that a model goes on from. */
import { TesseraeError } from '@tesserae/core'
import type { FunctionTool, Tool } from '@tesserae/sampling/tools'
import type { ChatMessage, TextTokenizer } from '@tesserae/tokenizer'
import { TransformerError } from '../errors.js'
import { toolFormatOf } from './tool-format.js'
import type { LmMessage, LmOptions, LmPrompt } from './types.js'

/** True for a conversation, false for text and ids. */
export const isConversation = (prompt: LmPrompt): prompt is readonly LmMessage[] =>
  Array.isArray(prompt) && (prompt.length === 0 || typeof prompt[0] === 'object')

export interface ChatOptions extends Pick<LmOptions, 'tools' | 'templateVariables'> {
  /** The template; default the tokenizer's. */
  readonly template?: string
  /** Whether the template writes tools itself; without it they are described in the system message. */
  readonly describeTools: boolean
}

/** The function of a tool, however it is given. */
export const functionOf = (tool: Tool): FunctionTool => ('function' in tool ? tool.function : tool)

/** The template of a tokenizer's chats, with tools and without. */
export function templateOf(tokenizer: TextTokenizer, given: string | undefined, withTools: boolean): string | undefined {
  return given ?? (withTools ? tokenizer.chatTemplates.get('tool_use') : undefined) ?? tokenizer.chatTemplates.get('default')
}

/**
 * Ids of a conversation. A last message of the assistant's is gone on with. Errors: OPTION for no messages and for a model without a template; TEMPLATE and VALUE of `@tesserae/tokenizer`.
 */
export async function chatIds(tokenizer: TextTokenizer, messages: readonly LmMessage[], options: ChatOptions): Promise<Uint32Array> {
  const { tools = [], templateVariables = {} } = options
  const describeTools = options.describeTools && tools.length > 0
  const template = templateOf(tokenizer, options.template, tools.length > 0 && !describeTools)
  if (messages.length === 0) throw new TransformerError('OPTION', 'a conversation has at least one message, got none')
  if (template === undefined)
    throw new TransformerError(
      'OPTION',
      'the model has no chat template, so it knows no messages; give it a text to go on with, or a template (option chatTemplate of loadModel and createLm)',
    )
  const given = describeTools ? withToolsDescribed(messages, tools) : messages
  const plain = given.map((message, i) => templateMessage(message, given.slice(0, i), template.includes('developer')))
  const render = async (all: readonly ChatMessage[]): Promise<Uint32Array> =>
    tokenizer.applyChatTemplate(all, {
      template,
      variables: templateVariables,
      ...(tools.length > 0 && !describeTools ? { tools: tools.map((tool) => ({ type: 'function', function: functionOf(tool) })) } : {}),
      ...(messages.at(-1)!.role === 'assistant' ? { continueFinalMessage: true } : { addGenerationPrompt: true }),
    })
  try {
    return await render(plain)
  } catch (error) {
    // Some templates refuse system messages: what they say then goes before the first question.
    const merged = TesseraeError.isInstance(error) && error.code === 'TEMPLATE' ? withoutSystem(plain) : undefined
    if (merged === undefined) throw error
    return render(merged).catch(() => {
      throw error
    })
  }
}

/** A message with the fields that templates know. */
function templateMessage(message: LmMessage, before: readonly LmMessage[], knowsDeveloper: boolean): ChatMessage {
  switch (message.role) {
    case 'assistant':
      return {
        role: 'assistant',
        content: message.content,
        ...(message.reasoning === undefined || message.reasoning === '' ? {} : { reasoning_content: message.reasoning }),
        ...(message.toolCalls === undefined || message.toolCalls.length === 0
          ? {}
          : {
              tool_calls: message.toolCalls.map(({ id, name, arguments: given }) => ({
                type: 'function',
                id,
                function: { name, arguments: given },
              })),
            }),
      }
    case 'tool': {
      const name = message.name ?? nameOfCall(message.toolCallId, before)
      return { role: 'tool', content: message.content, tool_call_id: message.toolCallId, ...(name === undefined ? {} : { name }) }
    }
    case 'developer':
      return { role: knowsDeveloper ? 'developer' : 'system', content: message.content }
    default:
      return { role: message.role, content: message.content }
  }
}

const nameOfCall = (id: string, before: readonly LmMessage[]): string | undefined =>
  before.flatMap((message) => (message.role === 'assistant' ? (message.toolCalls ?? []) : [])).findLast((call) => call.id === id)?.name

function withoutSystem([first, ...rest]: readonly ChatMessage[]): readonly ChatMessage[] | undefined {
  const at = rest.findIndex(({ role }) => role === 'user')
  if (first?.role !== 'system' || at < 0) return undefined
  return rest.map((message, i) => (i === at ? { ...message, content: `${String(first.content)}\n\n${String(message.content)}` } : message))
}

/**
 * For models whose template knows no tools: tools, calls and results as text, in the format of Hermes.
 */
function withToolsDescribed(messages: readonly LmMessage[], tools: readonly Tool[]): LmMessage[] {
  const system = `You can call functions. These are described by JSON, one a line:
${tools.map((tool) => JSON.stringify(functionOf(tool))).join('\n')}
To call one, write its name and arguments as JSON between tags, and nothing else:
<tool_call>
{"name": "NAME", "arguments": {"KEY": "VALUE"}}
</tool_call>
The result then follows between <tool_response> and </tool_response>. Answer from the results.`
  const [first, ...rest] = messages.map((message): LmMessage => {
    if (message.role === 'tool') return { role: 'user', content: `<tool_response>\n${message.content}\n</tool_response>` }
    if (message.role !== 'assistant' || message.toolCalls === undefined || message.toolCalls.length === 0) return message
    const calls = message.toolCalls.map(
      ({ name, arguments: given }) => `<tool_call>\n${JSON.stringify({ name, arguments: given })}\n</tool_call>`,
    )
    return { role: 'assistant', content: [message.content, ...calls].filter((text) => text !== '').join('\n') }
  })
  return first?.role === 'system' || first?.role === 'developer'
    ? [{ ...first, content: `${first.content}\n\n${system}` }, ...rest]
    : [{ role: 'system', content: system }, ...(first === undefined ? [] : [first]), ...rest]
}

/** Whether the template of a tokenizer's chats writes tools itself. */
export function writesTools(tokenizer: TextTokenizer, given: string | undefined): boolean {
  const template = templateOf(tokenizer, given, true)
  return template !== undefined && toolFormatOf(template) !== undefined
}
