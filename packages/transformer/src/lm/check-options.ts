/** What is given to a language model, as far as types would refuse it. */
import { TransformerError } from '../errors.js'
import { isSampler, type LmSampling } from './sampling.js'
import type { LmOptions, LmPrompt } from './types.js'

const samplingNames = [
  'temperature',
  'topK',
  'topP',
  'minP',
  'seed',
  'repetitionPenalty',
  'frequencyPenalty',
  'presencePenalty',
  'logitBias',
] as const satisfies readonly (keyof LmSampling)[]

/** @throws TransformerError `OPTION` that says what was given and what is expected */
export function checkAsked(prompt: LmPrompt, options: LmOptions): void {
  checkPrompt(prompt)
  const { stop, tools, signal, sampler, contrastive } = options
  if (stop !== undefined && !Array.isArray(stop)) throw refused('stop', 'a list of texts and ids', stop)
  if (tools !== undefined && !Array.isArray(tools)) throw refused('tools', 'a list', tools)
  if (signal !== undefined && typeof signal.addEventListener !== 'function') throw refused('signal', 'an AbortSignal', signal)
  if (sampler !== undefined) checkSampler(sampler)
  if (contrastive !== undefined) checkNames('contrastive', contrastive, ['penaltyAlpha', 'topK'])
  const misplaced = samplingNames.find((name) => name in options)
  if (misplaced !== undefined)
    throw new TransformerError(
      'OPTION',
      `${misplaced} is a setting of the sampler: sampler: { ${misplaced}: ${shown((options as never)[misplaced])} }`,
    )
}

function checkPrompt(prompt: LmPrompt): void {
  if (typeof prompt === 'string') return
  const isList = typeof prompt === 'object' && prompt !== null && Number.isInteger(prompt.length)
  if (!isList) throw refused('a prompt', 'a text, a list of messages, or ids', prompt)
  if (!Array.isArray(prompt)) return
  for (const [i, message] of prompt.entries()) {
    if (typeof message !== 'object' || message === null) continue
    const { content } = message as { readonly content?: unknown }
    if (typeof content !== 'string' && content !== undefined)
      throw refused(`messages[${i}].content`, 'a text; parts of other kinds are not read', content)
  }
}

function checkSampler(sampler: NonNullable<LmOptions['sampler']>): void {
  if (typeof sampler !== 'object' || sampler === null)
    throw refused('sampler', 'settings such as { temperature: 0.8 }, or an object that chooses', sampler)
  if (!isSampler(sampler)) checkNames('sampler', sampler, samplingNames)
}

/** Refuses settings that nobody reads: most are known ones, written otherwise. */
function checkNames(what: string, given: object, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw refused(what, `an object of ${known.join(', ')}`, given)
  const other = Object.keys(given).find((name) => !known.includes(name))
  if (other !== undefined) throw new TransformerError('OPTION', `${what} has no setting ${other}; expected ${known.join(', ')}`)
}

const refused = (what: string, expected: string, given: unknown): TransformerError =>
  new TransformerError('OPTION', `${what} is ${expected}; got ${shown(given)}`)

function shown(given: unknown): string {
  const text = typeof given === 'function' ? 'a function' : (JSON.stringify(given) ?? String(given))
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
