import type { ByteTable } from '../../byte-table.js'

/**
 * How pieces that may not be used fall apart again: as in the pair that was last found to form them anywhere in the text, down to pieces
 * that may be used. This is SentencePiece's way, so that a vocabulary can be restricted without training anew.
 */
export class Resegmentation {
  /** Where each unused piece is cut, in bytes, by the pair found last; 0 when none was. */
  private readonly cuts: Int32Array
  private readonly touched: number[] = []

  constructor(
    private readonly pieces: ByteTable,
    private readonly unused: Uint8Array,
  ) {
    this.cuts = new Int32Array(pieces.size)
  }

  /** A new text. */
  begin(): void {
    for (const piece of this.touched) this.cuts[piece] = 0
    this.touched.length = 0
  }

  /** Two neighbours form `piece`, of which the left one has `cut` bytes. */
  tried(piece: number, cut: number): void {
    if (this.unused[piece] === 0) return
    if (this.cuts[piece] === 0) this.touched.push(piece)
    this.cuts[piece] = cut
  }

  /** Gives the pieces that `bytes[start, end)`, which is `piece`, ends up as: −1 for what is none. */
  take(bytes: Uint8Array, start: number, end: number, piece: number, give: (piece: number, end: number) => void): void {
    const cut = piece < 0 || this.unused[piece] === 0 ? 0 : this.cuts[piece]!
    if (cut === 0) return give(piece, end)
    this.take(bytes, start, start + cut, this.pieces.find(bytes, start, start + cut), give)
    this.take(bytes, start + cut, end, this.pieces.find(bytes, start + cut, end), give)
  }
}
