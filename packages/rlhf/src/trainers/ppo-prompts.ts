import { random } from '@tesserae/core'
import type { DecoderConfig } from '@tesserae/transformer'
import { RlhfError } from '../errors.js'
import type { PpoOptions } from './ppo-options.js'

/** The prompts of each step, and the columns that every row has. */
export interface PromptSource {
  readonly length: number
  at(step: number): readonly ArrayLike<number>[]
}

/**
 * Prompts by step alone, so that a resumed run needs no cursor: pass p takes the list in the order that the seed gives it for p. Errors: OPTION, LENGTH.
 */
export function promptSource(
  options: PpoOptions,
  { rows, config, seed }: { readonly rows: number; readonly config: DecoderConfig; readonly seed: number | string },
): PromptSource {
  const { prompts, tokenizer, maxTokens } = options
  const idsOf = (prompt: string | ArrayLike<number>): ArrayLike<number> => {
    if (typeof prompt !== 'string') return prompt
    if (tokenizer === undefined) throw new RlhfError('OPTION', 'ppo: a text prompt needs a tokenizer; give one, or prompts as ids')
    return tokenizer.encode(prompt, { special: 'text' })
  }
  if (typeof prompts === 'function') {
    const length = checked(options.length ?? config.context, config)
    return {
      length,
      at: (step) => {
        const given = prompts(step).map(idsOf)
        if (given.length !== rows)
          throw new RlhfError('OPTION', `ppo: prompts(${step}) gave ${given.length} prompts; expected ${rows}, one for each row`)
        return given
      },
    }
  }
  if (prompts.length === 0) throw new RlhfError('OPTION', 'ppo: prompts is empty; give at least one')
  const all = prompts.map(idsOf)
  const longest = all.reduce((most, { length }) => Math.max(most, length), 0)
  const orders = random(seed).stream('prompts')
  let known: { readonly pass: number; readonly order: Uint32Array } | undefined
  return {
    length: checked(options.length ?? longest + maxTokens, config),
    at: (step) =>
      Array.from({ length: rows }, (_, row) => {
        const place = step * rows + row
        const pass = Math.floor(place / all.length)
        if (known?.pass !== pass) known = { pass, order: orders.fold(pass).permutation(all.length) }
        return all[known.order[place % all.length]!]!
      }),
  }
}

function checked(length: number, { context }: DecoderConfig): number {
  if (!Number.isInteger(length) || length < 2 || length > context)
    throw new RlhfError(
      'LENGTH',
      `ppo: rows of ${length} columns were asked for (the longest prompt and maxTokens, or length); the policy's context is ${context}. Shorten prompts or maxTokens`,
    )
  return length
}
