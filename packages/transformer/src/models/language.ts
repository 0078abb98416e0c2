import { throwIfAborted, type LanguageModelCall } from '@tesserae/core'
import { sampler } from '@tesserae/sampling'
import { TransformerError } from '../errors.js'
import type { DecoderModel } from '../generate/model.js'
import type { FinishReason, GenerateOptions, TokenEvent } from '../generate/types.js'
import { chatMessages, plainPrompt, type ChatMessage } from './messages.js'
import type { LanguageModelAnswer, LanguageModelEvent, ModelFinish, ModelTokenUsage, ModelWarning } from './spec.js'

/** Settings that hold where a call does not say otherwise. */
export interface LanguageModelDefaults {
  /** Default 0: the most likely token each time. */
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  /** Default 0: the same prompt gives the same answer until a call brings another seed. */
  readonly seed?: number
  /** Default: as many as the model's capacity leaves. */
  readonly maxOutputTokens?: number
}

export interface LanguageModelOptions {
  /**
   * A conversation as the text, or the ids, that the model was trained to go on from; it ends where the answer begins. Default
   * {@link plainPrompt}, which suits models that know no roles. Names of special tokens in a text are ordinary text: give ids where they are meant.
   */
  readonly render?: (messages: readonly ChatMessage[]) => string | ArrayLike<number>
  /** Ids and texts that end an answer, such as the end-of-turn token. */
  readonly stop?: readonly (number | string)[]
  readonly defaults?: LanguageModelDefaults
  /** Default 'decoder'. */
  readonly modelId?: string
  /** Default 'tesserae'. */
  readonly provider?: string
}

/** A decoder as a language model of AI SDK's provider specification V3; fits core's LanguageModelLike. */
export interface DecoderLanguageModel {
  readonly specificationVersion: 'v3'
  readonly provider: string
  readonly modelId: string
  /** No files are read, from anywhere. */
  readonly supportedUrls: Record<string, RegExp[]>
  doGenerate(call: LanguageModelCall): Promise<LanguageModelAnswer>
  doStream(call: LanguageModelCall): Promise<{ stream: ReadableStream<LanguageModelEvent> }>
}

/**
 * Makes a model usable wherever AI SDK's language models are: `generateText({ model, prompt })`, `streamText`, this project's `rag`. The
 * model stays the caller's.
 *
 * Settings of a call go to `@tesserae/sampling`: temperature, topP, topK, seed; maxOutputTokens, cut to what the capacity leaves, and
 * stopSequences. What a decoder alone cannot do (penalties, tools, JSON) comes back as a warning. Errors: OPTION for
 * prompts with files or tool results, or a model without a tokenizer; CAPACITY when the prompt alone fills the model; AbortError.
 */
export function languageModel(model: DecoderModel, options: LanguageModelOptions = {}): DecoderLanguageModel {
  const { modelId = 'decoder', provider = 'tesserae' } = options
  if (model.tokenizer === undefined)
    throw new TransformerError('OPTION', 'languageModel: the model has no tokenizer, so it has no text; give one to createModel')
  return {
    specificationVersion: 'v3',
    provider,
    modelId,
    supportedUrls: {},
    async doGenerate(call) {
      const { ids, settings, warnings } = prepare(model, call, options)
      let text = ''
      let count = 0
      let last: FinishReason = 'length'
      for await (const event of model.stream(ids, settings)) {
        text += event.text ?? ''
        count++
        last = event.finishReason ?? last
      }
      return { content: [{ type: 'text', text }], finishReason: finish(last), usage: usage(ids.length, count), warnings }
    },
    async doStream(call) {
      const { ids, settings, warnings } = prepare(model, call, options)
      const head: LanguageModelEvent[] = [
        { type: 'stream-start', warnings },
        { type: 'response-metadata', modelId },
        { type: 'text-start', id: '0' },
      ]
      return { stream: eventStream(head, model.stream(ids, settings), ids.length) }
    },
  }
}

/** Everything that can be refused is refused here, before a stream is handed out. */
function prepare(
  model: DecoderModel,
  call: LanguageModelCall,
  { render = plainPrompt, stop = [], defaults = {} }: LanguageModelOptions,
): { ids: ArrayLike<number>; settings: GenerateOptions; warnings: ModelWarning[] } {
  throwIfAborted(call.abortSignal, 'Generation')
  const warnings = unsupported(call)
  const rendered = render(chatMessages(call.prompt, warnings))
  const ids = typeof rendered === 'string' ? model.tokenizer!.encode(rendered, { special: 'text' }) : rendered
  const room = model.capacity - ids.length + 1 // the last token is never written to the cache
  if (room < 1)
    throw new TransformerError(
      'CAPACITY',
      `the prompt takes ${ids.length} tokens, the model's capacity is ${model.capacity}; leave messages out, or make the model with more`,
    )
  const { temperature = defaults.temperature ?? 0, topP = defaults.topP, topK = defaults.topK, seed = defaults.seed } = call
  const wanted = call.maxOutputTokens ?? defaults.maxOutputTokens
  const settings: GenerateOptions = {
    sampler: sampler({
      temperature,
      ...(topP === undefined ? {} : { topP }),
      ...(topK === undefined ? {} : { topK }),
      ...(seed === undefined ? {} : { seed }),
    }),
    stop: [...stop, ...(call.stopSequences ?? []).filter((text) => text !== '')],
    // A limit beyond the capacity is no limit: generation then ends with 'context'.
    ...(wanted === undefined || wanted > room ? {} : { maxTokens: wanted }),
    ...(call.abortSignal === undefined ? {} : { signal: call.abortSignal }),
  }
  return { ids, settings, warnings }
}

function unsupported(call: LanguageModelCall): ModelWarning[] {
  const warnings: ModelWarning[] = []
  const warn = (feature: string, details: string): void => void warnings.push({ type: 'unsupported', feature, details })
  for (const name of ['presencePenalty', 'frequencyPenalty'] as const)
    if ((call[name] ?? 0) !== 0) warn(name, 'tokens are not penalised; lower the temperature or set topK instead')
  if (call.responseFormat?.type === 'json') warn('responseFormat', 'the answer is free text, not constrained to JSON')
  if ((call.tools?.length ?? 0) > 0) warn('tools', 'this model calls no tools; it answers in text')
  return warnings
}

function eventStream(
  head: LanguageModelEvent[],
  tokens: AsyncGenerator<TokenEvent, void, undefined>,
  inputTokens: number,
): ReadableStream<LanguageModelEvent> {
  let count = 0
  let last: FinishReason = 'length'
  return new ReadableStream<LanguageModelEvent>({
    start(controller) {
      for (const event of head) controller.enqueue(event)
    },
    async pull(controller) {
      try {
        for (;;) {
          const { value: event, done } = await tokens.next()
          if (done === true || event === undefined) {
            controller.enqueue({ type: 'text-end', id: '0' })
            controller.enqueue({ type: 'finish', finishReason: finish(last), usage: usage(inputTokens, count) })
            controller.close()
            return
          }
          count++
          last = event.finishReason ?? last
          if (event.text === undefined || event.text === '') continue // half a character, or what may become a stop text
          controller.enqueue({ type: 'text-delta', id: '0', delta: event.text })
          return
        }
      } catch (error) {
        // An abort ends the stream as fetch's would; anything else is an event, so that what was written so far is kept.
        if ((error as { readonly name?: unknown } | undefined)?.name === 'AbortError') return controller.error(error)
        controller.enqueue({ type: 'error', error })
        controller.close()
      }
    },
    async cancel() {
      await tokens.return()
    },
  })
}

const finish = (reason: FinishReason): ModelFinish => ({ unified: reason === 'stop' ? 'stop' : 'length', raw: reason })

const usage = (input: number, output: number): ModelTokenUsage => ({
  inputTokens: { total: input, noCache: input, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: output, text: output, reasoning: 0 },
})
