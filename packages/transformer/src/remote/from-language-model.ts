/** Models of AI SDK's providers as models like any other here. */
import { AbortedError, finishReasonOf, throwIfAborted, tokenCountsOf } from '@tesserae/core'
import type { LanguageModelCall, LanguageModelLike, ModelJson, ModelMessage, ModelStreamPart, ModelTool } from '@tesserae/core'
import { hashString } from '@tesserae/core'
import type { Tool } from '@tesserae/sampling/tools'
import { TransformerError } from '../errors.js'
import { samplingOf } from '../lm/sampling.js'
import { readSchema, type AnswerSchema } from '../lm/schema.js'
import { streamingLm } from '../lm/streaming-lm.js'
import type { Lm, LmFinishReason, LmMessage, LmOptions, LmPart, LmPrompt, LmUsage } from '../lm/types.js'
import { AnswerBuilder } from './answer-builder.js'

export interface FromLanguageModelOptions {
  /** Tokens of a prompt and its answer together; default unlimited here: the provider refuses what is too long. */
  readonly context?: number
  /** Told what the provider did not do that it was asked for; default such a call fails with UNSUPPORTED. */
  readonly onWarnings?: (warnings: readonly unknown[]) => void
}

/**
 * Makes a language model of AI SDK's provider specification V2, V3 or V4, such as those of `@ai-sdk/openai`, `@ai-sdk/anthropic` and `@ai-sdk/google`, a model as those that are loaded
 * here: for `serve`, `runTools` and whatever else takes an `Lm`. It answers conversations, not texts to be gone on with, and tells no ids.
 *
 * Errors of calls: UNSUPPORTED for texts, ids, stop ids, log-probabilities, `minP`, `repetitionPenalty` and `logitBias`, which the specification has no place for, and for what the provider warns of; AbortError; REMOTE with the provider's
 * error as its cause.
 *
 * @example
 * const lm = fromLanguageModel(anthropic('claude-sonnet-4-5'))
 * const { text } = await lm.generate([{ role: 'user', content: 'Name a sea.' }], { maxTokens: 100 })
 */
export function fromLanguageModel(model: LanguageModelLike, options: FromLanguageModelOptions = {}): Lm {
  const { context = Infinity, onWarnings } = options
  const where = `the model ${model.modelId} of ${model.provider}`
  let gone = false
  return streamingLm({
    info: { id: model.modelId, architecture: 'remote', context, parameters: undefined, licence: undefined, hasChatTemplate: true },
    stream: (prompt, call) => {
      if (gone) throw new TransformerError('DISPOSED', `${where} was disposed`)
      return answer(model, where, prompt, call, onWarnings)
    },
    tokenize: async () => {
      throw new TransformerError('UNSUPPORTED', `${where} does not tell ids of tokens`)
    },
    dispose: async () => void (gone = true),
  })
}

async function* answer(
  model: LanguageModelLike,
  where: string,
  prompt: LmPrompt,
  options: LmOptions,
  onWarnings: FromLanguageModelOptions['onWarnings'],
): AsyncGenerator<LmPart, void, undefined> {
  const { signal } = options
  const schema = options.schema === undefined ? undefined : readSchema(options.schema)
  const call = callOf(where, prompt, options, schema)
  throwIfAborted(signal, 'Generation')
  const builder = new AnswerBuilder(where, schema, false)
  let reason: LmFinishReason | undefined
  let usage: LmUsage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }
  const failed = (cause: unknown): unknown => {
    if (signal?.aborted === true) return new AbortedError('Generation was aborted by its signal', { cause: signal.reason })
    if (TransformerError.isInstance(cause)) return cause
    return new TransformerError('REMOTE', `${where} failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  let reader: ReadableStreamDefaultReader<ModelStreamPart> | undefined
  try {
    reader = (await model.doStream(call)).stream.getReader()
    for (;;) {
      const { value: part, done } = await reader.read()
      if (done) break
      throwIfAborted(signal, 'Generation')
      if (part.type === 'error') throw part.error
      if (part.type === 'stream-start') heed((part as { readonly warnings?: readonly unknown[] }).warnings ?? [], where, onWarnings)
      if (part.type === 'finish') {
        reason = reasonOf(finishReasonOf(part.finishReason ?? 'other'), where)
        if (part.usage !== undefined) usage = usageOf(part.usage)
      }
      for (const made of partsOf(builder, part)) yield made
    }
    if (reason === undefined) throw new TransformerError('REMOTE', `${where} ended its answer without saying why`)
  } catch (error) {
    throw failed(error)
  } finally {
    await reader?.cancel().catch(() => {})
  }
  yield* builder.end(reason, usage)
}

function heed(warnings: readonly unknown[], where: string, onWarnings: FromLanguageModelOptions['onWarnings']): void {
  if (warnings.length === 0) return
  if (onWarnings !== undefined) return onWarnings(warnings)
  throw new TransformerError(
    'UNSUPPORTED',
    `${where} cannot do all that was asked: ${JSON.stringify(warnings).slice(0, 500)}; leave it out, or take warnings by onWarnings`,
  )
}

function partsOf(builder: AnswerBuilder, part: ModelStreamPart): LmPart[] {
  if (part.type === 'text-delta') return builder.add('text', part.delta ?? '')
  if (part.type === 'reasoning-delta') return builder.add('reasoning', part.delta ?? '')
  if (part.type === 'tool-input-start') return builder.addCall(part.id ?? '', part.id, part.toolName, '')
  if (part.type === 'tool-input-delta') return builder.addCall(part.id ?? '', part.id, undefined, part.delta ?? '')
  // A call that came whole; else it repeats what has come.
  if (part.type === 'tool-call' && !builder.hasCall(part.toolCallId ?? ''))
    return builder.addCall(part.toolCallId ?? '', part.toolCallId, part.toolName, part.input ?? '')
  return []
}

function reasonOf(word: string, where: string): LmFinishReason {
  if (word === 'length') return 'length'
  if (word === 'tool-calls') return 'tool-calls'
  if (word === 'error') throw new TransformerError('REMOTE', `${where} ended its answer with an error`)
  return 'stop'
}

function usageOf(usage: NonNullable<ModelStreamPart['usage']>): LmUsage {
  const { input = 0, output = 0 } = tokenCountsOf(usage)
  const { inputTokens } = usage as { readonly inputTokens: unknown }
  const cached =
    typeof inputTokens === 'object' && inputTokens !== null ? (inputTokens as { readonly cacheRead?: unknown }).cacheRead : undefined
  return { promptTokens: input, cachedTokens: typeof cached === 'number' ? cached : 0, completionTokens: output }
}

function callOf(where: string, prompt: LmPrompt, options: LmOptions, schema: AnswerSchema | undefined): LanguageModelCall {
  const lacking = (what: string): TransformerError =>
    new TransformerError('UNSUPPORTED', `${where} takes no ${what}: AI SDK's specification has no place for it`)
  if (typeof prompt === 'string' || typeof prompt[0] !== 'object') throw lacking('text or ids to go on with; give messages')
  const {
    temperature,
    topP,
    topK,
    minP = 0,
    seed,
    repetitionPenalty = 1,
    frequencyPenalty,
    presencePenalty,
    logitBias,
  } = samplingOf(options.sampler, where)
  if (minP !== 0) throw lacking('minP')
  if (repetitionPenalty !== 1) throw lacking('repetitionPenalty')
  if (logitBias !== undefined) throw lacking('logitBias')
  if (options.logprobs !== undefined && options.logprobs !== false) throw lacking('logprobs')
  if (options.contrastive !== undefined) throw lacking('contrastive')
  if (options.templateVariables !== undefined) throw lacking('templateVariables')
  const stop = (options.stop ?? []).map((one) => {
    if (typeof one === 'number') throw lacking('stop ids; texts it does')
    return one
  })
  const tools = (options.tools ?? []).map(toolOf)
  const { toolChoice } = options
  const settings = {
    maxOutputTokens: options.maxTokens,
    temperature,
    topP,
    topK: topK === 0 ? undefined : topK,
    frequencyPenalty,
    presencePenalty,
    seed: typeof seed === 'string' ? hashString(seed)[0] >>> 1 : seed,
    stopSequences: stop.length === 0 ? undefined : stop,
    responseFormat:
      schema === undefined ? undefined : { type: 'json' as const, schema: typeof schema.json === 'boolean' ? {} : schema.json },
    tools: tools.length === 0 ? undefined : tools,
    toolChoice:
      tools.length === 0 || toolChoice === undefined
        ? undefined
        : typeof toolChoice === 'string'
          ? { type: toolChoice }
          : { type: 'tool' as const, toolName: toolChoice.name },
    abortSignal: options.signal,
  }
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as Partial<LanguageModelCall>
  return { prompt: messagesOf(prompt as readonly LmMessage[]), ...given }
}

function toolOf(tool: Tool): ModelTool {
  const { name, description, parameters } = 'function' in tool ? tool.function : tool
  const inputSchema = typeof parameters === 'object' ? parameters : { type: 'object', properties: {} }
  return { type: 'function', name, ...(description === undefined ? {} : { description }), inputSchema }
}

/** Results carry the names of their tools, which messages may leave to the calls. */
function messagesOf(messages: readonly LmMessage[]): ModelMessage[] {
  const names = new Map(
    messages.flatMap((message) => (message.role === 'assistant' ? (message.toolCalls ?? []) : [])).map(({ id, name }) => [id, name]),
  )
  return messages.map((message): ModelMessage => {
    if (message.role === 'user') return { role: 'user', content: [{ type: 'text', text: message.content }] }
    if (message.role === 'tool') {
      const { toolCallId, content } = message
      const toolName = message.name ?? names.get(toolCallId)
      if (toolName === undefined)
        throw new TransformerError(
          'OPTION',
          `a tool's result is of the call ${JSON.stringify(toolCallId)}, which no message before it made`,
        )
      return { role: 'tool', content: [{ type: 'tool-result', toolCallId, toolName, output: { type: 'text', value: content } }] }
    }
    if (message.role !== 'assistant') return { role: 'system', content: message.content }
    const { content, reasoning = '', toolCalls = [] } = message
    return {
      role: 'assistant',
      content: [
        ...(reasoning === '' ? [] : [{ type: 'reasoning' as const, text: reasoning }]),
        ...(content === '' ? [] : [{ type: 'text' as const, text: content }]),
        ...toolCalls.map((call) => ({
          type: 'tool-call' as const,
          toolCallId: call.id,
          toolName: call.name,
          input: call.arguments as ModelJson,
        })),
      ],
    }
  })
}
