import { grownDoubles, grownInts } from './grow.js'

/** What a merge changes on one of its sides, by the symbol that stands there. Kept small and flat: a common pair has millions of occurrences. */
export class Neighbours {
  /** The symbols met, in order. */
  met = new Int32Array(256)
  size = 0
  /** By symbol: the weight of the pairs that are gone, that of the pairs that are new, and how many these are. */
  lost = new Float64Array(256)
  gained = new Float64Array(256)
  places = new Int32Array(256)
  /** By symbol: the number of its new pair. */
  pairs = new Int32Array(256)
  /** By symbol: the entry of that pair, and how many of its places are written. */
  entries = new Int32Array(256)
  written = new Int32Array(256)
  private known = new Uint8Array(256)

  /** Makes room for symbols below `count`. */
  reserve(count: number): void {
    if (count <= this.known.length) return
    this.met = grownInts(this.met, count)
    this.lost = grownDoubles(this.lost, count)
    this.gained = grownDoubles(this.gained, count)
    this.places = grownInts(this.places, count)
    this.pairs = grownInts(this.pairs, count)
    this.entries = grownInts(this.entries, count)
    this.written = grownInts(this.written, count)
    const known = new Uint8Array(this.lost.length)
    known.set(this.known)
    this.known = known
  }

  meet(symbol: number): void {
    if (this.known[symbol] !== 0) return
    this.known[symbol] = 1
    this.met[this.size++] = symbol
  }

  clear(): void {
    for (let i = 0; i < this.size; i++) {
      const symbol = this.met[i]!
      this.known[symbol] = 0
      this.lost[symbol] = 0
      this.gained[symbol] = 0
      this.places[symbol] = 0
      this.written[symbol] = 0
    }
    this.size = 0
  }
}
