import type { TokenSequence } from '../pipeline/components.js'
import { isPairAt } from '../text/aligned.js'
import { hfClassTable, SPACE } from '../unicode/hf-classes.js'

/** The character that byte-level vocabularies write for a blank. */
const WRITTEN_BLANK = 'Ġ'

/**
 * Takes the white space that a token's written form begins and ends with off its place in the text.
 *
 * @param addedPrefix whether a single blank at the beginning of the text is one that the pre-tokenizer added, which has no place to take off
 */
export function trimOffsets(tokens: TokenSequence, addedPrefix: boolean): void {
  const { text, starts, ends, forms } = tokens
  const classes = hfClassTable()
  const isSpace = (form: string, at: number): boolean => form[at] === WRITTEN_BLANK || (classes[form.charCodeAt(at)]! & SPACE) !== 0
  for (const [i, form] of forms.entries()) {
    let leading = 0
    while (leading < form.length && isSpace(form, leading)) leading++
    let trailing = 0
    while (trailing < form.length && isSpace(form, form.length - 1 - trailing)) trailing++
    if (leading === 1 && addedPrefix && (i === 0 || starts[i] === 0)) leading = 0
    for (; leading > 0 && starts[i]! < ends[i]!; leading--) starts[i]! += isPairAt(text, starts[i]!) ? 2 : 1
    for (; trailing > 0 && ends[i]! > starts[i]!; trailing--) ends[i]! -= ends[i]! > 1 && isPairAt(text, ends[i]! - 2) ? 2 : 1
  }
}
