import { TokenizerError } from '../errors.js'

/** Memory that outcomes may take, in words of four bytes: 256 MB. */
const MAX_WORDS = 2 ** 26
/** Words of one page, roughly. */
const PAGE_WORDS = 2 ** 14

/**
 * What is known of each (instruction, position): whether it was tried, whether it succeeded, and where the match ended. Kept in pages that are
 * made when they are first written and given back once the search has gone past them.
 */
export class Memo {
  private readonly bitWords: number
  private readonly shift: number
  private readonly mask: number
  private bits: (Uint32Array | undefined)[] = []
  private places: (Int32Array | undefined)[] = []
  private words = 0
  private forgotten = 0

  /**
   * @param outcomes how many there are at each position
   * @param ends how many ends there are at each position
   */
  constructor(
    private readonly outcomes: number,
    private readonly ends: number,
  ) {
    this.bitWords = Math.max(1, Math.ceil((2 * outcomes) / 32))
    this.shift = Math.min(10, Math.max(0, Math.floor(Math.log2(PAGE_WORDS / Math.max(this.bitWords, ends)))))
    this.mask = (1 << this.shift) - 1
  }

  tried(outcome: number, at: number): boolean {
    return this.get(outcome, at)
  }

  setTried(outcome: number, at: number): void {
    this.set(outcome, at)
  }

  succeeded(outcome: number, at: number): boolean {
    return this.get(this.outcomes + outcome, at)
  }

  setSucceeded(outcome: number, at: number): void {
    this.set(outcome, at)
    this.set(this.outcomes + outcome, at)
  }

  /** Where the match from here ended, or −1 when that is not known. */
  end(index: number, at: number): number {
    const page = this.places[at >> this.shift]
    return page === undefined ? -1 : page[(at & this.mask) * this.ends + index]! - 1
  }

  setEnd(index: number, at: number, end: number): void {
    const page = (this.places[at >> this.shift] ??= new Int32Array(this.charge(this.ends << this.shift)))
    page[(at & this.mask) * this.ends + index] = end + 1
  }

  /** Forgets all at one position. */
  clear(at: number): void {
    const offset = (at & this.mask) * this.bitWords
    this.bits[at >> this.shift]?.fill(0, offset, offset + this.bitWords)
  }

  /** Gives back what lies before a position. */
  forgetBefore(at: number): void {
    for (const stop = at >> this.shift; this.forgotten < stop; this.forgotten++) {
      const [bits, places] = [this.bits[this.forgotten], this.places[this.forgotten]]
      if (bits !== undefined) this.words -= bits.length
      if (places !== undefined) this.words -= places.length
      this.bits[this.forgotten] = this.places[this.forgotten] = undefined
    }
  }

  private get(bit: number, at: number): boolean {
    const page = this.bits[at >> this.shift]
    return page !== undefined && (page[(at & this.mask) * this.bitWords + (bit >> 5)]! & (1 << (bit & 31))) !== 0
  }

  private set(bit: number, at: number): void {
    const page = (this.bits[at >> this.shift] ??= new Uint32Array(this.charge(this.bitWords << this.shift)))
    page[(at & this.mask) * this.bitWords + (bit >> 5)]! |= 1 << (bit & 31)
  }

  private charge(words: number): number {
    this.words += words
    if (this.words > MAX_WORDS) {
      throw new TokenizerError(
        'UNSUPPORTED',
        'The regular expression needs more than 256 MB to be matched in linear time against this text; cut the text, or simplify the expression',
      )
    }
    return words
  }
}
