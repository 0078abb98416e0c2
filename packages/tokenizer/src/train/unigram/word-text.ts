import type { ByteTable } from '../../byte-table.js'
import { charLength } from '../../models/segments.js'
import { utf8PointAt } from '../../text/utf8.js'
import type { MemoryLimit } from '../memory-limit.js'

/** What stands behind every word. */
export const SEPARATOR = 0
/** Bytes for each place at the most, with what finding substrings takes. */
const PLACE_BYTES = 96

/**
 * The distinct words of a corpus as one text of symbols: word `i` is `symbols[starts[i], starts[i + 1] − 1)`, with {@link SEPARATOR} behind it. Symbols are the
 * characters of the corpus numbered from 1 in order of their code points.
 */
export class WordText {
  readonly symbols: Int32Array
  readonly starts: Uint32Array
  /** Symbol → code point; 0 stands for the separator. */
  readonly alphabet: Uint32Array
  /** The word that each place belongs to. */
  readonly wordAt: Uint32Array

  /**
   * @param words UTF-8
   * @param counts how often each occurs
   * @throws TokenizerError `MEMORY` when training on them would take more than allowed
   */
  constructor(
    words: ByteTable,
    readonly counts: Float64Array,
    memory: MemoryLimit,
  ) {
    const bytes = words.arena
    const end = words.starts[words.size]!
    let length = words.size
    // Bytes that go on a character begin with the bits 10.
    for (let i = 0; i < end; i++) if ((bytes[i]! & 0xc0) !== 0x80) length++
    memory.check(length * PLACE_BYTES, `${length} characters of distinct words`)
    this.symbols = new Int32Array(length)
    this.wordAt = new Uint32Array(length)
    this.starts = new Uint32Array(words.size + 1)
    const symbolOf = new Int32Array(0x110000)
    let at = 0
    for (let word = 0; word < words.size; word++) {
      this.starts[word] = at
      for (let i = words.starts[word]!; i < words.starts[word + 1]!; i += charLength(bytes[i]!)) {
        const code = utf8PointAt(bytes, i)
        symbolOf[code] = 1
        this.wordAt[at] = word
        this.symbols[at++] = code
      }
      this.wordAt[at++] = word
    }
    this.starts[words.size] = at
    const codes: number[] = [SEPARATOR]
    for (let code = 0; code < symbolOf.length; code++) if (symbolOf[code] === 1) symbolOf[code] = codes.push(code) - 1
    this.alphabet = Uint32Array.from(codes)
    for (let word = 0; word < words.size; word++) {
      for (let i = this.starts[word]!; i < this.starts[word + 1]! - 1; i++) this.symbols[i] = symbolOf[this.symbols[i]!]!
    }
  }

  /** The number of words. */
  get size(): number {
    return this.starts.length - 1
  }

  /** The characters from `at` on. */
  text(at: number, length: number): string {
    let text = ''
    for (let i = at; i < at + length; i++) text += String.fromCodePoint(this.alphabet[this.symbols[i]!]!)
    return text
  }
}
