/** A language model of a few thousand random weights with everything an `Lm` does, for tests of what is built on it. */
import { samplerChain, type Sampler } from '@tesserae/sampling'
import { fromJsonSchema, grammarStep, Vocabulary, type JsonSchema } from '@tesserae/sampling/grammar'
import { toolCallParser, toolGrammar, type Tool } from '@tesserae/sampling/tools'
import { trainBpe, type Tokenizer } from '@tesserae/tokenizer'
import { initWeights } from '../../architectures/initialize.js'
import { llama } from '../../architectures/llama.js'
import { logprobOf } from '../../generate/choose.js'
import { createModel, type DecoderModel } from '../../generate/model.js'
import type { SamplerLike } from '../../generate/types.js'
import { isSampler, samplingSteps } from '../sampling.js'
import type { Lm, LmLogprob, LmOptions, LmPart, LmPrompt, LmResult, LmToolCall } from '../types.js'

export interface TinyLmOptions {
  readonly id?: string
  readonly context?: number
  readonly width?: number
  /** Called before each sampled token. */
  readonly onStep?: () => void | Promise<void>
}

/** Speaks Hermes' format of calls; a conversation is its contents between the names of roles. */
export async function tinyLm({ id = 'tiny', context = 512, width = 16, onStep }: TinyLmOptions = {}): Promise<Lm> {
  const tokenizer = await trainBpe(['the whale swims and the ship sails '.repeat(20)], {
    vocabSize: 290,
    specialTokens: ['<|end|>', '<|user|>', '<|assistant|>', '<|system|>', '<|tool|>'],
  })
  const config = llama({ vocabSize: tokenizer.vocabSize, width, layers: 1, heads: 2, context })
  const model = await createModel({ config, weights: initWeights(config, { seed: 2 }), tokenizer })
  const end = tokenizer.specialTokens.get('<|end|>')!
  const vocabulary = new Vocabulary(
    Array.from({ length: tokenizer.vocabSize }, (_, token) =>
      [...tokenizer.specialTokens.values()].includes(token) ? undefined : tokenizer.tokenBytes(token),
    ),
    { end: [end] },
  )
  const parts = { model, tokenizer, vocabulary, end, ...(onStep === undefined ? {} : { onStep }) }
  const stream = (prompt: LmPrompt, options: LmOptions = {}): AsyncGenerator<LmPart, void, undefined> => answer(parts, prompt, options)
  const lm = {
    info: { id, architecture: 'llama', context, parameters: undefined, licence: 'Apache-2.0', hasChatTemplate: true },
    stream,
    async generate(prompt: LmPrompt, options: LmOptions = {}): Promise<LmResult> {
      for await (const part of stream(prompt, options)) if (part.type === 'finish') return part.result
      throw new Error('an answer without an end')
    },
    tokenize: async (prompt: LmPrompt) => Uint32Array.from(idsOf(tokenizer, prompt)),
    dispose: async () => model.dispose(),
  }
  return lm as unknown as Lm
}

function idsOf(tokenizer: Tokenizer, prompt: LmPrompt): ArrayLike<number> {
  if (typeof prompt === 'string') return tokenizer.encode(prompt, { special: 'text' })
  const first: unknown = prompt[0]
  if (typeof first !== 'object') return prompt as ArrayLike<number>
  const role = (name: string): number => tokenizer.specialTokens.get(`<|${name === 'developer' ? 'system' : name}|>`)!
  const messages = (prompt as Exclude<LmPrompt, string | ArrayLike<number>>).flatMap((message) => [
    role(message.role),
    ...tokenizer.encode(message.content, { special: 'text' }),
  ])
  return [...messages, role('assistant')]
}

interface Parts {
  readonly model: DecoderModel
  readonly tokenizer: Tokenizer
  readonly vocabulary: Vocabulary
  readonly end: number
  readonly onStep?: () => void | Promise<void>
}

async function* answer(
  { model, tokenizer, vocabulary, end, onStep }: Parts,
  prompt: LmPrompt,
  options: LmOptions,
): AsyncGenerator<LmPart, void, undefined> {
  const { sampler = { temperature: 0 }, schema, tools = [], toolChoice = tools.length > 0 ? 'auto' : 'none' } = options
  const ids = idsOf(tokenizer, prompt)
  const calls = tools.length > 0 && toolChoice !== 'none'
  const parallel = options.parallelToolCalls
  const grammar = calls
    ? toolGrammar(tools as readonly Tool[], { format: 'hermes', choice: toolChoice, ...(parallel === undefined ? {} : { parallel }) })
    : schema === undefined
      ? undefined
      : fromJsonSchema(schema as JsonSchema)
  const chooser: SamplerLike = isSampler(sampler)
    ? sampler
    : samplerChain([...(grammar === undefined ? [] : [grammarStep(grammar.matcher(vocabulary))]), ...samplingSteps(sampler, 0)], sampler)
  const tops = options.logprobs === undefined || options.logprobs === false ? undefined : Number(options.logprobs)
  const recorder = new Recorder(chooser, ids.length, tokenizer, tops === undefined ? undefined : options.logprobs === true ? 0 : tops)
  const parser = calls ? toolCallParser(tools as readonly Tool[], { format: 'hermes' }) : undefined
  const toolCalls: LmToolCall[] = []
  let text = ''
  const tokens: number[] = []
  const partsOf = (events: ReturnType<NonNullable<typeof parser>['push']>, own: readonly number[]): LmPart[] =>
    events.flatMap((event): LmPart[] => {
      if (event.type === 'text') {
        text += event.text
        return [{ type: 'text', text: event.text, ids: own }]
      }
      if (event.type === 'call-start') names.set(event.id, event.name)
      if (event.type === 'call-start') return [{ type: 'tool-call-delta', id: event.id, name: event.name, delta: '' }]
      if (event.type === 'arguments') {
        const open = [...names.keys()].at(-1)!
        return [{ type: 'tool-call-delta', id: open, name: names.get(open)!, delta: event.delta }]
      }
      if (event.type !== 'call-end') return []
      const { type: _, ...call } = event
      toolCalls.push(call)
      return [{ type: 'tool-call', call }]
    })
  const names = new Map<string, string>()
  const start = performance.now()
  let first = start
  let reason: LmResult['finishReason'] = 'length'
  const settings = {
    sampler: recorder,
    stop: [end, ...(options.stop ?? [])],
    ...(options.maxTokens === undefined ? {} : { maxTokens: options.maxTokens }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  }
  for await (const event of model.stream(ids, settings)) {
    if (tokens.length === 0) first = performance.now()
    tokens.push(event.id)
    const piece = event.text ?? ''
    const fresh = recorder.take()
    const logprobs = fresh === undefined || event.id === end ? {} : { logprobs: fresh }
    if (parser !== undefined) yield* partsOf(parser.push(piece), [event.id])
    else if (event.id !== end || piece !== '') {
      text += piece
      yield { type: 'text', text: piece, ids: [event.id], ...logprobs }
    }
    reason = event.finishReason ?? reason
    await onStep?.()
  }
  if (parser !== undefined) yield* partsOf(parser.end(), [])
  const result: LmResult = {
    text,
    reasoning: '',
    tokens,
    toolCalls,
    object: schema === undefined || reason !== 'stop' ? undefined : JSON.parse(text),
    logprobs: recorder.all(),
    usage: { promptTokens: ids.length, cachedTokens: 0, completionTokens: tokens.length },
    finishReason: toolCalls.length > 0 ? 'tool-calls' : reason,
    seconds: { prefill: (first - start) / 1000, decode: (performance.now() - first) / 1000 },
  }
  yield { type: 'finish', result }
}

/** Keeps each token's log-probability as it is chosen. */
class Recorder implements SamplerLike {
  private readonly kept: LmLogprob[] = []
  private taken = 0
  private accepted = 0

  constructor(
    private readonly chooser: SamplerLike | Sampler,
    private readonly promptTokens: number,
    private readonly tokenizer: Tokenizer,
    private readonly tops: number | undefined,
  ) {}

  choose(logits: Float32Array): number {
    const id = this.chooser.choose(logits)
    if (this.tops !== undefined) {
      const one = (token: number) => ({ id: token, bytes: this.tokenizer.tokenBytes(token), logprob: logprobOf(logits, token) })
      const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!)
      this.kept.push({ ...one(id), top: order.slice(0, this.tops).map(one) })
    }
    return id
  }

  /** Of the answer alone: a grammar must not be told of the prompt. */
  accept(id: number): void {
    if (this.accepted++ < this.promptTokens) return
    this.chooser.accept?.(id)
  }

  take(): LmLogprob[] | undefined {
    if (this.tops === undefined) return undefined
    const fresh = this.kept.slice(this.taken)
    this.taken = this.kept.length
    return fresh
  }

  all(): LmLogprob[] | undefined {
    return this.tops === undefined ? undefined : this.kept
  }
}
