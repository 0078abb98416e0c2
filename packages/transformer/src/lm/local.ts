/** A language model that runs here: a decoder with its tokenizer, template, and the formats that it was trained on. */
import { throwIfAborted } from '@tesserae/core'
import { fromJsonSchema, Vocabulary, type Grammar } from '@tesserae/sampling/grammar'
import { toolCallParser, toolGrammar, type Tool, type ToolFormat } from '@tesserae/sampling/tools'
import type { TextTokenizer } from '@tesserae/tokenizer'
import { countParameters } from '../architectures/count.js'
import { TransformerError } from '../errors.js'
import type { DecoderModel } from '../generate/model.js'
import type { ContrastiveSettings, TokenLogprob } from '../generate/types.js'
import { checkTokens } from '../generate/stream.js'
import { AnswerReader } from './answer-reader.js'
import { closedSchema } from './closed-schema.js'
import { chatIds, functionOf, isConversation, templateOf, writesTools } from './chat.js'
import { makeChooser, type Chooser } from './chooser.js'
import { Constraint } from './constraint.js'
import { ReasoningSplitter, thinkClose, thinkOpen } from './reasoning.js'
import { checkAsked } from './check-options.js'
import { isSampler, type LmSampling } from './sampling.js'
import { readSchema, type AnswerSchema } from './schema.js'
import { callTokens, newCallId, toolFormatOf } from './tool-format.js'
import type { Lm, LmFinishReason, LmInfo, LmLogprob, LmOptions, LmPart, LmPrompt, LmResult } from './types.js'

export interface CreateLmOptions {
  /** Owned by the language model from then on. */
  readonly model: DecoderModel
  readonly tokenizer: TextTokenizer
  /** What is known beside what the model says itself. */
  readonly info?: Partial<Pick<LmInfo, 'id' | 'architecture' | 'licence'>>
  /** Ids that end an answer, beside the tokenizer's end of text and the usual ends of turns among its special tokens. */
  readonly stop?: readonly number[]
  /** Settings of sampling where a call does not say otherwise. Default: the most likely token each time. */
  readonly sampling?: LmSampling
  /** Template of chats; default the tokenizer's. */
  readonly chatTemplate?: string
  /** How the model calls tools; default what its template shows, else Hermes' format, described in the system message. */
  readonly toolFormat?: ToolFormat
}

/** A language model that runs in this thread. */
export interface LocalLm extends Lm {
  readonly model: DecoderModel
  readonly tokenizer: TextTokenizer
  /** Settings of sampling where a call does not say otherwise. */
  readonly sampling: LmSampling
  /** Ids that end an answer. */
  readonly stop: readonly number[]
}

/** What ends a turn or a text in the vocabularies that are in use. */
const endTokens = [
  '<|im_end|>',
  '<end_of_turn>',
  '<turn|>',
  '<|eot_id|>',
  '<|eom_id|>',
  '<|end|>',
  '<|end_of_text|>',
  '<|endoftext|>',
  '<|END_OF_TURN_TOKEN|>',
  '<|end▁of▁sentence|>',
  '</s>',
  '<eos>',
]

/**
 * Makes a language model of a decoder: text and conversations in, text, reasoning, objects and calls of tools out. `loadModel` does it for checkpoints. Calls side by side share the model's steps, up to its `maxStreams`; more wait their turn.
 *
 * @example
 * const lm = createLm({ model: await createModel({ config, weights }), tokenizer })
 * const { text } = await lm.generate('Once upon a time', { maxTokens: 50 })
 * @throws TransformerError `OPTION` for a tokenizer with more tokens than the model knows, special ones apart
 */
export function createLm(options: CreateLmOptions): LocalLm {
  const { model, tokenizer, info = {}, sampling = { temperature: 0 } } = options
  if (tokenizer.vocabSize - specialBeyond(tokenizer, model.config.vocabSize) > model.config.vocabSize)
    throw new TransformerError(
      'OPTION',
      `the tokenizer has ${tokenizer.vocabSize} tokens, the model knows ${model.config.vocabSize}; the two belong to different models`,
    )
  const stop = stopIds(tokenizer, options.stop ?? [])
  const lm = new Local(options, stop, sampling)
  const facts: LmInfo = {
    id: info.id ?? 'model',
    architecture: info.architecture ?? 'decoder',
    context: model.capacity,
    parameters: countParameters(model.config).total,
    licence: info.licence,
    hasChatTemplate: templateOf(tokenizer, options.chatTemplate, false) !== undefined,
  }
  const stream = (prompt: LmPrompt, given: LmOptions = {}) => lm.stream(prompt, given)
  const made = {
    info: facts,
    model,
    tokenizer,
    sampling,
    stop,
    stream,
    async generate(prompt: LmPrompt, given: LmOptions = {}): Promise<LmResult> {
      for await (const part of stream(prompt, given)) if (part.type === 'finish') return part.result
      throw new TransformerError('DISPOSED', 'the answer ended before its time')
    },
    tokenize: async (prompt: LmPrompt, given: Pick<LmOptions, 'tools' | 'templateVariables'> = {}) => lm.idsOf(prompt, given),
    dispose: async () => lm.dispose(),
  }
  // What a call's tools and schema make of its types is known to its caller alone.
  return made as unknown as LocalLm
}

/** Special tokens that the model has no row for, as Gemma's for images are in models of text: they are never chosen, and refused in prompts. */
const specialBeyond = (tokenizer: TextTokenizer, vocabSize: number): number =>
  new Set([...tokenizer.specialTokens.values()].filter((id) => id >= vocabSize)).size

function stopIds(tokenizer: TextTokenizer, given: readonly number[]): number[] {
  const known = endTokens.flatMap((token) => tokenizer.specialTokens.get(token) ?? [])
  return [...new Set([...given, ...(tokenizer.eosId === undefined ? [] : [tokenizer.eosId]), ...known])]
}

/** What a call needs, made before its turn comes. */
interface Call {
  readonly ids: ArrayLike<number>
  readonly chooser: Chooser
  readonly reader: AnswerReader
  readonly schema: AnswerSchema | undefined
  readonly maxTokens: number | undefined
  readonly stop: readonly number[]
  readonly logprobs: boolean | number | undefined
  readonly contrastive: ContrastiveSettings | undefined
}

class Local {
  private gone = false
  private readonly vocabularies = new Map<boolean, Vocabulary>()
  private readonly template: string | undefined
  private readonly format: ToolFormat
  private readonly describesTools: boolean
  private readonly reasons: boolean

  constructor(
    private readonly options: CreateLmOptions,
    private readonly stop: readonly number[],
    private readonly sampling: LmSampling,
  ) {
    const { tokenizer, chatTemplate, toolFormat } = options
    this.template = templateOf(tokenizer, chatTemplate, true)
    const own = this.template === undefined ? undefined : toolFormatOf(this.template)
    this.format = toolFormat ?? own ?? 'hermes'
    this.describesTools = toolFormat === undefined && !writesTools(tokenizer, chatTemplate)
    this.reasons = this.template?.includes(thinkClose) === true
  }

  async idsOf(prompt: LmPrompt, { tools, templateVariables }: Pick<LmOptions, 'tools' | 'templateVariables'>): Promise<Uint32Array> {
    const { model, tokenizer, chatTemplate } = this.options
    if (typeof prompt === 'string') return tokenizer.encode(prompt, { special: 'text' })
    if (!isConversation(prompt)) return Uint32Array.from(checkTokens(prompt, model.config.vocabSize))
    return chatIds(tokenizer, prompt, {
      describeTools: this.describesTools,
      ...(chatTemplate === undefined ? {} : { template: chatTemplate }),
      ...(tools === undefined ? {} : { tools }),
      ...(templateVariables === undefined ? {} : { templateVariables }),
    })
  }

  async *stream(prompt: LmPrompt, options: LmOptions): AsyncGenerator<LmPart, void, undefined> {
    checkAsked(prompt, options)
    throwIfAborted(options.signal, 'Generation')
    this.checkHere()
    const call = await this.prepare(prompt, options)
    throwIfAborted(options.signal, 'Generation')
    this.checkHere()
    yield* this.answer(call, options.signal)
  }

  dispose(): void {
    this.gone = true
    this.options.model.dispose()
  }

  private checkHere(): void {
    if (this.gone) throw new TransformerError('DISPOSED', 'the language model was disposed; keep it until its last answer has ended')
  }

  private async *answer(call: Call, signal: AbortSignal | undefined): AsyncGenerator<LmPart, void, undefined> {
    const { ids, chooser, reader, schema, maxTokens, stop, logprobs, contrastive } = call
    const ends = new Set(stop)
    const tokens: number[] = []
    const kept: LmLogprob[] = []
    const start = performance.now()
    let first = start
    let cachedTokens = 0
    let reason: LmFinishReason = 'length'
    /** The answer ended by itself: a number without anything around it has no other end. */
    let isEnded = false
    const events = this.options.model.stream(ids, {
      ...(contrastive === undefined ? { sampler: chooser.sampler } : { contrastive }),
      stop,
      ...(signal === undefined ? {} : { signal }),
      ...(maxTokens === undefined ? {} : { maxTokens }),
      ...(logprobs === undefined ? {} : { logprobs }),
    })
    for await (const event of events) {
      if (tokens.length === 0) first = performance.now()
      cachedTokens = event.cachedTokens ?? cachedTokens
      reason = event.finishReason ?? reason
      if (chooser.isComplete()) {
        reason = 'stop'
        isEnded = true
        break
      }
      tokens.push(event.id)
      if (event.logprob !== undefined) kept.push(this.logprobOf({ id: event.id, logprob: event.logprob }, event.top))
      if (ends.has(event.id)) {
        reason = 'stop'
        isEnded = true
        break
      }
      const { parts, stopped } = reader.push(event.id, logprobs === undefined ? undefined : kept.at(-1))
      yield* parts
      if (stopped || reader.isWhole) {
        reason = 'stop'
        break
      }
    }
    yield* reader.finish()
    const end = performance.now()
    const value = schema !== undefined && (isEnded || reader.isWhole) ? reader.value() : undefined
    yield {
      type: 'finish',
      result: {
        text: reader.text,
        reasoning: reader.reasoning,
        tokens,
        toolCalls: reader.toolCalls,
        object: schema === undefined || value === undefined ? undefined : await schema.validate(value),
        logprobs: logprobs === undefined ? undefined : kept,
        usage: { promptTokens: ids.length, cachedTokens, completionTokens: tokens.length },
        finishReason: reader.toolCalls.length > 0 && reason === 'stop' ? 'tool-calls' : reason,
        seconds: { prefill: (first - start) / 1000, decode: (end - first) / 1000 },
      },
    }
  }

  private logprobOf(one: TokenLogprob, top: readonly TokenLogprob[] = []): LmLogprob {
    const withBytes = ({ id, logprob }: TokenLogprob) => ({ id, bytes: this.bytesOf(id), logprob })
    return { ...withBytes(one), top: top.map(withBytes) }
  }

  private async prepare(prompt: LmPrompt, options: LmOptions): Promise<Call> {
    const { tokenizer } = this.options
    const { tools = [], toolChoice = 'auto', schema: given, stop = [] } = options
    const mayCall = tools.length > 0 && toolChoice !== 'none'
    const schema = given === undefined ? undefined : readSchema(given)
    const ids = await this.idsOf(prompt, options)
    const tail = tokenizer.decode(ids.subarray(-8).filter((id) => id < tokenizer.vocabSize)).trimEnd()
    const inside = this.reasons && typeof prompt !== 'string' && tail.endsWith(thinkOpen)
    const reasoning = this.reasons && typeof prompt !== 'string' ? { inside, open: this.idOfToken(thinkOpen) } : undefined
    const grammars = this.grammarsOf(options, schema)
    if (options.contrastive !== undefined && (grammars.length > 0 || options.sampler !== undefined))
      throw new TransformerError(
        'OPTION',
        `contrastive chooses tokens itself; leave ${options.sampler !== undefined ? 'sampler' : given === undefined ? 'tools' : 'schema'} out`,
      )
    const vocabulary = grammars.length === 0 ? undefined : this.vocabularyOf(mayCall)
    const constraint =
      vocabulary === undefined
        ? undefined
        : new Constraint(
            grammars.map((grammar) => grammar.matcher(vocabulary)),
            vocabulary,
            reasoning,
            (id) => this.bytesOf(id),
          )
    const { sampler = {} } = options
    const chooser = makeChooser(isSampler(sampler) ? sampler : { ...this.sampling, ...sampler }, {
      promptTokens: ids.length,
      constraint,
      vocabulary: tokenizer.vocabSize,
    })
    const reader = new AnswerReader({
      decoder: this.decoderAfter(ids.at(-1), [...(reasoning === undefined ? [] : [thinkOpen, thinkClose]), ...(mayCall ? callTokens : [])]),
      stop: stop.filter((item) => typeof item === 'string'),
      splitter: new ReasoningSplitter(reasoning === undefined ? 'outside' : inside ? 'inside' : 'begin'),
      parser: mayCall ? toolCallParser(tools as readonly Tool[], { format: this.format, id: newCallId }) : undefined,
      isObject: schema !== undefined,
    })
    return {
      ids,
      chooser,
      reader,
      schema,
      maxTokens: options.maxTokens,
      logprobs: options.logprobs === false ? undefined : options.logprobs,
      contrastive: options.contrastive,
      stop: [...this.stop, ...stop.filter((item) => typeof item === 'number')],
    }
  }

  /** What the answer has to fit one of; none where it is free. */
  private grammarsOf(options: LmOptions, schema: AnswerSchema | undefined): Grammar[] {
    const { tools = [], toolChoice = 'auto', parallelToolCalls } = options
    const answer = schema === undefined ? [] : [fromJsonSchema(schema.json, schema.isChecked ? { lenient: true } : {})]
    if (tools.length === 0) {
      if (typeof toolChoice === 'object' || toolChoice === 'required')
        throw new TransformerError('OPTION', 'toolChoice asks for a call, and there are no tools')
      return answer
    }
    if (toolChoice === 'none') return answer
    // Llama 3.1's template takes one call at a time.
    const parallel = parallelToolCalls ?? (typeof toolChoice === 'string' && this.format !== 'llama3.1')
    const choice = schema !== undefined && toolChoice === 'auto' ? 'required' : toolChoice
    const calls = toolGrammar(tools.map(closedTool), { format: this.format, choice, parallel })
    return toolChoice === 'auto' ? [calls, ...answer] : [calls]
  }

  private idOfToken(name: string): number | undefined {
    const special = this.options.tokenizer.specialTokens.get(name)
    if (special !== undefined) return special
    const ids = this.options.tokenizer.encode(name, { special: 'allow', addSpecial: false })
    return ids.length === 1 ? ids[0] : undefined
  }

  /** Bytes of a token; none for ids that the tokenizer does not have. */
  private bytesOf(id: number): Uint8Array {
    try {
      return this.options.tokenizer.tokenBytes(id)
    } catch {
      return new Uint8Array(0)
    }
  }

  /** Tokens as grammars see them: special ones are no text, but for those that calls are made of. */
  private vocabularyOf(withCalls: boolean): Vocabulary {
    const known = this.vocabularies.get(withCalls)
    if (known !== undefined) return known
    const { tokenizer } = this.options
    const tokens: (Uint8Array | undefined)[] = Array.from({ length: tokenizer.vocabSize }, (_, id) => this.bytesOf(id))
    const encoder = new TextEncoder()
    for (const [name, id] of tokenizer.specialTokens) tokens[id] = withCalls && callTokens.includes(name) ? encoder.encode(name) : undefined
    for (const id of this.stop) tokens[id] = undefined
    const vocabulary = new Vocabulary(tokens, { end: this.stop })
    this.vocabularies.set(withCalls, vocabulary)
    return vocabulary
  }

  /** Text of tokens behind another, without special tokens but for those kept. */
  private decoderAfter(before: number | undefined, kept: readonly string[]): { push(id: number): string; flush(): string } {
    const { tokenizer } = this.options
    const names = new Map(
      kept.flatMap((name) => {
        const id = tokenizer.specialTokens.get(name)
        return id === undefined ? [] : [[id, name] as const]
      }),
    )
    const decoder = tokenizer.decoder({ skipSpecial: true })
    if (before !== undefined && before < tokenizer.vocabSize) decoder.push(before)
    return {
      push: (id) => names.get(id) ?? (id < tokenizer.vocabSize ? decoder.push(id) : ''),
      flush: () => decoder.flush(),
    }
  }
}

/** With arguments that are those of its parameters alone. */
function closedTool(tool: Tool): Tool {
  const { name, parameters } = functionOf(tool)
  return { name, ...(parameters === undefined ? {} : { parameters: closedSchema(parameters) }) }
}
