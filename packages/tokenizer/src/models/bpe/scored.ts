import type { ByteTable } from '../../byte-table.js'
import type { IdList } from '../../id-list.js'
import { Utf8Buffer, type TextModel } from '../model.js'
import type { MergeTable } from './merge-table.js'
import { Merger } from './merger.js'

/**
 * Byte-pair encoding as SentencePiece and llama2.c do it: the whole text is one piece with a blank in front, its characters are the
 * first symbols (their bytes where the vocabulary lacks them), and of the neighbours that form a token those with the
 * highest score merge first.
 */
export class ScoredBpe implements TextModel {
  private readonly merger: Merger
  private readonly utf8 = new Utf8Buffer()
  private symbols = new Int32Array(256)

  /**
   * @param tokens ordinary tokens; key `i` is token `ids[i]`
   * @param byteIds the id of the fallback token of each byte
   * @param merges every pair of tokens that forms a token, ranked by falling score
   */
  constructor(
    private readonly tokens: ByteTable,
    private readonly ids: Int32Array,
    private readonly byteIds: Int32Array,
    merges: MergeTable,
  ) {
    this.merger = new Merger(merges)
  }

  encode(text: string, out: IdList, atStart: boolean): void {
    if (text.length === 0) return
    const length = this.utf8.write(atStart ? ` ${text}` : text)
    const { bytes } = this.utf8
    if (length > this.symbols.length) this.symbols = new Int32Array(length)
    const { symbols, tokens, ids, byteIds } = this
    let count = 0
    for (let at = 0; at < length;) {
      const first = bytes[at]!
      const end = at + (first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4)
      const token = tokens.find(bytes, at, end)
      if (token >= 0) symbols[count++] = ids[token]!
      else for (let i = at; i < end; i++) symbols[count++] = byteIds[bytes[i]!]!
      at = end
    }
    count = this.merger.merge(symbols, count)
    out.reserve(count)
    for (let i = 0; i < count; i++) out.ids[out.length++] = symbols[i]!
    this.utf8.trim()
    if (this.symbols.length > 1 << 20) this.symbols = new Int32Array(256)
  }
}
