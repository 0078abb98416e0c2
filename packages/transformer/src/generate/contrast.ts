/** Texts whose tokens are likely and whose states are unlike those before. */
import { contrastiveSearch } from '@tesserae/sampling'
import { TransformerError } from '../errors.js'
import type { Engine } from './engine.js'
import type { Row, TextState } from './row.js'
import type { Chosen } from './speculate.js'
import type { GenerateOptions } from './types.js'

/** Refuses what does not go together with it. Errors: OPTION. */
export function checkContrastive(
  { contrastive, sampler, speculative, guidance, useCache, overflow }: GenerateOptions,
  engine: Pick<Engine, 'places'>,
): void {
  if (contrastive === undefined) return
  const refuse = (what: string): never => {
    throw new TransformerError('OPTION', `contrastive: ${what}`)
  }
  const { topK = 4, penaltyAlpha = 0.6 } = contrastive
  if (!Number.isInteger(topK) || topK < 1 || topK > engine.places)
    refuse(
      `topK must be an integer from 1 to ${engine.places}, the places that the model has for texts side by side, got ${String(topK)}; make it with a larger maxStreams`,
    )
  if (typeof penaltyAlpha !== 'number' || !(penaltyAlpha >= 0 && penaltyAlpha <= 1))
    refuse(`penaltyAlpha must be a number from 0 to 1, got ${String(penaltyAlpha)}`)
  const others = { sampler, speculative, guidance }
  for (const [name, value] of Object.entries(others)) if (value !== undefined) refuse(`it chooses tokens itself; leave ${name} out`)
  if (useCache === false) refuse('it keeps its texts in caches; leave useCache out')
  if (overflow === 'slide') refuse("its texts do not slide; leave overflow at 'stop'")
}

/** Tokens behind a prompt. The first of `rows` has it, and each of them goes on with one that might come. `hidden` gives the states of all of the prompt's tokens, one behind the other. */
export async function* contrastedTokens(
  rows: readonly Row[],
  prompt: readonly number[],
  { contrastive, signal }: GenerateOptions,
  { maxTokens, width, hidden }: { readonly maxTokens: number; readonly width: number; readonly hidden: () => Promise<Float32Array> },
): AsyncGenerator<Chosen, void, undefined> {
  const { topK = 4, penaltyAlpha = 0.6 } = contrastive!
  const [first] = rows as readonly [Row]
  const start = await first.state(signal)
  const states = await hidden()
  /** What was looked at last, and in which rows. */
  let looked: { readonly tokens: readonly number[]; readonly rows: readonly Row[]; readonly steps: readonly TextState[] } | undefined
  let parent = first
  const found = contrastiveSearch({
    prompt: { logits: start.logits, hidden: prompt.map((_, i) => states.subarray(i * width, (i + 1) * width)) },
    topK,
    alpha: penaltyAlpha,
    maxTokens,
    ...(signal === undefined ? {} : { signal }),
    async expand(_, tokens) {
      const used = [parent, ...rows.filter((row) => row !== parent)].slice(0, tokens.length)
      for (const row of used) if (row !== parent) row.copy(parent)
      used.forEach((row, i) => row.ids.push(tokens[i]!))
      const steps = await Promise.all(used.map((row) => row.state(signal)))
      looked = { tokens, rows: used, steps }
      return steps
    },
  })
  let { logits } = start
  for await (const id of found) {
    yield { id, logits, drafted: false }
    const at = looked!.tokens.indexOf(id)
    parent = looked!.rows[at]!
    ;({ logits } = looked!.steps[at]!)
  }
}
