/** Mends JSON that was cut off or written carelessly. */
import type { ModelJson } from '@tesserae/core'
import { JsonError } from './json-error.js'
import { Mender } from './mender.js'

export interface JsonRepair {
  /** Where in the text as it was given: the number of UTF-16 code units before it. */
  readonly at: number
  readonly what: string
}

export interface RepairedJson<T> {
  /** JSON: the text as it was where it is JSON, else what was made of it, without spaces between values. */
  readonly text: string
  readonly value: T
  /** What was done, in order; nothing where the text is JSON. */
  readonly repairs: readonly JsonRepair[]
}

/** Where JSON may begin behind other text. */
const BEGINNING = /[{[]/g

/**
 * Makes JSON of a text that was meant to be: what was cut off is closed or, where nothing can be known of it, left out; commas, quotes, brackets, names and escapes are put right, and code fences, comments and
 * text around it left out. Each character is looked at a few times at most.
 *
 * @example
 * repairJson('```json\n{name: \'Ada\', langs: ["en", "fr"').value // { name: 'Ada', langs: ['en', 'fr'] }
 * @throws JsonError where there is nothing to read: no bracket, string, number or literal
 */
export function repairJson<T = ModelJson>(text: string): RepairedJson<T> {
  try {
    return { text, value: JSON.parse(text) as T, repairs: [] }
  } catch {
    // What follows finds out why.
  }
  const first = new Mender(text, 0)
  const hasScalar = first.mend()
  if (hasScalar && (first.isContainer || first.end === text.length)) return result(first)
  // What began like a value was the beginning of a sentence, if a list or object comes behind it.
  BEGINNING.lastIndex = hasScalar ? first.end : 0
  const at = BEGINNING.exec(text)?.index
  if (at !== undefined) {
    const second = new Mender(text, at)
    second.note(0, 'text before the JSON left out')
    second.mend()
    return result(second)
  }
  if (hasScalar) return result(first)
  throw new JsonError(`There is no JSON to repair in a text of ${text.length} characters: no bracket, string, number or literal`, 0)
}

function result<T>(mender: Mender): RepairedJson<T> {
  const text = mender.finish()
  return { text, value: JSON.parse(text) as T, repairs: mender.repairs }
}
