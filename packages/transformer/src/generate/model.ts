import type { Device, DeviceName, QuantizedInputs, Tensor } from '@tesserae/tensor'
import { checkConfig, type DecoderConfig } from '../architectures/config.js'
import { checkWeights, isPackable, layoutsOf, namedWeights, type AnyDecoderWeights } from '../architectures/weights.js'
import { checkCacheType, type CacheType } from '../cache/cache-type.js'
import { pieceTokens } from '../cache/parts.js'
import { pagingOf, type PagingOptions } from '../cache/paging.js'
import type { PagesUse } from '../cache/pages.js'
import { TransformerError } from '../errors.js'
import { holdWeights } from './held-weights.js'
import { makeCachedEngine } from './caches.js'
import { searchBeams, type ModelBeam, type ModelBeamOptions } from './beams.js'
import { checkModelMemory, deviceFor, modelMemory } from './memory.js'
import { makePrograms } from './programs.js'
import type { Row as ModelText } from './row.js'
import { scoreIds, type Score, type ScoreOptions } from './score.js'
import { aborting, checkTokens, streamTokens } from './stream.js'
import type { FinishReason, GenerateOptions, Generation, TokenEvent, TokenizerLike, TokenLogprob } from './types.js'

export interface CreateModelOptions extends PagingOptions {
  readonly config: DecoderConfig
  readonly weights: AnyDecoderWeights
  /** Needed for text prompts, text output and stop texts. */
  readonly tokenizer?: TokenizerLike
  /**
   * Ids below it can be chosen; others are rows that fill a table up to a round number and stand for nothing. Default the tokenizer's `vocabSize`, else all.
   */
  readonly vocabulary?: number
  /**
   * What quantised weights are multiplied by. `'rounded'`, the default: on a CPU it is rounded to 8 bits, block by block, as llama.cpp does. `'f32'`: it is taken as it is, on a CPU in 16 bits, which takes prompts twice the
   * time. Without effect on weights that are whole.
   */
  readonly activations?: QuantizedInputs
  /** Tokens, prompt included, that one generation can hold; default the configuration's context. Its cache is allocated in full. */
  readonly capacity?: number
  /**
   * Most generations that run side by side, each with a cache; more wait for their turn. Their steps are taken together. Default 8, and fewer where there is no
   * memory for as many: a given number is held against the device's memory at once, the default as generations come.
   */
  readonly maxStreams?: number
  /**
   * Keep the caches of generations that have ended, so that a prompt that begins as one of them did is not computed again from there on: the next turn of a chat, a
   * common system prompt. True, the default, keeps as many as were in use at once; a number makes so many before one is overwritten, `maxStreams` at most; false frees a
   * cache with its generation.
   */
  readonly prefixCache?: boolean | number
  /**
   * What keys and values are kept in. `'f16'` takes half the memory, and logits differ from those of f32 in the fourth digit; `'q8'` 28 % and `'q4'` 16 % of it, where blocks of 32 numbers share a scale (of 16 or 8
   * where the width of a head is no multiple of 32). Default `'f32'`, which is fastest on a CPU. Errors: UNSUPPORTED where the device does not hold it, or heads are of other widths.
   */
  readonly cacheType?: CacheType
  /** Where to run; default the device that the weights are on, or the default device. */
  readonly device?: Device | DeviceName
  /** The weights stay the caller's and are left unfrozen: for a look at a model in training. Default false. */
  readonly borrowWeights?: boolean
}

/** A model ready to generate. Owns its weights unless they were borrowed: `using`, or `dispose()`. */
export interface DecoderModel extends Disposable {
  readonly config: DecoderConfig
  readonly weights: AnyDecoderWeights
  readonly tokenizer: TokenizerLike | undefined
  readonly capacity: number
  /** Ids below it can be chosen, see {@link CreateModelOptions.vocabulary}. */
  readonly vocabulary: number
  /** How caches in pages are used at this moment; undefined where caches have fixed capacity. */
  readonly pages: PagesUse | undefined
  /**
   * Samples a continuation of ids, or of a text, and returns it whole. Generations that are asked for side by side share their steps, which is several times
   * faster than one after another; each gives what it gives alone, up to the rounding of larger products. Errors: TOKEN, CAPACITY, OPTION, and AbortError.
   */
  generate(prompt: string | ArrayLike<number>, options?: GenerateOptions): Promise<Generation>
  /** The same, token by token. Leaving the loop early frees everything. */
  stream(prompt: string | ArrayLike<number>, options?: GenerateOptions): AsyncGenerator<TokenEvent, void, undefined>
  /**
   * The most likely continuations, the best first: `beams` of them are gone on with at a time, all in one step. Errors: TOKEN, CAPACITY, OPTION with fewer places (`maxStreams`) than beams, and AbortError.
   */
  beamSearch(prompt: string | ArrayLike<number>, options?: ModelBeamOptions): Promise<ModelBeam[]>
  /**
   * How likely the model finds a text: the log-probability of each token behind those before it, and the perplexity. Texts beyond the capacity are read through a window. Errors: TOKEN, OPTION, and AbortError.
   */
  score(text: string | ArrayLike<number>, options?: ScoreOptions): Promise<Score>
  /** What the last norm gives for every position, row-major [ids, width]: for embeddings and probes. Errors: TOKEN, CAPACITY. */
  hidden(prompt: string | ArrayLike<number>, options?: { readonly signal?: AbortSignal }): Promise<Float32Array>
  /**
   * A text that is gone on with by hand, for searches of one's own: ask for the logits behind it, add an id to `ids`, ask again. Steps are shared with everything else that is under way. Close it, or
   * `using`. Errors: TOKEN, DISPOSED.
   */
  open(ids: ArrayLike<number>): ModelText
  /** Logits of every position of a sequence, row-major [ids, vocabSize]. Errors: TOKEN, CAPACITY. */
  logits(ids: ArrayLike<number>, options?: { readonly signal?: AbortSignal }): Promise<Float32Array>
  /**
   * How much each token of a text, or of ids, looks at each other one: for every layer the probabilities [heads, ids, ids], row-major,
   * where row t is token t's and sums to 1. Errors: TOKEN, CAPACITY.
   */
  attention(prompt: string | ArrayLike<number>, options?: { readonly signal?: AbortSignal }): Promise<Float32Array[]>
  /** Frees programs, tables and owned weights. Generations under way fail. */
  dispose(): void
}

/**
 * Makes a model of a configuration and its weights. It takes the weights over: they are frozen, so that a device may keep them in its
 * own layout, and freed by `dispose()`; with `borrowWeights` neither happens. Programs are compiled on first use.
 *
 * Errors: CONFIG, WEIGHTS when they do not fit the configuration, CAPACITY; OUT_OF_MEMORY with the numbers when the device cannot hold
 * weights and a cache, before anything is allocated.
 */
export async function createModel(options: CreateModelOptions): Promise<DecoderModel> {
  const { weights, tokenizer, device, borrowWeights = false } = options
  const config = checkConfig(options.config)
  checkWeights(weights, config)
  const { capacity = config.context } = options
  if (!Number.isInteger(capacity) || capacity < 1 || capacity > config.context)
    throw new TransformerError(
      'CAPACITY',
      `capacity must be an integer from 1 to the model's context of ${config.context}, got ${capacity}`,
    )
  const named = namedWeights(weights)
  const where = await deviceFor(named.values(), device)
  const { maxStreams = 8, prefixCache = true } = options
  const cacheType = checkCacheType(options.cacheType ?? 'f32', config, where)
  if (!Number.isInteger(maxStreams) || maxStreams < 1)
    throw new TransformerError('OPTION', `maxStreams must be a positive integer, got ${String(maxStreams)}`)
  if (typeof prefixCache !== 'boolean' && !(Number.isInteger(prefixCache) && prefixCache >= 0 && prefixCache <= maxStreams))
    throw new TransformerError(
      'OPTION',
      `prefixCache must be true, false or an integer from 0 to maxStreams, ${maxStreams}; got ${String(prefixCache)}`,
    )
  const vocabulary = vocabularyOf(options, config)
  const { activations = 'rounded' } = options
  if (activations !== 'rounded' && activations !== 'f32')
    throw new TransformerError('OPTION', `activations is 'rounded' or 'f32', got ${JSON.stringify(activations)}`)
  const paging = pagingOf(options, { config, device: where, type: cacheType, capacity, maxStreams, prefixCache })
  // Pages are made as they are needed; at least one text has to find room.
  const caches =
    paging === undefined
      ? { batch: options.maxStreams ?? 1 }
      : { blockSize: paging.blockSize, ...(options.cacheBlocks === undefined ? {} : { cacheBlocks: options.cacheBlocks }) }
  checkModelMemory(
    modelMemory(config, { capacity, ...caches, cacheType, layout: layoutsOf(named), matrices: matricesOf(named) }),
    where,
    named,
  )
  const held = await holdWeights(config, weights, { borrow: borrowWeights, device: where, capacity })
  const of = { ...held.model, weights, capacity, piece: pieceTokens(cacheType, config, capacity), device: where, activations, vocabulary }
  const programs = makePrograms(of)
  const cached = makeCachedEngine({
    programs,
    of,
    maxStreams,
    prefixCache,
    cacheType,
    vocabSize: config.vocabSize,
    ...(paging === undefined ? {} : { paging }),
  })
  const { engine } = cached

  let gone = false
  const idsOf = (prompt: string | ArrayLike<number>): number[] => {
    if (gone) throw new TransformerError('DISPOSED', 'the model was disposed; keep it until its last generation has ended')
    if (typeof prompt !== 'string') return checkTokens(prompt, config.vocabSize)
    if (tokenizer === undefined)
      throw new TransformerError('OPTION', 'a text prompt needs a tokenizer; give one to createModel, or pass ids')
    return checkTokens(tokenizer.encode(prompt, { special: 'text' }), config.vocabSize)
  }
  const context = {
    config,
    programs,
    engine,
    capacity,
    vocabulary,
    apart: where.room?.().host !== true,
    background: where.caps.background === true,
    encode: idsOf,
    ...(tokenizer === undefined ? {} : { tokenizer }),
  }
  const inContext = (prompt: string | ArrayLike<number>): number[] => {
    const ids = idsOf(prompt)
    if (ids.length > config.context)
      throw new TransformerError('CAPACITY', `${ids.length} ids were given, the model's context is ${config.context}`)
    return ids
  }
  const dispose = (): void => {
    if (gone) return
    gone = true
    engine.dispose()
    programs.dispose()
    held.release()
  }
  return {
    config,
    weights,
    tokenizer,
    capacity,
    vocabulary,
    get pages() {
      return cached.pages()
    },
    stream: (prompt, generateOptions = {}) => streamTokens(context, idsOf(prompt), generateOptions),
    generate: async (prompt, generateOptions = {}) => {
      const ids = idsOf(prompt)
      return collect(streamTokens(context, ids, generateOptions), ids.length, tokenizer !== undefined, generateOptions.logprobs)
    },
    beamSearch: async (prompt, beamOptions = {}) => searchBeams(context, idsOf(prompt), beamOptions),
    score: async (text, scoreOptions = {}) => scoreIds(context, idsOf(text), scoreOptions),
    hidden: async (prompt, { signal } = {}) => aborting(programs.hidden(inContext(prompt), signal)),
    open: (ids) => engine.open(ids.length === 0 && !gone ? [] : idsOf(ids)),
    logits: async (ids, { signal } = {}) => programs.all(inContext(ids), signal),
    attention: async (prompt, { signal } = {}) => programs.attention(inContext(prompt), signal),
    dispose,
    [Symbol.dispose]: dispose,
  }
}

/** What matrices that are whole are kept in. */
const matricesOf = (named: ReadonlyMap<string, Tensor>): 'f32' | 'f16' | 'bf16' => {
  for (const [name, { dtype, shape }] of named) if ((dtype === 'f16' || dtype === 'bf16') && isPackable(name, shape)) return dtype
  return 'f32'
}

/** Errors: OPTION. */
function vocabularyOf({ vocabulary, tokenizer }: CreateModelOptions, { vocabSize }: DecoderConfig): number {
  if (vocabulary === undefined) return Math.min(tokenizer?.vocabSize ?? vocabSize, vocabSize)
  if (!Number.isInteger(vocabulary) || vocabulary < 1 || vocabulary > vocabSize)
    throw new TransformerError('OPTION', `vocabulary must be an integer from 1 to the model's ${vocabSize} ids, got ${String(vocabulary)}`)
  return vocabulary
}

async function collect(
  events: AsyncIterable<TokenEvent>,
  promptTokens: number,
  withText: boolean,
  logprobs: boolean | number = false,
): Promise<Generation> {
  const start = performance.now()
  let first = start
  const ids: number[] = []
  const chosen: number[] = []
  const top: (readonly TokenLogprob[])[] = []
  let cachedTokens = 0
  let text = ''
  let finishReason: FinishReason = 'length'
  for await (const event of events) {
    if (ids.length === 0) first = performance.now()
    ids.push(event.id)
    text += event.text ?? ''
    if (event.logprob !== undefined) chosen.push(event.logprob)
    if (event.top !== undefined) top.push(event.top)
    cachedTokens += event.cachedTokens ?? 0
    finishReason = event.finishReason ?? finishReason
  }
  return {
    ids,
    finishReason,
    promptTokens,
    cachedTokens,
    ...(withText ? { text } : {}),
    ...(logprobs === false ? {} : { logprobs: chosen }),
    ...(typeof logprobs === 'number' && logprobs > 0 ? { top } : {}),
    prefillSeconds: (first - start) / 1000,
    decodeSeconds: (performance.now() - first) / 1000,
  }
}
