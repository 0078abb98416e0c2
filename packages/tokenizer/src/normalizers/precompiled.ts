import { TokenizerError } from '../errors.js'
import { decodeBase64 } from '../formats/tiktoken/base64.js'
import { utf8LengthAt } from '../models/bpe/byte-cursor.js'
import { Utf8Buffer } from '../models/model.js'
import type { ComponentJson, Normalizer } from '../pipeline/components.js'
import { isPairAt, type AlignedText } from '../text/aligned.js'
import { graphemeEnd } from '../unicode/graphemes.js'
import { CharsMap } from './charsmap.js'

/** Only characters with fewer bytes are looked up as a whole. */
const WHOLE_BYTES = 6

/**
 * Hugging Face's `Precompiled`: the rules of a SentencePiece normalizer, but applied in another way. A user-perceived character of fewer than six
 * bytes is replaced as a whole by what the shortest rule that it begins with says; of longer ones, and where no rule fits, each code point is.
 */
export class Precompiled implements Normalizer {
  private readonly utf8 = new Utf8Buffer()
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true })

  private readonly rules: CharsMap

  /**
   * @param written the rules as they stand in the file, in base64
   * @param where what they are part of, for messages
   * @throws TokenizerError `FILE` when they are malformed
   */
  constructor(
    private readonly written: string,
    where: string,
  ) {
    const text = new TextEncoder().encode(written)
    const bytes = new Uint8Array(Math.ceil((text.length * 3) / 4))
    const length = decodeBase64(text, 0, text.length, bytes, 0)
    if (length < 0)
      throw new TokenizerError(
        'FILE',
        `${where}: the precompiled charsmap should be base64 with padding, got ${text.length} characters that are not`,
      )
    this.rules = new CharsMap(bytes.subarray(0, length), where)
  }

  /** A rule may make anything of a letter. */
  get wordwise(): boolean {
    return this.rules.keepsWords
  }

  normalize(text: AlignedText): AlignedText {
    const given = text.text
    const result = new Rewriting()
    for (let at = 0; at < given.length;) {
      const end = graphemeEnd(given, at)
      if (!this.isShort(given, at, end) || !this.rewrite(given, at, end, result)) {
        for (let i = at; i < end;) {
          const after = i + (isPairAt(given, i) ? 2 : 1)
          if (!this.rewrite(given, i, after, result)) result.keep(given.slice(i, after))
          i = after
        }
      }
      at = end
    }
    return result.changed ? text.transformed(result.text, () => result.changes) : text
  }

  toJSON(): ComponentJson {
    return { type: 'Precompiled', precompiled_charsmap: this.written }
  }

  private isShort(text: string, start: number, end: number): boolean {
    let bytes = 0
    for (let at = start; at < end && bytes < WHOLE_BYTES; at += isPairAt(text, at) ? 2 : 1) bytes += utf8LengthAt(text, at)
    return bytes < WHOLE_BYTES
  }

  /** Rewrites these units by a rule; false when none fits. */
  private rewrite(text: string, start: number, end: number, result: Rewriting): boolean {
    const first = text.charCodeAt(start)
    if (end - start === 1 && first < 0x80 && this.rules.plain[first] === 1) return false
    const length = this.utf8.write(text.slice(start, end))
    if (this.rules.shortest(this.utf8.bytes, 0, length) === 0) return false
    const { replacements, from, to } = this.rules
    result.replace(text.slice(start, end), this.decoder.decode(replacements.subarray(from, to)))
    return true
  }
}

/** The text as it becomes, and where its characters come from; see {@link AlignedText.transformed}. */
class Rewriting {
  text = ''
  changed = false
  readonly changes: number[] = []

  keep(char: string): void {
    this.text += char
    this.changes.push(0)
  }

  replace(old: string, replacement: string): void {
    this.changed = true
    this.text += replacement
    const [before, after] = [countOf(old), countOf(replacement)]
    for (let i = 0; i < after; i++) this.changes.push(i < before ? 0 : 1)
    // What is gone without a trace goes with the character before it.
    if (after < before && this.changes.length > 0) this.changes[this.changes.length - 1]! += after - before
  }
}

function countOf(text: string): number {
  let count = 0
  for (let at = 0; at < text.length; at += isPairAt(text, at) ? 2 : 1) count++
  return count
}
