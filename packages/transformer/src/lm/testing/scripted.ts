/** A model that says what it is told to, token by token, through all that a real answer goes through. */
import type { SamplerLike } from '../../generate/types.js'
import type { LocalLm } from '../local.js'
import type { LmOptions, LmPrompt } from '../types.js'

/** Says a text and then ends. */
export function saying(lm: LocalLm, text: string): SamplerLike {
  const ids = [...lm.tokenizer.encode(text, { special: 'allow', addSpecial: false }), lm.stop[0]!]
  return { choose: () => ids.shift()! }
}

/** Says one text after the other, an answer each; `asked` has what it was asked. */
export function scripted(
  lm: LocalLm,
  texts: readonly string[],
): { readonly lm: LocalLm; readonly asked: { readonly prompt: LmPrompt; readonly options: LmOptions }[] } {
  const asked: { prompt: LmPrompt; options: LmOptions }[] = []
  const next = (prompt: LmPrompt, options: LmOptions): LmOptions => {
    asked.push({ prompt, options })
    const text = texts[asked.length - 1]
    if (text === undefined) throw new Error(`there is no answer number ${asked.length}`)
    return { ...options, sampler: saying(lm, text) }
  }
  const made = {
    ...lm,
    stream: (prompt: LmPrompt, options: LmOptions = {}) => lm.stream(prompt, next(prompt, options)),
    generate: (prompt: LmPrompt, options: LmOptions = {}) => lm.generate(prompt, next(prompt, options)),
  }
  return { lm: made as unknown as LocalLm, asked }
}

export const callText = (name: string, given: unknown): string =>
  `<tool_call>\n${JSON.stringify({ name, arguments: given }).replace('","arguments":', '", "arguments": ').replace('{"name":', '{"name": ')}\n</tool_call>`
