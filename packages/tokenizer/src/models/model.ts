import type { IdList } from '../id-list.js'
import type { GrowingText } from '../pipeline/components.js'
import { PADDING } from './bpe/piece-table.js'

/** What turns text without special tokens into ids. */
export interface TextModel {
  /**
   * Appends the ids of `text`.
   *
   * @param atStart whether the text begins here, rather than after a special token
   */
  encode(text: string, out: IdList, atStart: boolean): void
  /** Whether it cuts by a split that is known by name. */
  readonly knownSplit?: boolean
  /** Appends the end of every piece that `text` is cut into before it is encoded, in bytes of UTF-8; absent where it is encoded as a whole. */
  pieceEnds?(text: string, out: IdList): void
  /** How a text that grows is encoded without encoding all of it again; absent where this cannot be done. */
  readonly growing?: GrowingText | undefined
}

/** Holds the UTF-8 form of the text at hand; shared by the calls of one model, which are synchronous. */
export class Utf8Buffer {
  bytes = new Uint8Array(1024)
  /** The same memory; a few bytes may be read behind the last of a text. */
  view = new DataView(this.bytes.buffer)
  private readonly encoder = new TextEncoder()

  /** Writes `text` to `bytes`, lone surrogates as U+FFFD, and returns the number of bytes. */
  write(text: string): number {
    const needed = text.length * 3 + PADDING
    if (needed > this.bytes.length) this.resize(needed)
    return this.encoder.encodeInto(text, this.bytes).written
  }

  /** Gives back the memory that an unusually long text took. */
  trim(): void {
    if (this.bytes.length > 1 << 20) this.resize(1024)
  }

  private resize(size: number): void {
    this.bytes = new Uint8Array(size)
    this.view = new DataView(this.bytes.buffer)
  }
}
