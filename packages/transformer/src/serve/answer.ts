/** Answers of chats and completions, whole and in chunks. */
import type { LmFinishReason, LmLogprob, LmPart, LmResult } from '../lm/types.js'
import type { GenerationRequest } from './generation-request.js'

/** What begins each answer and chunk. */
export interface AnswerHead {
  readonly id: string
  readonly created: number
  readonly model: string
}

/** A kind of answers. */
export interface AnswerKind {
  /** The chunks that a part makes. */
  chunks(index: number, part: LmPart): object[]
  /** What ends one answer. */
  lastChunks(index: number, result: LmResult): object[]
  whole(results: readonly LmResult[]): object
  usageChunk(usage: object): object
}

const finishReason = (reason: LmFinishReason): string =>
  ({ stop: 'stop', length: 'length', context: 'length', 'tool-calls': 'tool_calls' })[reason]

export function usageOf(results: readonly LmResult[], request: GenerationRequest, reasoningTokens: number) {
  const sum = (read: (result: LmResult) => number): number => results.reduce((total, result) => total + read(result), 0)
  // The answers to one prompt share it.
  const prompt = results.reduce((total, { usage }, i) => total + (i % request.n === 0 ? usage.promptTokens : 0), 0)
  const completion = sum(({ usage }) => usage.completionTokens)
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: {
      cached_tokens: Math.min(
        prompt,
        sum(({ usage }) => usage.cachedTokens),
      ),
    },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  }
}

/** JSON has no infinity; this is what OpenAI writes for tokens that are out of the question. */
const finite = (logprob: number): number => (Number.isFinite(logprob) ? logprob : -9999)
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const chatToken = ({ bytes, logprob }: Pick<LmLogprob, 'bytes' | 'logprob'>) => ({
  token: textOf(bytes),
  logprob: finite(logprob),
  bytes: Array.from(bytes),
})
const chatLogprobs = (logprobs: readonly LmLogprob[] | undefined) =>
  logprobs === undefined
    ? null
    : { content: logprobs.map((one) => ({ ...chatToken(one), top_logprobs: one.top.map(chatToken) })), refusal: null }

export function chatAnswer(head: AnswerHead, usageIsAsked: boolean): AnswerKind {
  const begun = new Set<number>()
  /** Calls whose beginning was sent, by answer. */
  const calls = new Map<number, string[]>()
  const chunk = (choices: readonly object[]): object => ({
    id: head.id,
    object: 'chat.completion.chunk',
    created: head.created,
    model: head.model,
    choices,
    ...(usageIsAsked ? { usage: null } : {}),
  })
  const delta = (index: number, values: object, logprobs?: readonly LmLogprob[]): object =>
    chunk([{ index, delta: values, logprobs: chatLogprobs(logprobs), finish_reason: null }])
  const callDelta = (index: number, id: string, name: string, text: string): object => {
    const known = calls.get(index) ?? []
    calls.set(index, known)
    const at = known.indexOf(id)
    if (at >= 0) return delta(index, { tool_calls: [{ index: at, function: { arguments: text } }] })
    known.push(id)
    return delta(index, { tool_calls: [{ index: known.length - 1, id, type: 'function', function: { name, arguments: text } }] })
  }
  const deltas = (index: number, part: LmPart): object[] => {
    if (part.type === 'text')
      return part.text === '' && part.logprobs === undefined ? [] : [delta(index, { content: part.text }, part.logprobs)]
    if (part.type === 'reasoning') return part.text === '' ? [] : [delta(index, { reasoning_content: part.text }, part.logprobs)]
    if (part.type === 'tool-call-delta') return [callDelta(index, part.id, part.name, part.delta)]
    // A call that came whole.
    if (part.type === 'tool-call' && !(calls.get(index) ?? []).includes(part.call.id))
      return [callDelta(index, part.call.id, part.call.name, JSON.stringify(part.call.arguments))]
    return []
  }
  /** The role comes by itself, as from OpenAI: its client counts log-probabilities of a first chunk twice. */
  const withRole = (index: number, chunks: readonly object[]): object[] => {
    if (begun.has(index)) return [...chunks]
    begun.add(index)
    return [delta(index, { role: 'assistant', content: '' }), ...chunks]
  }
  return {
    chunks: (index, part) => withRole(index, deltas(index, part)),
    lastChunks: (index, result) =>
      withRole(index, [chunk([{ index, delta: {}, logprobs: null, finish_reason: finishReason(result.finishReason) }])]),
    usageChunk: (usage) => ({ ...chunk([]), usage }),
    whole: (results) => ({
      id: head.id,
      object: 'chat.completion',
      created: head.created,
      model: head.model,
      choices: results.map((result, index) => ({
        index,
        message: {
          role: 'assistant',
          content: result.text === '' && result.toolCalls.length > 0 ? null : result.text,
          refusal: null,
          ...(result.reasoning === '' ? {} : { reasoning_content: result.reasoning }),
          ...(result.toolCalls.length === 0
            ? {}
            : {
                tool_calls: result.toolCalls.map((call) => ({
                  id: call.id,
                  type: 'function',
                  function: { name: call.name, arguments: JSON.stringify(call.arguments) },
                })),
              }),
        },
        logprobs: chatLogprobs(result.logprobs),
        finish_reason: finishReason(result.finishReason),
      })),
    }),
  }
}

export function completionAnswer(head: AnswerHead, usageIsAsked: boolean, request: GenerationRequest): AnswerKind {
  const echoed = new Set<number>()
  /** Characters of each answer that were sent. */
  const offsets = new Map<number, number>()
  const frame = { id: head.id, object: 'text_completion', created: head.created, model: head.model }
  const chunk = (choices: readonly object[]): object => ({ ...frame, choices, ...(usageIsAsked ? { usage: null } : {}) })
  const echo = (index: number): string => {
    const prompt = request.prompts[Math.floor(index / request.n)]
    return request.echo && typeof prompt === 'string' ? prompt : ''
  }
  const echoOnce = (index: number): string => {
    if (echoed.has(index)) return ''
    echoed.add(index)
    return echo(index)
  }
  return {
    chunks(index, part) {
      if (part.type !== 'text' && part.type !== 'reasoning') return []
      const text = echoOnce(index) + part.text
      const offset = offsets.get(index) ?? 0
      offsets.set(index, offset + text.length)
      return text === '' && part.logprobs === undefined
        ? []
        : [chunk([{ index, text, logprobs: completionLogprobs(part.logprobs, offset), finish_reason: null }])]
    },
    lastChunks: (index, result) => [
      chunk([{ index, text: echoOnce(index), logprobs: null, finish_reason: finishReason(result.finishReason) }]),
    ],
    usageChunk: (usage) => ({ ...chunk([]), usage }),
    whole: (results) => ({
      ...frame,
      choices: results.map((result, index) => ({
        index,
        text: echo(index) + result.reasoning + result.text,
        logprobs: completionLogprobs(result.logprobs, 0),
        finish_reason: finishReason(result.finishReason),
      })),
    }),
  }
}

function completionLogprobs(logprobs: readonly LmLogprob[] | undefined, offset: number) {
  if (logprobs === undefined) return null
  let at = offset
  return {
    tokens: logprobs.map(({ bytes }) => textOf(bytes)),
    token_logprobs: logprobs.map(({ logprob }) => finite(logprob)),
    // By fromEntries, which makes own properties of any name.
    top_logprobs: logprobs.map(({ top }) => Object.fromEntries(top.map(({ bytes, logprob }) => [textOf(bytes), finite(logprob)]))),
    text_offset: logprobs.map(({ bytes }) => {
      const here = at
      at += textOf(bytes).length
      return here
    }),
  }
}
