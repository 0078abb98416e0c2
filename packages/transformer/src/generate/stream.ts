import { AbortedError, TesseraeError, throwIfAborted } from '@tesserae/core'
import { StopTexts } from '@tesserae/sampling'
import type { DecoderConfig } from '../architectures/config.js'
import { FixedCache } from '../cache/fixed.js'
import { TransformerError } from '../errors.js'
import { greedySampler, logprobOf } from './choose.js'
import type { Programs } from './programs.js'
import { turns } from './turn.js'
import type { FinishReason, GenerateOptions, SamplerLike, TokenEvent, TokenizerLike } from './types.js'

export interface StreamContext {
  readonly config: DecoderConfig
  readonly programs: Programs
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
 * Samples token after token. Everything that can be refused is refused before the first program runs; however it ends, the cache
 * is freed.
 */
export async function* streamTokens(
  context: StreamContext,
  prompt: readonly number[],
  options: GenerateOptions,
): AsyncGenerator<TokenEvent, void, undefined> {
  const { config, programs, capacity } = context
  const { sampler = greedySampler, signal, useCache = true, logprobs = false } = options
  const room = capacity - prompt.length + 1 // the last token is never written to the cache
  checkRoom(prompt.length, capacity, options.maxTokens)
  const limit = Math.min(options.maxTokens ?? room, room)
  const text = textOf(context.tokenizer, options.stop ?? [], prompt.at(-1)!)
  throwIfAborted(signal, 'Generation')
  if (limit === 0) return

  using cache = useCache ? new FixedCache(config, { capacity }) : undefined
  const sequence = prompt.slice()
  for (const id of prompt) sampler.accept?.(id)
  const turn = turns()
  let fresh: readonly number[] = prompt
  for (let count = 1; ; count++) {
    throwIfAborted(signal, 'Generation')
    const logits = await aborting(cache === undefined ? programs.last(sequence, signal) : programs.extend(cache, fresh, signal))
    await turn()
    throwIfAborted(signal, 'Generation')
    const id = chosen(sampler, logits, config.vocabSize)
    sampler.accept?.(id)
    sequence.push(id)
    fresh = [id]
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
      ...(logprobs ? { logprob: logprobOf(logits, id) } : {}),
      ...(finishReason === undefined ? {} : { finishReason }),
    }
    if (finishReason !== undefined) return
  }
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
