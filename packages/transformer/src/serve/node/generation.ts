/** Chats and completions over HTTP. */
import { randomUUID } from 'node:crypto'
import type { LmResult } from '../../lm/types.js'
import { apiErrorOf } from '../api-error.js'
import { chatAnswer, completionAnswer, usageOf, type AnswerKind } from '../answer.js'
import { readChatRequest } from '../chat-request.js'
import { readCompletionRequest, type GenerationRequest } from '../generation-request.js'
import { runChoices } from '../run-choices.js'
import type { Exchange } from './exchange.js'
import { EventStream, sendJson } from './http.js'
import { modelNamed } from './served.js'

type Kind = 'chat' | 'completion'

/** Answers one request. What it throws before anything was sent becomes the answer; what goes wrong behind that is an event of the stream. */
export async function generate(kind: Kind, exchange: Exchange, body: Readonly<Record<string, unknown>>): Promise<void> {
  const { limits, served, metrics, signal, response } = exchange
  const request = kind === 'chat' ? readChatRequest(body, limits) : readCompletionRequest(body, limits)
  const { name, model, gate } = modelNamed(served.chat, request.model)
  const head = {
    id: `${kind === 'chat' ? 'chatcmpl' : 'cmpl'}-${randomUUID()}`,
    created: Math.floor(Date.now() / 1000),
    model: name,
  }
  const answer = kind === 'chat' ? chatAnswer(head, request.includeUsage) : completionAnswer(head, request.includeUsage, request)
  const labels = { model: name }
  const began = new Set<number>()
  let reasoningTokens = 0
  const events = request.stream ? new EventStream(response, signal) : undefined
  const tickets = gate.enter(request.prompts.length * request.n)
  try {
    const results = await runChoices(model, request, {
      signal,
      tickets,
      onTurn: () => metrics.queueSeconds.observe(labels, exchange.seconds()),
      onPart: async (index, part) => {
        if (!began.has(index)) metrics.firstTokenSeconds.observe(labels, exchange.seconds())
        began.add(index)
        if (part.type === 'reasoning') reasoningTokens += part.ids.length
        if (events !== undefined) for (const chunk of answer.chunks(index, part)) await events.send(chunk)
      },
    })
    count(exchange, name, results, request)
    const usage = usageOf(results, request, reasoningTokens)
    if (events === undefined) return sendJson(response, 200, { ...answer.whole(results), usage })
    await sendEnd(events, answer, results, request.includeUsage ? usage : undefined)
  } catch (error) {
    if (events?.hasBegun !== true || (signal.aborted && exchange.isGone())) throw error
    exchange.failed(error)
    // The status was sent long ago: clients look for this event.
    await events.send(apiErrorOf(exchange.reasonOf(error)))
    events.end()
  }
}

async function sendEnd(events: EventStream, answer: AnswerKind, results: readonly LmResult[], usage: object | undefined): Promise<void> {
  for (const [index, result] of results.entries()) for (const chunk of answer.lastChunks(index, result)) await events.send(chunk)
  if (usage !== undefined) await events.send(answer.usageChunk(usage))
  await events.send('[DONE]')
  events.end()
}

function count({ metrics, note }: Exchange, model: string, results: readonly LmResult[], request: GenerationRequest): void {
  const labels = { model }
  for (const [index, { usage, seconds }] of results.entries()) {
    if (index % request.n === 0) metrics.promptTokens.add(labels, usage.promptTokens)
    metrics.cachedTokens.add(labels, usage.cachedTokens)
    metrics.completionTokens.add(labels, usage.completionTokens)
    if (usage.completionTokens > 1) metrics.tokenSeconds.observe(labels, seconds.decode / (usage.completionTokens - 1))
  }
  const sum = (read: (result: LmResult) => number): number => results.reduce((total, result) => total + read(result), 0)
  note({ model, promptTokens: sum(({ usage }) => usage.promptTokens), completionTokens: sum(({ usage }) => usage.completionTokens) })
}
