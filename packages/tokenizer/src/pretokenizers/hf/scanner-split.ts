import { IdList } from '../../id-list.js'
import { Utf8Buffer } from '../../models/model.js'
import type { AlignedText } from '../../text/aligned.js'
import type { PreTokenizer } from '../pretokenizer.js'

/** Cuts pieces by a scanner, which works on UTF-8, and brings the ends back to positions in the text. */
export class ScannerSplit {
  private readonly utf8 = new Utf8Buffer()
  private readonly ends = new IdList()

  constructor(private readonly scanner: PreTokenizer) {}

  cut(piece: AlignedText, out: AlignedText[]): void {
    const { text } = piece
    const length = this.utf8.write(text)
    this.ends.clear()
    this.scanner.split(text, this.utf8.bytes, length, this.ends)
    const { bytes } = this.utf8
    let start = 0
    let byte = 0
    let at = 0
    for (let i = 0; i < this.ends.length; i++) {
      const end = this.ends.ids[i]!
      for (; byte < end; at++) {
        const first = bytes[byte]!
        if (first < 0x80) byte++
        else if (first < 0xe0) byte += 2
        else if (first < 0xf0) byte += 3
        else {
          byte += 4
          at++
        }
      }
      if (start < at) out.push(piece.slice(start, at))
      start = at
    }
    this.utf8.trim()
  }
}
