import type { ComponentJson, Normalizer } from '../pipeline/components.js'
import type { AlignedText, TextEdit } from '../text/aligned.js'
import { checkGrowth } from '../text/growth.js'

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
    const found = this.matches(text.text)
    const edits: TextEdit[] = []
    for (let i = 0; i < found.length; i += 2) edits.push({ start: found[i]!, end: found[i + 1]!, replacement: content })
    checkGrowth('normalizer', text.length, text.length + edits.length * content.length)
    return text.replaced(edits)
  }

  toJSON(): ComponentJson {
    return { type: 'Replace', pattern: this.pattern, content: this.content }
  }
}
