import { AbortedError, TesseraeError, throwIfAborted } from '@tesserae/core'
import { StopTexts, type TopLogits } from '@tesserae/sampling'
import type { DecoderConfig } from '../architectures/config.js'
import { counted, TransformerError } from '../errors.js'
import { checkContrastive, contrastedTokens } from './contrast.js'
import { greedySampler, logprobOf, logprobsOf } from './choose.js'
import type { Engine } from './engine.js'
import type { Row } from './row.js'
import { checkSpeculative, guessedTokens, type Chosen } from './speculate.js'
import type { Programs } from './programs.js'
import type { FinishReason, GenerateOptions, SamplerLike, TokenEvent, TokenizerLike } from './types.js'

export interface StreamContext {
  readonly config: DecoderConfig
  readonly programs: Programs
  readonly engine: Engine
  readonly capacity: number
  /** Ids below it can be chosen. */
  readonly vocabulary: number
  /** Logits lie in memory that is read from slowly, where it is: the highest alone are asked for where they are enough. */
  readonly apart: boolean
  /** The device computes while JavaScript does something else. */
  readonly background: boolean
  readonly tokenizer?: TokenizerLike
  /** Ids of a prompt, checked. */
  readonly encode: (prompt: string | ArrayLike<number>) => number[]
}

/** Refuses ids that the model has no row for: on a device they would silently become others. */
export function checkTokens(ids: ArrayLike<number>, vocabSize: number): number[] {
  const out = Array.from(ids)
  const at = out.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize)
  if (at >= 0)
    throw new TransformerError(
      'TOKEN',
      `token id ${String(out[at])} at index ${at} is not in the vocabulary; this model knows 0 to ${vocabSize - 1}. Check that the tokenizer belongs to the model`,
    )
  if (out.length === 0)
    throw new TransformerError('TOKEN', 'the prompt has no tokens; give at least one, such as the beginning-of-sequence id')
  return out
}

/**
 * Samples token after token. Everything that can be refused is refused before the first program runs; however it ends, its place in
 * the cache is given back.
 */
export async function* streamTokens(
  context: StreamContext,
  prompt: readonly number[],
  options: GenerateOptions,
): AsyncGenerator<TokenEvent, void, undefined> {
  const { capacity, vocabulary } = context
  const { sampler = greedySampler, signal } = options
  const top = checkLogprobs(options.logprobs, vocabulary)
  const slide = slideOf(options, capacity)
  const longest = Math.max(prompt.length, checkGuidance(context, options))
  checkContrastive(options, context.engine)
  // The last token is never written to the cache, but where it is looked at before it is chosen.
  const usable = options.contrastive === undefined ? capacity : capacity - 1
  const room = slide === undefined ? usable - longest + 1 : Infinity
  checkRoom(prompt.length, usable, slide === undefined ? options.maxTokens : undefined)
  const limit = Math.min(options.maxTokens ?? room, room)
  checkSpeculative(options, context, prompt.length + limit - 1)
  const text = textOf(context.tokenizer, options.stop ?? [], prompt.at(-1)!)
  throwIfAborted(signal, 'Generation')
  if (limit === 0) return

  using source = sourceOf(context, prompt, options, limit, slide)
  for (const id of prompt) sampler.accept?.(id)
  for (let count = 1; ; count++) {
    throwIfAborted(signal, 'Generation')
    const { id, logits, drafted } = await source.next()
    const step = text.push(id)
    const finishReason: FinishReason | undefined = step.stopped
      ? 'stop'
      : count < limit
        ? undefined
        : options.maxTokens === count
          ? 'length'
          : 'context'
    const piece = finishReason === undefined || step.stopped ? step.text : step.text + text.flush()
    const { cachedTokens } = source.row
    const reported = top === undefined ? {} : top === 0 ? { logprob: logprobOf(logits, id) } : logprobsOf(logits, id, top)
    if (finishReason === undefined) source.begin?.()
    yield {
      id,
      ...(context.tokenizer === undefined ? {} : { text: piece }),
      ...reported,
      ...(drafted ? { drafted } : {}),
      ...(count === 1 && cachedTokens > 0 ? { cachedTokens } : {}),
      ...(finishReason === undefined ? {} : { finishReason }),
    }
    if (finishReason !== undefined) return
  }
}

/** Where the tokens of a stream come from. */
interface Source extends Disposable {
  readonly row: Row
  /** Its logits are without meaning after `begin`. */
  next(): Promise<Chosen>
  /** Computes what the next token will be chosen by while whoever reads the stream is busy with the last. */
  begin?(): void
}

function sourceOf(
  context: StreamContext,
  prompt: readonly number[],
  options: GenerateOptions,
  limit: number,
  slide: ((row: Row) => void) | undefined,
): Source {
  if (options.contrastive !== undefined) return contrasting(context, prompt, options, limit)
  return options.speculative === undefined ? stepping(context, prompt, options, slide) : guessing(context, prompt, options, limit)
}

/** One token for each step, several of which were looked at. */
function contrasting(
  { engine, programs, config }: StreamContext,
  prompt: readonly number[],
  options: GenerateOptions,
  maxTokens: number,
): Source {
  const { topK = 4 } = options.contrastive!
  const rows = engine.openTogether(Array.from({ length: topK }, (_, i) => (i === 0 ? prompt : [])))
  const hidden = (): Promise<Float32Array> => aborting(programs.hidden(prompt, options.signal))
  const tokens = contrastedTokens(rows, prompt, options, { maxTokens, width: config.width, hidden })
  return {
    row: rows[0]!,
    next: async () => (await tokens.next()).value as Chosen,
    [Symbol.dispose]() {
      void tokens.return()
      for (const row of rows) row.close()
    },
  }
}

/** One token for each step. */
function stepping(
  { vocabulary, programs, engine, capacity, encode, apart, background }: StreamContext,
  prompt: readonly number[],
  { sampler = greedySampler, signal, useCache = true, guidance, logprobs = false }: GenerateOptions,
  slide: ((row: Row) => void) | undefined,
): Source {
  const against = guidance === undefined ? undefined : guidance.negative === undefined ? prompt.slice(-1) : encode(guidance.negative)
  const [row, other] = engine.openTogether(against === undefined ? [prompt] : [prompt, against]) as [Row, Row | undefined]
  const count = apart && useCache && guidance === undefined && logprobs === false ? sampler.topCount?.() : undefined
  const byHighest = count !== undefined && count <= vocabulary / 2
  /** What the next token is chosen by. */
  const look = async (): Promise<Looked> => {
    for (const each of other === undefined ? [row] : [row, other]) if (each.ids.length > capacity) slide!(each)
    if (!useCache) return { logits: (await aborting(programs.last(row.ids, signal))).subarray(0, vocabulary) }
    if (byHighest) return highestOf(await row.highest(count, signal))
    if (other === undefined) return { logits: await row.look(signal) }
    const [logits, unguided] = await Promise.all([row.look(signal), other.look(signal)])
    return { logits, to: guided(logits, unguided, guidance!.scale) }
  }
  let ahead: Promise<Looked> | undefined
  return {
    row,
    async next() {
      const found = await (ahead ?? look())
      ahead = undefined
      const top = found.top === undefined ? undefined : sampler.chooseTop?.(found.top)
      // Where the highest do not tell, all do, for which the last token is computed again.
      const { logits, to = logits } = found.top !== undefined && top === undefined ? { logits: await row.look(signal) } : found
      const id = top === undefined ? chosen(sampler, to, vocabulary) : checkChoice(top, vocabulary)
      sampler.accept?.(id)
      row.ids.push(id)
      other?.ids.push(id)
      return { id, logits, drafted: false }
    },
    begin() {
      if (!background || !useCache) return
      ahead = look()
      ahead.catch(() => {}) // whoever asks for the token is told
    },
    [Symbol.dispose]() {
      row.close()
      other?.close()
    },
  }
}

/** What a token is chosen by: the model's logits, those in whose place others count, or the highest alone. */
interface Looked {
  readonly logits: Float32Array
  readonly to?: Float32Array
  readonly top?: TopLogits
}

const highestOf = (found: TopLogits | Float32Array): Looked =>
  found instanceof Float32Array ? { logits: found } : { logits: none, top: found }

const none = new Float32Array(0)

/** Several tokens for a step, where guesses are right. */
function guessing({ engine }: StreamContext, prompt: readonly number[], options: GenerateOptions, limit: number): Source {
  const row = engine.open([])
  const tokens = guessedTokens(row, prompt, options, limit)
  return {
    row,
    next: async () => (await tokens.next()).value as Chosen,
    [Symbol.dispose]() {
      void tokens.return()
      row.close()
    },
  }
}

/** What a prompt makes likelier than another does, made stronger. What one of both excludes stays what the prompt says. */
const guided = (logits: Float32Array, other: Float32Array, scale: number): Float32Array =>
  logits.map((logit, id) => (logit > -Infinity && other[id]! > -Infinity ? other[id]! + scale * (logit - other[id]!) : logit))

/** Positions that guidance takes for its other text. Errors: OPTION, CAPACITY. */
function checkGuidance({ engine, capacity, encode }: StreamContext, { guidance, useCache, maxTokens, overflow }: GenerateOptions): number {
  if (guidance === undefined) return 0
  const { scale, negative } = guidance
  if (typeof scale !== 'number' || !(scale >= 0 && scale <= 1000))
    throw new TransformerError('OPTION', `guidance.scale must be a number from 0 to 1000, got ${String(scale)}`)
  if (useCache === false) throw new TransformerError('OPTION', 'guidance keeps two texts in caches; leave useCache out')
  if (engine.places < 2)
    throw new TransformerError(
      'OPTION',
      `guidance takes two places side by side, and the model has ${engine.places}; make it with maxStreams: 2 or more`,
    )
  const length = negative === undefined ? 1 : encode(negative).length
  checkRoom(length, capacity, overflow === 'slide' ? undefined : maxTokens)
  return length
}

/** How many alternatives are reported; undefined where no log-probabilities are. */
function checkLogprobs(logprobs: boolean | number | undefined, vocabSize: number): number | undefined {
  if (logprobs === undefined || logprobs === false) return undefined
  if (logprobs === true) return 0
  if (!Number.isInteger(logprobs) || logprobs < 0 || logprobs > vocabSize)
    throw new TransformerError('OPTION', `logprobs must be true, false or an integer from 0 to ${vocabSize}, got ${String(logprobs)}`)
  return logprobs
}

/** What makes room in a full row, if anything does. */
function slideOf({ overflow = 'stop', sinks = 4 }: GenerateOptions, capacity: number): ((row: Row) => void) | undefined {
  if (overflow !== 'stop' && overflow !== 'slide')
    throw new TransformerError('OPTION', `overflow must be 'stop' or 'slide', got ${JSON.stringify(overflow)}`)
  if (overflow === 'stop') return undefined
  const most = Math.floor(capacity / 2)
  if (!Number.isInteger(sinks) || sinks < 0 || sinks > most)
    throw new TransformerError('OPTION', `sinks must be an integer from 0 to ${most}, half of the capacity, got ${String(sinks)}`)
  const kept = Math.max(1, Math.floor((capacity - sinks) / 2))
  return (row) => row.replace(sinks, row.ids.slice(-kept))
}

/** Refuses what cannot fit. Errors: OPTION, CAPACITY with the numbers. */
export function checkRoom(promptTokens: number, capacity: number, maxTokens: number | undefined): void {
  if (maxTokens !== undefined && (!Number.isInteger(maxTokens) || maxTokens < 0))
    throw new TransformerError('OPTION', `maxTokens must be a non-negative integer, got ${maxTokens}`)
  const needed = promptTokens + Math.max((maxTokens ?? 1) - 1, 0)
  if (needed > capacity)
    throw new TransformerError(
      'CAPACITY',
      `a prompt of ${counted(promptTokens, 'token')}${maxTokens === undefined ? '' : ` and ${counted(maxTokens, 'sampled one')}`} takes ${counted(needed, 'position')}; this model has ${capacity}. Shorten the prompt${maxTokens === undefined ? '' : ' or maxTokens'}`,
    )
}

/** The sampler's choice, checked. */
export function chosen(sampler: SamplerLike, logits: Float32Array, vocabSize: number): number {
  return checkChoice(sampler.choose(logits), vocabSize)
}

function checkChoice(id: number, vocabSize: number): number {
  if (!Number.isInteger(id) || id < 0 || id >= vocabSize)
    throw new TransformerError('TOKEN', `the sampler chose ${String(id)}; expected an id from 0 to ${vocabSize - 1}`)
  return id
}

interface TextState {
  push(id: number): { readonly text: string; readonly stopped: boolean }
  flush(): string
}

/** Decoding with stop ids and stop texts taken out. */
function textOf(tokenizer: TokenizerLike | undefined, stop: readonly (number | string)[], before: number): TextState {
  const ids = new Set(stop.filter((item) => typeof item === 'number'))
  const texts = stop.filter((item) => typeof item === 'string')
  if (texts.includes('')) throw new TransformerError('OPTION', 'stop holds an empty text, which would stop at once; leave it out')
  if (tokenizer === undefined) {
    if (texts.length > 0)
      throw new TransformerError(
        'OPTION',
        `stop text ${JSON.stringify(texts[0])} needs a tokenizer; give one to createModel, or stop at ids`,
      )
    return { push: (id) => ({ text: '', stopped: ids.has(id) }), flush: () => '' }
  }
  const decoder = tokenizer.decoder?.({ skipSpecial: true }) ?? { push: (id: number) => tokenizer.decode([id]), flush: () => '' }
  const { vocabSize: known = Infinity } = tokenizer
  if (before < known) decoder.push(before) // what follows a token may depend on it: a blank after the beginning, the rest of a character
  const stops = new StopTexts(texts)
  const flush = (): string => {
    const { text, stopped } = stops.push(decoder.flush())
    return stopped ? text : text + stops.flush()
  }
  return { push: (id) => (ids.has(id) ? { text: flush(), stopped: true } : stops.push(decoder.push(id))), flush }
}

/** An abort that a device noticed looks like one that this loop noticed. */
export async function aborting<T>(running: Promise<T>): Promise<T> {
  try {
    return await running
  } catch (error) {
    if (TesseraeError.isInstance(error) && error.code === 'ABORTED')
      throw new AbortedError('Generation was aborted by its signal', { cause: error })
    throw error
  }
}
