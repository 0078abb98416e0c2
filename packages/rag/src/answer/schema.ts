import type { ModelJson } from '@tesserae/core'
import { checkCitation, type CheckOptions } from './check.js'
import type { Citation, Passage } from './types.js'

/** A JSON Schema for answers that may abstain, for `answer(question, { schema: abstainingSchema })`. */
export const abstainingSchema = {
  type: 'object',
  properties: {
    answer: { type: 'string', description: 'The answer; empty when abstaining' },
    quote: { type: 'string', description: 'The words of the source that the answer rests on, unchanged; empty when abstaining' },
    source: { type: ['integer', 'null'], description: 'The number of that source, counted from 1' },
    abstain: { type: 'boolean', description: 'True when the sources do not contain the answer' },
  },
  required: ['answer', 'quote', 'source', 'abstain'],
  additionalProperties: false,
} as const

/** What an object by any schema says as an answer. */
export interface ReadObject {
  readonly text: string
  readonly abstained: boolean
  readonly citations: readonly Citation[]
}

/** The JSON in a model's reply; models without a JSON mode like to put a fence or a sentence around it. Undefined when there is none. */
export function parseReply(reply: string): ModelJson | undefined {
  const fenced = /```(?:json)?\s*\n([\s\S]*?)\n\s*```/.exec(reply)?.[1]
  const braced = /\{[\s\S]*\}/.exec(reply)?.[0]
  for (const candidate of [reply, fenced, braced]) {
    if (candidate === undefined) continue
    try {
      return JSON.parse(candidate) as ModelJson
    } catch {
      // The next candidate may be JSON.
    }
  }
  return undefined
}

/** Reads answer, quote, source and abstain out of an object where it has them, and checks the quote. */
export function readObject(object: ModelJson, passages: readonly Passage[], options: CheckOptions): ReadObject {
  const fields = typeof object === 'object' && object !== null && !Array.isArray(object) ? object : {}
  const abstained = fields['abstain'] === true
  const text = typeof fields['answer'] === 'string' ? fields['answer'] : ''
  const quote = typeof fields['quote'] === 'string' ? fields['quote'].trim() : ''
  if (abstained || quote === '') return { text: abstained ? '' : text, abstained, citations: [] }
  // Without a number any source may be meant; 0 names none, so that a match elsewhere counts as misattributed.
  const source = typeof fields['source'] === 'number' ? fields['source'] : undefined
  const marker =
    source ?? 1 + passages.findIndex((_, i) => isSupported(checkCitation(i + 1, { text: quote, quoted: true }, passages, options)))
  return { text, abstained, citations: [checkCitation(marker, { text: quote, quoted: true }, passages, options)] }
}

const isSupported = ({ verdict }: Citation): boolean => verdict === 'verbatim' || verdict === 'fuzzy'
