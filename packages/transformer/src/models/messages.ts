import { TransformerError } from '../errors.js'
import type { LmMessage, LmToolCall } from '../lm/types.js'
import type { ModelWarning } from './spec.js'

/** A message of a call, as all versions of the specification have it. */
interface CallMessage {
  readonly role: string
  readonly content: unknown
}

/** The messages of a call. Errors: OPTION for what no text model can read, such as files. */
export function callMessages(prompt: readonly CallMessage[], warnings: ModelWarning[]): LmMessage[] {
  return prompt.flatMap((message, i): LmMessage[] => {
    const { role, content } = message
    if (role === 'system') return [{ role, content: String(content) }]
    const parts = content as readonly Part[]
    if (role === 'tool') return parts.flatMap((part) => resultMessage(part, i, warnings))
    const of = (type: string): string => parts.map((part) => (part.type === type ? String(part['text']) : '')).join('')
    const known = role === 'assistant' ? ['text', 'reasoning', 'tool-call'] : ['text']
    const unknown = parts.find(({ type }) => !known.includes(type))
    if (unknown !== undefined) throw unreadable(`message ${i} (${role}) has a part of type '${unknown.type}'`)
    if (role === 'user') return [{ role, content: of('text') }]
    const toolCalls = parts.filter(({ type }) => type === 'tool-call').map(callOf)
    const reasoning = of('reasoning')
    return [
      {
        role: 'assistant',
        content: of('text'),
        ...(reasoning === '' ? {} : { reasoning }),
        ...(toolCalls.length === 0 ? {} : { toolCalls }),
      },
    ]
  })
}

interface Part {
  readonly type: string
  readonly [field: string]: unknown
}

function callOf(part: Part, index: number): LmToolCall {
  const { input } = part
  const given: unknown = typeof input === 'string' ? JSON.parse(input) : input
  return { index, id: String(part['toolCallId']), name: String(part['toolName']), arguments: (given ?? {}) as LmToolCall['arguments'] }
}

function resultMessage(part: Part, i: number, warnings: ModelWarning[]): LmMessage[] {
  if (part.type !== 'tool-result') {
    warnings.push({
      type: 'other',
      message: `the part of type '${part.type}' in message ${i} was left out: this model has no place for it`,
    })
    return []
  }
  const output = part['output'] as { readonly type: string; readonly value?: unknown; readonly reason?: unknown }
  return [
    { role: 'tool', toolCallId: String(part['toolCallId']), name: String(part['toolName']), content: resultText(output, `message ${i}`) },
  ]
}

/** What a tool gave, as text. */
function resultText(
  { type, value, reason }: { readonly type: string; readonly value?: unknown; readonly reason?: unknown },
  where: string,
): string {
  if (type === 'execution-denied') return `The call was not allowed${reason === undefined ? '' : `: ${String(reason)}`}`
  if (typeof value === 'string' && type !== 'json' && type !== 'error-json') return value
  if (type !== 'content') return JSON.stringify(value) ?? ''
  return (value as readonly Part[])
    .map((part) => {
      if (part.type !== 'text') throw unreadable(`${where} has a tool's result with a part of type '${part.type}'`)
      return String(part['text'])
    })
    .join('')
}

const unreadable = (what: string): TransformerError =>
  new TransformerError('OPTION', `${what}; this model reads text alone. Put what it should know into a text part`)

/** The contents, a blank line between them: for models that continue text and know no roles. */
export const plainPrompt = (messages: readonly LmMessage[]): string => messages.map(({ content }) => content).join('\n\n')
