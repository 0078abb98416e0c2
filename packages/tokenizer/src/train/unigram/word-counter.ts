import { AddedVocabulary } from '../../added-vocab/added-vocabulary.js'
import { ByteTable } from '../../byte-table.js'
import { Utf8Buffer } from '../../models/model.js'
import type { Normalizer, PieceSplitter } from '../../pipeline/components.js'
import { wellFormed } from '../../pipeline/pipeline.js'

/** UTF-16 units of a long text that are looked at between two pauses. */
const SLICE = 1 << 16

/** Counts the distinct words that a normalizer and a pre-tokenizer leave of texts. */
export class WordCounter {
  readonly words = new ByteTable(4096)
  counts = new Float64Array(4097)
  /** UTF-16 units of text seen. */
  seen = 0
  private readonly utf8 = new Utf8Buffer()
  private readonly added: AddedVocabulary
  private readonly sliceable: boolean

  /** @param special tokens that texts are cut at, and which are not counted */
  constructor(
    special: readonly string[],
    normalizer: Normalizer | undefined,
    private readonly splitter: PieceSplitter,
  ) {
    const rule = { special: true, singleWord: false, lstrip: false, rstrip: false, normalized: false }
    this.added = new AddedVocabulary(
      special.map((content, id) => ({ content, id, ...rule })),
      normalizer,
    )
    this.sliceable = special.every((content) => !content.includes(' '))
  }

  /** Counts the words of a text; what it yields is only a chance to pause. */
  *add(text: string): Generator<void> {
    const given = wellFormed(text)
    for (let from = 0; from < given.length;) {
      const to = this.sliceable ? sliceEnd(given, from + SLICE) : given.length
      this.added.split(given.slice(from, to), 'allow', false, {
        text: (part) => {
          for (const { text: word } of this.splitter.split([part])) this.count(word)
        },
        added: () => {},
      })
      this.seen += to - from
      from = to
      yield
    }
  }

  private count(word: string): void {
    const length = this.utf8.write(word)
    const index = this.words.add(this.utf8.bytes, 0, length)
    if (index >= this.counts.length) {
      const grown = new Float64Array(this.counts.length * 2)
      grown.set(this.counts)
      this.counts = grown
    }
    this.counts[index]!++
    this.utf8.trim()
  }
}

/**
 * Where a text can be cut from `at` on without any other words coming of it: before a blank that follows a visible character of ASCII. Neither normal forms nor
 * runs of white space reach across.
 */
function sliceEnd(text: string, at: number): number {
  for (let end = text.indexOf(' ', at); end > 0; end = text.indexOf(' ', end + 1)) {
    const before = text.charCodeAt(end - 1)
    if (before > 0x20 && before < 0x7f) return end
  }
  return text.length
}
