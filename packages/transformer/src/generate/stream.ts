import { AbortedError, TesseraeError, throwIfAborted } from '@tesserae/core'
import { StopTexts } from '@tesserae/sampling'
import type { DecoderConfig } from '../architectures/config.js'
import { TransformerError } from '../errors.js'
import { greedySampler, logprobOf, logprobsOf } from './choose.js'
import type { Engine, Row } from './engine.js'
import type { Programs } from './programs.js'
import type { FinishReason, GenerateOptions, SamplerLike, TokenEvent, TokenizerLike } from './types.js'

export interface StreamContext {
  readonly config: DecoderConfig
  readonly programs: Programs
  readonly engine: Engine
  readonly capacity: number
  readonly tokenizer?: TokenizerLike
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
  const { config, programs, engine, capacity } = context
  const { sampler = greedySampler, signal, useCache = true } = options
  const top = checkLogprobs(options.logprobs, config.vocabSize)
  const slide = slideOf(options, capacity)
  const room = slide === undefined ? capacity - prompt.length + 1 : Infinity // the last token is never written to the cache
  checkRoom(prompt.length, capacity, slide === undefined ? options.maxTokens : undefined)
  const limit = Math.min(options.maxTokens ?? room, room)
  const text = textOf(context.tokenizer, options.stop ?? [], prompt.at(-1)!)
  throwIfAborted(signal, 'Generation')
  if (limit === 0) return

  using row = engine.open(prompt)
  for (const id of prompt) sampler.accept?.(id)
  for (let count = 1; ; count++) {
    throwIfAborted(signal, 'Generation')
    if (row.ids.length > capacity) slide!(row)
    const logits = await (useCache ? row.next(signal) : aborting(programs.last(row.ids, signal)))
    const id = chosen(sampler, logits, config.vocabSize)
    sampler.accept?.(id)
    row.ids.push(id)
    const step = text.push(id)
    const finishReason: FinishReason | undefined = step.stopped
      ? 'stop'
      : count < limit
        ? undefined
        : options.maxTokens === count
          ? 'length'
          : 'context'
    const piece = finishReason === undefined || step.stopped ? step.text : step.text + text.flush()
    yield {
      id,
      ...(context.tokenizer === undefined ? {} : { text: piece }),
      ...(top === undefined ? {} : top === 0 ? { logprob: logprobOf(logits, id) } : logprobsOf(logits, id, top)),
      ...(count === 1 && row.cachedTokens > 0 ? { cachedTokens: row.cachedTokens } : {}),
      ...(finishReason === undefined ? {} : { finishReason }),
    }
    if (finishReason !== undefined) return
  }
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
      `a prompt of ${promptTokens} tokens${maxTokens === undefined ? '' : ` and ${maxTokens} sampled ones`} takes ${needed} positions; this model has ${capacity}. Shorten the prompt${maxTokens === undefined ? '' : ' or maxTokens'}`,
    )
}

/** The sampler's choice, checked. */
export function chosen(sampler: SamplerLike, logits: Float32Array, vocabSize: number): number {
  const id = sampler.choose(logits)
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
  decoder.push(before) // what follows a token may depend on it: a blank after the beginning, the rest of a character
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
