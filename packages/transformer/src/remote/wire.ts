/** Chunks of a stream, as far as they are read; everything in them may be missing or of another type. */
import { TransformerError } from '../errors.js'
import type { LmFinishReason, LmLogprob, LmMessage, LmUsage } from '../lm/types.js'

export type Json = Readonly<Record<string, unknown>>

export const record = (value: unknown): Json | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
export const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const count = (value: unknown): number => (typeof value === 'number' && value >= 0 ? value : 0)

/** Messages as chats have them. */
export function wireMessage(message: LmMessage): object {
  if (message.role === 'tool') return { role: 'tool', tool_call_id: message.toolCallId, content: message.content }
  if (message.role !== 'assistant') return { role: message.role, content: message.content }
  const { content, reasoning, toolCalls = [] } = message
  return {
    role: 'assistant',
    content: content === '' && toolCalls.length > 0 ? null : content,
    ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
    ...(toolCalls.length === 0
      ? {}
      : {
          tool_calls: toolCalls.map(({ id, name, arguments: values }) => ({
            id,
            type: 'function',
            function: { name, arguments: JSON.stringify(values) },
          })),
        }),
  }
}

export function finishReasonOf(word: string): LmFinishReason {
  if (word === 'length' || word === 'max_tokens') return 'length'
  return word === 'tool_calls' || word === 'function_call' ? 'tool-calls' : 'stop'
}

/** Zeros where the server does not count. */
export function usageOf(value: unknown): LmUsage {
  const usage = record(value)
  return {
    promptTokens: count(usage?.['prompt_tokens']),
    cachedTokens: count(record(usage?.['prompt_tokens_details'])?.['cached_tokens']),
    completionTokens: count(usage?.['completion_tokens']),
  }
}

const encoder = new TextEncoder()

/** Of a chat: ids that are not told are −1; llama.cpp tells them. */
export function chatLogprobs(value: unknown): LmLogprob[] | undefined {
  const content = record(value)?.['content']
  if (!Array.isArray(content)) return undefined
  const one = (given: unknown): LmLogprob['top'][number] => {
    const { id, token, bytes, logprob } = record(given) ?? {}
    return {
      id: typeof id === 'number' ? id : -1,
      bytes: Array.isArray(bytes) ? Uint8Array.from(bytes as number[]) : encoder.encode(text(token) ?? ''),
      logprob: typeof logprob === 'number' ? logprob : Number.NaN,
    }
  }
  return content.map((given: unknown) => ({ ...one(given), top: list(record(given)?.['top_logprobs']).map(one) }))
}

/** Of a completion: lists side by side; llama.cpp has those of a chat there too. */
export function completionLogprobs(value: unknown): LmLogprob[] | undefined {
  const found = record(value)
  if (!Array.isArray(found?.['tokens'])) return chatLogprobs(value)
  const [logprobs, tops] = [list(found['token_logprobs']), list(found['top_logprobs'])]
  return found['tokens'].map((token: unknown, i) => ({
    id: -1,
    bytes: encoder.encode(text(token) ?? ''),
    logprob: typeof logprobs[i] === 'number' ? logprobs[i] : Number.NaN,
    top: Object.entries(record(tops[i]) ?? {}).map(([word, logprob]) => ({
      id: -1,
      bytes: encoder.encode(word),
      logprob: Number(logprob),
    })),
  }))
}

/** An event as a record. Errors: REMOTE for what is none, and for one that tells of an error. */
export function chunkOf(data: string, where: string): Json {
  let value: Json | undefined
  try {
    value = record(JSON.parse(data))
  } catch {
    value = undefined
  }
  if (value === undefined) throw new TransformerError('REMOTE', `${where} sent an event that is no JSON object: ${data.slice(0, 200)}`)
  if (value['error'] !== undefined && value['error'] !== null) {
    const { error } = value
    throw new TransformerError('REMOTE', `${where} broke off: ${text(record(error)?.['message']) ?? text(error) ?? data.slice(0, 200)}`)
  }
  return value
}
