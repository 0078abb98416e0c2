import { allProperties } from '../../regex/more-properties.js'
import { Regex } from '../../regex/regex.js'
import { stringMatches } from '../../text/string-matches.js'
import type { ComponentFields } from './fields.js'
import { unsupported } from './json.js'

export interface FilePattern {
  /** As the file writes it. */
  readonly written: { readonly String: string } | { readonly Regex: string }
  /** Start and end of each match in a text, one after another. */
  readonly matches: (text: string) => readonly number[]
}

/** The `pattern` of a component: a string, or a regular expression of Oniguruma, which runs in linear time or is refused. */
export function readMatches(fields: ComponentFields): FilePattern {
  const { kind, source } = fields.pattern('pattern')
  const where = `${fields.where}.pattern`
  if (kind === 'String') {
    if (source === '') throw unsupported(`${where}, an empty string, which stands everywhere`)
    return { written: { String: source }, matches: (text) => stringMatches(text, source) }
  }
  fields.countAsLong()
  const regex = new Regex(source, { dialect: 'oniguruma', properties: allProperties, where: `tokenizer.json: ${where}`, code: 'FILE' })
  return {
    written: { Regex: source }, // In an empty text Hugging Face's library looks for nothing, not even for an empty match.
    matches: (text) => (text === '' ? [] : regex.matches(text)),
  }
}
