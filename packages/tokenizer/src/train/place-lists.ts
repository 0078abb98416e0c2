/** Places in the first chunk; each has twice the room of the one before, up to the last size. A list that is long beside its chunk gets one of its own. */
const FIRST = 1 << 10
const LAST = 1 << 18
const NOTHING = new Int32Array(0)

/**
 * Lists of places in a corpus, each written once, read once and given back. They lie in chunks, since millions of them are short; a chunk's memory is
 * released when all of its lists are.
 */
export class PlaceLists {
  /** Bytes of memory. */
  memory = 0
  private readonly chunks: Int32Array[] = []
  private readonly living: number[] = []
  private current = -1
  private size = FIRST / 2
  private used = this.size

  /** The chunk of the list that {@link PlaceLists.reserve} gave room to, and where in it the list begins. */
  chunk = 0
  offset = 0

  /** Makes room for a list of `length` places; see `chunk` and `offset`. */
  reserve(length: number): void {
    if (length > this.size / 4) {
      this.chunk = this.open(length)
      this.offset = 0
      return
    }
    if (this.used + length > this.size) {
      const full = this.current
      this.size = Math.min(LAST, this.size * 2)
      this.current = this.open(this.size)
      this.living[this.current] = 0
      this.used = 0
      if (full >= 0 && this.living[full] === 0) this.close(full)
    }
    this.chunk = this.current
    this.offset = this.used
    this.used += length
    this.living[this.current]!++
  }

  /** The memory of a chunk. */
  at(chunk: number): Int32Array {
    return this.chunks[chunk]!
  }

  /** Gives a list back. */
  release(chunk: number): void {
    if (--this.living[chunk]! === 0 && chunk !== this.current) this.close(chunk)
  }

  private open(length: number): number {
    this.memory += length * 4
    this.living.push(1)
    return this.chunks.push(new Int32Array(length)) - 1
  }

  private close(chunk: number): void {
    this.memory -= this.chunks[chunk]!.length * 4
    this.chunks[chunk] = NOTHING
  }
}
