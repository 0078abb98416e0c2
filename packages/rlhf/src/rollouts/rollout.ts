/** Samples of a policy as training sees them: padded rows, a mask of what was sampled, and the log-probabilities it was sampled with. */
import { sampler, type SamplerOptions } from '@tesserae/sampling'
import type { OnProgress } from '@tesserae/core'
import type { BatchGenerator, BatchRow, TokenizerLike } from '@tesserae/transformer'
import { RlhfError } from '../errors.js'
import type { RewardSample } from '../rewards/reward.js'

/** How a policy is sampled from. A temperature belongs to the policy: losses divide the logits by it too. */
export type RolloutSampling = Pick<SamplerOptions, 'temperature' | 'topK' | 'topP' | 'minP'>

export interface RolloutOptions {
  /** Most tokens to sample for each prompt. */
  readonly maxTokens: number
  /** Ids that end a completion; the id is learnt as part of it. */
  readonly stop?: readonly number[]
  /** Default: temperature 1 and nothing cut off. */
  readonly sampling?: RolloutSampling
  /** Makes every row's draw: each has a stream of its own, so that a row does not depend on the batch it is in. */
  readonly seed: number | string
  /** Columns of the rows; default just enough. One number for all steps makes one program for all steps. */
  readonly length?: number
  /** Fills up the rows. Default 0: what is masked is never looked at. */
  readonly padding?: number
  /** Adds texts to the samples. */
  readonly tokenizer?: TokenizerLike
  readonly signal?: AbortSignal
  readonly onProgress?: OnProgress
}

/** Completions of one batch of prompts. Column t of mask and logprobs speaks of the token at t + 1, which logits at t predict. */
export interface Rollout {
  readonly rows: number
  /** Columns of ids; mask and logprobs have one fewer. */
  readonly length: number
  /** [rows · length], prompt then completion then padding. */
  readonly ids: Int32Array
  /** [rows · (length − 1)]: 1 where the predicted token was sampled, 0 on prompts and padding. */
  readonly mask: Float32Array
  /** [rows · (length − 1)]: log-probability of each sampled token at the sampling temperature, 0 elsewhere. */
  readonly logprobs: Float32Array
  /** [rows]: column of the mask just behind the last sampled token, that is tokens of prompt and completion less one. */
  readonly ends: Int32Array
  /** What rewards see. */
  readonly samples: readonly RewardSample[]
}

/**
 * Samples a completion for each prompt by the generation loop that inference uses. `parameters` are whatever the generator takes: weights, or an adapter.
 *
 * Errors: LENGTH where a prompt and its completion could be longer than `length`; what the generator refuses; AbortError.
 */
export async function collectRollout<Parameters>(
  generator: BatchGenerator<Parameters>,
  parameters: Parameters,
  prompts: readonly ArrayLike<number>[],
  options: RolloutOptions,
): Promise<Rollout> {
  const { maxTokens, stop, sampling = {}, seed, signal, onProgress } = options
  const longest = prompts.reduce((most, { length }) => Math.max(most, length), 0)
  const { length = longest + maxTokens } = options
  if (longest + maxTokens > length)
    throw new RlhfError(
      'LENGTH',
      `a prompt of ${longest} tokens and ${maxTokens} sampled ones take ${longest + maxTokens} columns; rows have ${length}. Shorten the prompts or maxTokens, or raise length`,
    )
  const completions = await generator.generate(parameters, prompts, {
    maxTokens,
    sampler: (row) => sampler({ ...sampling, seed: `${seed}/row ${row}` }),
    temperature: sampling.temperature ?? 1,
    ...(stop === undefined ? {} : { stop }),
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  })
  return padded(prompts, completions, { ...options, length })
}

function padded(
  prompts: readonly ArrayLike<number>[],
  completions: readonly BatchRow[],
  { length, padding = 0, tokenizer }: Pick<RolloutOptions, 'padding' | 'tokenizer'> & { readonly length: number },
): Rollout {
  const rows = prompts.length
  const ids = new Int32Array(rows * length).fill(padding)
  const mask = new Float32Array(rows * (length - 1))
  const logprobs = new Float32Array(rows * (length - 1))
  const ends = new Int32Array(rows)
  const samples = completions.map((row, i): RewardSample => {
    const prompt = Array.from(prompts[i]!)
    ids.set(prompt, i * length)
    ids.set(row.ids, i * length + prompt.length)
    const first = i * (length - 1) + prompt.length - 1
    mask.fill(1, first, first + row.ids.length)
    logprobs.set(row.tempered, first)
    ends[i] = prompt.length - 1 + row.ids.length
    const texts = tokenizer && { promptText: tokenizer.decode(prompt), completionText: textOf(row.ids, tokenizer) }
    return { index: i, prompt, completion: row.ids, finishReason: row.finishReason, ...texts }
  })
  return { rows, length, ids, mask, logprobs, ends, samples }
}

function textOf(ids: readonly number[], tokenizer: TokenizerLike): string {
  const decoder = tokenizer.decoder?.({ skipSpecial: true })
  return decoder === undefined ? tokenizer.decode(ids) : ids.map((id) => decoder.push(id)).join('') + decoder.flush()
}

/**
 * Compares the log-probabilities of a rollout with those that training computes for the same tokens, [rows · (length − 1)]: the largest difference of any
 * sampled token. Generation and training are one forward pass, so more than rounding is a fault that would bias every update.
 *
 * Errors: ROLLOUT beyond `tolerance` (default 1e-5, relative for log-probabilities beyond −1), naming row and token.
 */
export function checkRolloutLogprobs(rollout: Rollout, logprobs: Float32Array, options: { readonly tolerance?: number } = {}): number {
  const { tolerance = 1e-5 } = options
  let largest = 0
  for (const [i, sampled] of rollout.mask.entries()) {
    if (sampled === 0) continue
    const [own, other] = [rollout.logprobs[i]!, logprobs[i]!]
    const gap = Math.abs(own - other)
    largest = Math.max(largest, gap)
    if (gap <= tolerance * Math.max(1, Math.abs(own))) continue
    const columns = rollout.length - 1
    const row = Math.floor(i / columns)
    const at = (i % columns) + 1
    throw new RlhfError(
      'ROLLOUT',
      `sample ${row}: its token ${rollout.ids[row * rollout.length + at]} at position ${at} was sampled with log-probability ${own}, the trainer computes ${other}; the difference is beyond ${tolerance}. Check that both use the same weights and temperature`,
    )
  }
  return largest
}
