/** Texts that are gone on with by several guessed tokens at a time. */
import {
  draftModel,
  promptLookup,
  sampler as makeSampler,
  speculative,
  type Drafter,
  type Sampler,
  type SpeculativeModel,
} from '@tesserae/sampling'
import { TransformerError } from '../errors.js'
import type { Row } from './row.js'
import type { DecoderModel } from './model.js'
import type { GenerateOptions, SamplerLike } from './types.js'

/** A token that was chosen, and the logits that it was chosen by. */
export interface Chosen {
  readonly id: number
  readonly logits: Float32Array
  readonly drafted: boolean
}

/** Most tokens that are guessed at a time: with the one before them they are judged in one piece. */
const mostGuesses = 63

/** Refuses what cannot be guessed for. Errors: OPTION. */
export function checkSpeculative(
  { speculative: settings, overflow, guidance, useCache, sampler }: GenerateOptions,
  model: Pick<DecoderModel, 'vocabulary'>,
  positions: number,
): void {
  if (settings === undefined) return
  const refuse = (what: string): never => {
    throw new TransformerError('OPTION', `speculative: ${what}`)
  }
  const { draft, tokens = 5 } = settings
  if (!Number.isInteger(tokens) || tokens < 1 || tokens > mostGuesses)
    refuse(`tokens must be an integer from 1 to ${mostGuesses}, got ${String(tokens)}`)
  if (overflow === 'slide') refuse("texts that slide cannot be guessed for; leave overflow at 'stop'")
  if (guidance !== undefined) refuse('texts with guidance cannot be guessed for; leave one of both out')
  if (useCache === false) refuse('guesses are judged with a cache; leave useCache out')
  if (sampler !== undefined && !isSampler(sampler))
    refuse("the sampler must tell its distribution (probabilities, clone), as @tesserae/sampling's do; give one of those, or none")
  if (draft === 'prompt') return
  if (typeof draft !== 'object' || draft === null) return refuse(`draft must be a model or 'prompt', got ${String(draft)}`)
  if (draft.vocabulary !== model.vocabulary)
    refuse(
      `the draft model has ${draft.vocabulary} tokens, the model ${model.vocabulary}; both need the same vocabulary. Where one has rows that fill its table up, give createModel the tokenizer, or vocabulary`,
    )
  if (draft.capacity < positions)
    refuse(`the draft model has ${draft.capacity} positions and ${positions} are needed; make it with more capacity`)
}

const isSampler = (sampler: SamplerLike): sampler is Sampler => 'probabilities' in sampler && 'clone' in sampler

/** Tokens behind a prompt. `row` is empty, and has the text but its last tokens from then on. */
export async function* guessedTokens(
  row: Row,
  prompt: readonly number[],
  options: GenerateOptions,
  maxTokens: number,
): AsyncGenerator<Chosen, void, undefined> {
  const { signal, speculative: settings } = options
  const { draft, tokens = 5 } = settings!
  const sampler = (options.sampler as Sampler | undefined) ?? makeSampler({ temperature: 0 })
  let judged: Float32Array[] = []
  let at = 0
  const target = contextOf(row, signal, (count) => (row.ids.length === count ? count - prompt.length + 1 : count))
  const watched: SpeculativeModel = {
    ...target,
    extend: async (ids) => {
      const rows = await target.extend(ids)
      judged = rows.filter((logits) => logits.length > 0)
      at = 0
      return rows
    },
  }
  using drafting = draft === 'prompt' ? undefined : draft.open([])
  const drafter: Drafter = drafting === undefined ? promptLookup() : draftModel(contextOf(drafting, signal, () => 1))
  const found = speculative({
    target: watched,
    drafter,
    prompt,
    sampler,
    gamma: tokens,
    maxTokens,
    ...(signal === undefined ? {} : { signal }),
  })
  for await (const { id, drafted } of found) yield { id, logits: judged[at++]!, drafted }
}

/** A row as what sampling looks at. Of the tokens that are added it gives the logits of the last `wanted`, and nothing for those before. */
function contextOf(
  row: Row,
  signal: AbortSignal | undefined,
  wanted: (count: number) => number,
): Omit<SpeculativeModel, 'extend'> & { extend(ids: readonly number[]): Promise<Float32Array[]> } {
  return {
    async extend(ids) {
      row.ids.push(...ids)
      const count = wanted(ids.length)
      const rows = count === 1 ? [await row.next(signal)] : await row.nextOf(count, signal)
      return [...Array.from({ length: ids.length - rows.length }, () => nothing), ...rows]
    },
    rewind: (count) => row.replace(row.ids.length - count, []),
  }
}

const nothing = new Float32Array(0)
