import type { ComponentJson, Normalizer } from '../pipeline/components.js'
import { isPairAt, type AlignedText, type TextEdit } from '../text/aligned.js'
import { checkGrowth, TIMES_REPLACED } from '../text/growth.js'

/** What files look for that make one blank of several. */
const RUNS: readonly string[] = [' {2,}', ' +', '\\s{2,}', '\\s+']

/** Replaces every match of a string or a regular expression by a text, which is taken as it is. */
export class Replace implements Normalizer {
  /**
   * @param pattern kept to be written back
   * @param matches start and end of each match in a text, one after another
   */
  constructor(
    private readonly pattern: { readonly String: string } | { readonly Regex: string },
    private readonly content: string,
    private readonly matches: (text: string) => readonly number[],
  ) {}

  /** What has neither letters nor blanks in it lies on one side of a blank; blanks may become signs, and runs of them one. */
  get wordwise(): boolean {
    const { pattern } = this
    const blank = this.content === ' ' || this.content === '\u2581'
    if ('Regex' in pattern) return RUNS.includes(pattern.Regex) && blank
    // Of several characters only those that stand for no letter in any script.
    return pattern.String === ' ' ? blank : /^(?:[^A-Za-z0-9 \u2581]|[!-/:-@[-`{-~]+)$/.test(pattern.String)
  }

  get characterwise(): boolean {
    return 'String' in this.pattern && this.pattern.String.length === 1
  }

  normalize(text: AlignedText): AlignedText {
    const { content } = this
    // The usual case, a blank for a sign or the other way round: as many units as before.
    if ('String' in this.pattern && this.pattern.String.length === 1 && content.length === 1) {
      return text.respelled(text.text.replaceAll(this.pattern.String, () => content))
    }
    if ('String' in this.pattern && !text.tracked) return this.withoutPlaces(text, this.pattern.String)
    const found = this.matches(text.text)
    const edits: TextEdit[] = []
    for (let i = 0; i < found.length; i += 2) {
      const [start, end] = [found[i]!, found[i + 1]!]
      // Most white space that becomes a blank is one.
      if (end - start === 1 && content.length === 1 && text.text.charCodeAt(start) === content.charCodeAt(0)) continue
      edits.push({ start, end, replacement: content })
    }
    checkGrowth('normalizer', text.length, text.length + edits.length * content.length, TIMES_REPLACED)
    return text.replaced(edits)
  }

  /** Without places the engine's own search does, which is faster. */
  private withoutPlaces(text: AlignedText, source: string): AlignedText {
    const parts = text.text.split(source)
    checkGrowth('normalizer', text.length, text.length + (parts.length - 1) * this.content.length, TIMES_REPLACED)
    // A beginning that is gone, or stands for more than the first character, is no beginning; see AlignedText.replaced.
    const begins = parts.length === 1 || parts[0] !== '' || (source.length <= (isPairAt(source, 0) ? 2 : 1) && this.content !== '')
    return text.transformed(parts.join(this.content), () => [], begins ? 0 : 1)
  }

  toJSON(): ComponentJson {
    return { type: 'Replace', pattern: this.pattern, content: this.content }
  }
}
