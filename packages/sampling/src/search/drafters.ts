import { random } from '@tesserae/core'
import type { Sampler } from '../chain.js'
import { checkInteger } from '../check.js'
import { SamplingError } from '../errors.js'
import { drawFrom } from './draw.js'
import type { SpeculativeModel } from './speculative.js'

export interface Guess {
  readonly id: number
  /** The distribution that it was drawn from, one number for each token id; none for a guess that was not drawn. */
  readonly probabilities?: Float64Array
}

/** Guesses how a text goes on. */
export interface Drafter {
  /** Up to `count` tokens behind `text`. `sampler` is that of the text, as it is at its end: a drafter that draws by it uses a clone. */
  propose(text: readonly number[], count: number, sampler: Sampler): readonly Guess[] | Promise<readonly Guess[]>
}

/**
 * Guesses by a smaller model with the same vocabulary, which draws as the text's sampler does.
 *
 * @param model its context is empty; it is extended and cut so that it follows the text
 * @param options `seed` fixes what is guessed; default 0
 */
export function draftModel(model: SpeculativeModel, options: { readonly seed?: number | string } = {}): Drafter {
  const stream = random(options.seed ?? 0).stream('draft')
  /** What the model's context holds. */
  const held: number[] = []
  return {
    async propose(text, count, sampler) {
      let same = 0
      // The last token is given in any case, for its logits.
      while (same < held.length && same < text.length - 1 && held[same] === text[same]) same++
      if (same < held.length) {
        await model.rewind(held.length - same)
        held.length = same
      }
      const own = sampler.clone()
      const guesses: Guess[] = []
      let next: readonly number[] = text.slice(same)
      while (guesses.length < count) {
        const rows = await model.extend(next)
        held.push(...next)
        const logits = rows.at(-1)
        if (logits === undefined) throw new SamplingError('LOGITS', `draftModel: the model gave no logits for ${next.length} tokens`)
        const probabilities = own.probabilities(logits)
        const id = drawFrom(probabilities, stream)
        own.accept(id)
        guesses.push({ id, probabilities })
        next = [id]
      }
      return guesses
    },
  }
}

export interface PromptLookupOptions {
  /** The longest end of the text that is looked for. From 1 to 64; default 3. */
  readonly longest?: number
  /** The shortest. From 1 to `longest`; default 1. */
  readonly shortest?: number
}

/**
 * Guesses that the text goes on as it did where its end occurred before: quotes, names, code that is edited. Needs no model.
 *
 * Source: A. Saxena, "Prompt Lookup Decoding", github.com/apoorvumang/prompt-lookup-decoding.
 */
export function promptLookup({ longest = 3, shortest = 1 }: PromptLookupOptions = {}): Drafter {
  checkInteger('longest', longest, 1, 64)
  checkInteger('shortest', shortest, 1, longest)
  return {
    propose(text, count) {
      for (let size = Math.min(longest, text.length - 1); size >= shortest; size--) {
        const end = text.length - size
        // The latest occurrence: what was said last is likeliest to be said again.
        for (let at = end - 1; at >= 0; at--) {
          let same = 0
          while (same < size && text[at + same] === text[end + same]) same++
          if (same === size) return text.slice(at + size, at + size + count).map((id) => ({ id }))
        }
      }
      return []
    },
  }
}
