import { TesseraeError, throwIfAborted, type LanguageModelCall, type ModelJson } from '@tesserae/core'
import type { Tool, ToolChoice } from '@tesserae/sampling/tools'
import { thinkingVariables } from '../lm/reasoning.js'
import type { ContrastiveSettings } from '../generate/types.js'
import type { LmSampling } from '../lm/sampling.js'
import type { Lm, LmFinishReason, LmLogprob, LmMessage, LmOptions, LmPart, LmPrompt, LmResult, LmSchema, LmUsage } from '../lm/types.js'
import { callMessages, plainPrompt } from './messages.js'
import type {
  LanguageModelAnswer,
  LanguageModelEvent,
  ModelFinish,
  ModelMetadata,
  ModelTokenUsage,
  ModelToolCall,
  ModelWarning,
} from './spec.js'

/** Settings that hold where a call does not say otherwise. */
export interface LanguageModelDefaults extends LmSampling {
  /** Default: as many as the model's context leaves. */
  readonly maxOutputTokens?: number
}

export interface LanguageModelOptions {
  /**
   * A conversation as what the model goes on from. Default the conversation itself for a model with a template of chats, else
   * {@link plainPrompt}, which suits models that know no roles. Names of special tokens in a text are ordinary text: give ids where they are meant.
   */
  readonly render?: (messages: readonly LmMessage[]) => LmPrompt
  /** Ids and texts that end an answer, beside the model's own. */
  readonly stop?: readonly (number | string)[]
  readonly defaults?: LanguageModelDefaults
  /** Default the id that the model has itself. */
  readonly modelId?: string
  /** Default 'tesserae'. */
  readonly provider?: string
}

/** A language model of AI SDK's provider specification V3, which `ai` 6 and 7 take; fits core's LanguageModelLike. */
export interface LmLanguageModel {
  readonly specificationVersion: 'v3'
  readonly provider: string
  readonly modelId: string
  /** No files are read, from anywhere. */
  readonly supportedUrls: Record<string, RegExp[]>
  doGenerate(call: LanguageModelCall): Promise<LanguageModelAnswer>
  doStream(call: LanguageModelCall): Promise<{ stream: ReadableStream<LanguageModelEvent> }>
}

/**
 * Makes a language model usable wherever AI SDK's are: `generateText({ model, prompt })`, `streamText`, `generateObject`, loops of tools, this project's `rag`. The model stays the caller's.
 *
 * Settings of a call: temperature, topP, topK, seed, both penalties; maxOutputTokens, without effect where the context leaves fewer; stopSequences; tools and toolChoice; responseFormat with a schema. Under
 * `providerOptions.tesserae` go `logprobs` (they come back in `providerMetadata`), `minP`, `repetitionPenalty`, `logitBias`, `parallelToolCalls`, `contrastive` and `templateVariables`. `reasoning` of `ai` 7 becomes the template's `enable_thinking` and
 * `reasoning_effort`. Tools that the provider would run come back as a warning. Errors: OPTION for prompts with files; CAPACITY when the prompt alone fills the model; AbortError.
 */
export function languageModel(lm: Lm, options: LanguageModelOptions = {}): LmLanguageModel {
  const { modelId = lm.info.id, provider = 'tesserae' } = options
  return {
    specificationVersion: 'v3',
    provider,
    modelId,
    supportedUrls: {},
    async doGenerate(call) {
      const { prompt, settings, warnings } = prepare(lm, call, options)
      for await (const part of await begun(lm, prompt, settings))
        if (part.type === 'finish') return answerOf(part.result, { modelId, provider, warnings })
      throw new TypeError('the language model ended its answer without saying so')
    },
    async doStream(call) {
      const { prompt, settings, warnings } = prepare(lm, call, options)
      const head: LanguageModelEvent[] = [
        { type: 'stream-start', warnings },
        { type: 'response-metadata', modelId },
      ]
      return { stream: eventStream(head, await begun(lm, prompt, settings), provider) }
    },
  }
}

/** Everything that can be refused before the model is asked is refused here. */
function prepare(
  lm: Lm,
  call: LanguageModelCall,
  { render, stop = [], defaults = {} }: LanguageModelOptions,
): { prompt: LmPrompt; settings: LmOptions; warnings: ModelWarning[] } {
  throwIfAborted(call.abortSignal, 'Generation')
  const warnings: ModelWarning[] = []
  const messages = callMessages(call.prompt, warnings)
  const prompt = render?.(messages) ?? (lm.info.hasChatTemplate ? messages : plainPrompt(messages))
  const { maxOutputTokens, ...sampling } = defaults
  const own = (call.providerOptions?.['tesserae'] ?? {}) as {
    readonly logprobs?: boolean | number
    readonly minP?: number
    readonly repetitionPenalty?: number
    readonly logitBias?: Readonly<Record<number, number>>
    readonly parallelToolCalls?: boolean
    readonly templateVariables?: Readonly<Record<string, unknown>>
    readonly contrastive?: ContrastiveSettings
  }
  const maxTokens = call.maxOutputTokens ?? maxOutputTokens
  const tools = toolsOf(call, warnings, render !== undefined || lm.info.hasChatTemplate)
  const schema = schemaOf(call)
  const { reasoning } = call as { readonly reasoning?: string } // V4's
  const variables = { ...thinkingVariables(reasoning === 'provider-default' ? undefined : reasoning), ...own.templateVariables }
  const given = Object.entries({
    temperature: call.temperature,
    topP: call.topP,
    topK: call.topK,
    seed: call.seed,
    presencePenalty: call.presencePenalty,
    frequencyPenalty: call.frequencyPenalty,
    minP: own.minP,
    repetitionPenalty: own.repetitionPenalty,
    logitBias: own.logitBias,
  }).filter(([, value]) => value !== undefined)
  const sampler: LmSampling = { ...sampling, ...Object.fromEntries(given) }
  const settings: LmOptions = {
    ...(Object.keys(sampler).length === 0 ? {} : { sampler }),
    stop: [...stop, ...(call.stopSequences ?? []).filter((text) => text !== '')],
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(tools.length === 0 ? {} : { tools, toolChoice: choiceOf(call) }),
    ...(own.parallelToolCalls === undefined ? {} : { parallelToolCalls: own.parallelToolCalls }),
    ...(schema === undefined ? {} : { schema }),
    ...(own.logprobs === undefined ? {} : { logprobs: own.logprobs }),
    ...(own.contrastive === undefined ? {} : { contrastive: own.contrastive }),
    ...(Object.keys(variables).length === 0 ? {} : { templateVariables: variables }),
    ...(call.abortSignal === undefined ? {} : { signal: call.abortSignal }),
  }
  return { prompt, settings, warnings }
}

function toolsOf(call: LanguageModelCall, warnings: ModelWarning[], canTell: boolean): Tool[] {
  if (!canTell && (call.tools ?? []).length > 0) {
    warnings.push({
      type: 'unsupported',
      feature: 'tools',
      details: 'the model has no chat template that could tell it of tools; it answers in text',
    })
    return []
  }
  return (call.tools ?? []).flatMap((tool): Tool[] => {
    if (tool.type === 'function')
      return [
        {
          name: tool.name,
          ...(tool.description === undefined ? {} : { description: tool.description }),
          parameters: tool.inputSchema as Readonly<Record<string, unknown>>,
        },
      ]
    const { name } = tool as { readonly name?: string }
    warnings.push({ type: 'unsupported', feature: `tool ${String(name)}`, details: 'this provider runs no tools itself; give a function' })
    return []
  })
}

function choiceOf({ toolChoice }: LanguageModelCall): ToolChoice {
  if (toolChoice === undefined) return 'auto'
  return toolChoice.type === 'tool' ? { name: toolChoice.toolName } : toolChoice.type
}

function schemaOf({ responseFormat }: LanguageModelCall): LmSchema | undefined {
  if (responseFormat?.type !== 'json') return undefined
  return (responseFormat.schema ?? { type: 'object' }) as LmSchema
}

/**
 * An answer whose first part is there, so that what is refused is refused before a stream is handed out. A limit beyond what the context leaves is no limit.
 */
async function begun(lm: Lm, prompt: LmPrompt, settings: LmOptions): Promise<AsyncGenerator<LmPart, void, undefined>> {
  try {
    return await withFirst(lm.stream(prompt, settings))
  } catch (error) {
    if (settings.maxTokens === undefined || !(TesseraeError.isInstance(error) && error.code === 'CAPACITY')) throw error
    const { maxTokens: _, ...rest } = settings
    return withFirst(lm.stream(prompt, rest))
  }
}

async function withFirst(parts: AsyncGenerator<LmPart, void, undefined>): Promise<AsyncGenerator<LmPart, void, undefined>> {
  const first = await parts.next()
  return (async function* () {
    try {
      if (first.done !== true) yield first.value
      yield* parts
    } finally {
      await parts.return()
    }
  })()
}

function answerOf(
  result: LmResult,
  { modelId, provider, warnings }: { readonly modelId: string; readonly provider: string; readonly warnings: ModelWarning[] },
): LanguageModelAnswer {
  return {
    content: [
      ...(result.reasoning === '' ? [] : [{ type: 'reasoning' as const, text: result.reasoning }]),
      ...(result.text === '' ? [] : [{ type: 'text' as const, text: result.text }]),
      ...result.toolCalls.map(toolCall),
    ],
    finishReason: finish(result.finishReason),
    usage: usage(result.usage),
    warnings,
    ...metadata(result.logprobs, provider),
    response: { modelId },
  }
}

const toolCall = ({ id, name, arguments: given }: LmResult['toolCalls'][number]): ModelToolCall => ({
  type: 'tool-call',
  toolCallId: id,
  toolName: name,
  input: JSON.stringify(given),
})

/** The events that parts are, one after the other. */
class Events {
  private open: { readonly kind: 'text' | 'reasoning' | 'tool-input'; readonly id: string } | undefined
  private count = 0

  constructor(private readonly provider: string) {}

  of(part: LmPart): LanguageModelEvent[] {
    switch (part.type) {
      case 'text':
      case 'reasoning': {
        if (part.text === '') return []
        const { type } = part
        const start = this.open?.kind === type ? [] : [...this.close(), ...this.begin({ kind: type, id: String(this.count++) })]
        return [...start, { type: `${type}-delta`, id: this.open!.id, delta: part.text }]
      }
      case 'tool-call-delta': {
        const { id, name, delta } = part
        const isSame = this.open?.kind === 'tool-input' && this.open.id === id
        const start: LanguageModelEvent[] = isSame ? [] : [...this.close(), { type: 'tool-input-start', id, toolName: name }]
        this.open = { kind: 'tool-input', id }
        return delta === '' ? start : [...start, { type: 'tool-input-delta', id, delta }]
      }
      case 'tool-call':
        return [...this.close(), toolCall(part.call)]
      case 'object':
        return []
      case 'finish': {
        const { finishReason, usage: used, logprobs } = part.result
        return [
          ...this.close(),
          { type: 'finish', finishReason: finish(finishReason), usage: usage(used), ...metadata(logprobs, this.provider) },
        ]
      }
      default:
        return part satisfies never
    }
  }

  private begin(open: { readonly kind: 'text' | 'reasoning'; readonly id: string }): LanguageModelEvent[] {
    this.open = open
    return [{ type: `${open.kind}-start`, id: open.id }]
  }

  private close(): LanguageModelEvent[] {
    const { open } = this
    this.open = undefined
    return open === undefined ? [] : [{ type: `${open.kind}-end`, id: open.id }]
  }
}

function eventStream(
  head: readonly LanguageModelEvent[],
  parts: AsyncGenerator<LmPart, void, undefined>,
  provider: string,
): ReadableStream<LanguageModelEvent> {
  const events = new Events(provider)
  return new ReadableStream<LanguageModelEvent>({
    start(controller) {
      for (const event of head) controller.enqueue(event)
    },
    async pull(controller) {
      try {
        for (;;) {
          const { value: part, done } = await parts.next()
          if (done === true) return controller.close()
          const fresh = events.of(part)
          for (const event of fresh) controller.enqueue(event)
          if (fresh.length > 0) return
        }
      } catch (error) {
        // An abort ends the stream as fetch's would; anything else is an event, so that what was written so far is kept.
        if ((error as { readonly name?: unknown } | undefined)?.name === 'AbortError') return controller.error(error)
        controller.enqueue({ type: 'error', error })
        controller.close()
      }
    },
    async cancel() {
      await parts.return()
    },
  })
}

const finish = (reason: LmFinishReason): ModelFinish => ({ unified: reason === 'context' ? 'length' : reason, raw: reason })

const usage = ({ promptTokens, cachedTokens, completionTokens }: LmUsage): ModelTokenUsage => ({
  inputTokens: { total: promptTokens, noCache: promptTokens - cachedTokens, cacheRead: cachedTokens, cacheWrite: 0 },
  outputTokens: { total: completionTokens, text: undefined, reasoning: undefined },
})

function metadata(logprobs: readonly LmLogprob[] | undefined, provider: string): { providerMetadata?: ModelMetadata } {
  if (logprobs === undefined) return {}
  const utf8 = new TextDecoder()
  const plain = ({ id, bytes, logprob }: Pick<LmLogprob, 'id' | 'bytes' | 'logprob'>): { [key: string]: ModelJson } => ({
    id,
    token: utf8.decode(bytes),
    logprob,
  })
  return { providerMetadata: { [provider]: { logprobs: logprobs.map((one) => ({ ...plain(one), topLogprobs: one.top.map(plain) })) } } }
}
