const EMPTY = -1

/**
 * A whole number for each of some tokens. A `Map` would allocate memory again and again as tokens come and go; this one keeps what it has.
 * Entries stand one behind the other, in no order, from 0 to `size`.
 */
export class TokenTable {
  size = 0
  private ids = new Int32Array(16)
  private values = new Int32Array(16)
  /** Where the entry of a token is, by a hash of its id, or in the next places behind that. At most half of them are taken. */
  private places = new Int32Array(32).fill(EMPTY)

  idAt(index: number): number {
    return this.ids[index]!
  }

  valueAt(index: number): number {
    return this.values[index]!
  }

  /** 0 for a token without a value. */
  get(id: number): number {
    const index = this.places[this.slotOf(id)]!
    return index === EMPTY ? 0 : this.values[index]!
  }

  set(id: number, value: number): void {
    const slot = this.slotOf(id)
    const index = this.places[slot]!
    if (index !== EMPTY) {
      this.values[index] = value
      return
    }
    this.places[slot] = this.size
    this.ids[this.size] = id
    this.values[this.size++] = value
    if (this.size === this.ids.length) this.grow()
  }

  delete(id: number): void {
    let hole = this.slotOf(id)
    const index = this.places[hole]!
    if (index === EMPTY) return
    const mask = this.places.length - 1
    // Tokens behind the hole that would have stood there or before move up, so that they are found again.
    for (let slot = (hole + 1) & mask; this.places[slot] !== EMPTY; slot = (slot + 1) & mask) {
      const wanted = this.hash(this.ids[this.places[slot]!]!)
      if (((slot - wanted) & mask) < ((slot - hole) & mask)) continue
      this.places[hole] = this.places[slot]!
      hole = slot
    }
    this.places[hole] = EMPTY
    const last = --this.size
    if (index === last) return
    // The last entry takes the free place.
    this.places[this.slotOf(this.ids[last]!)] = index
    this.ids[index] = this.ids[last]!
    this.values[index] = this.values[last]!
  }

  clear(): void {
    if (this.size === 0) return
    this.size = 0
    this.places.fill(EMPTY)
  }

  private hash(id: number): number {
    return (Math.imul(id, 0x9e3779b1) >>> 8) & (this.places.length - 1)
  }

  /** Where a token's entry is, or where it would be. */
  private slotOf(id: number): number {
    const mask = this.places.length - 1
    let slot = this.hash(id)
    while (this.places[slot] !== EMPTY && this.ids[this.places[slot]!] !== id) slot = (slot + 1) & mask
    return slot
  }

  private grow(): void {
    const { ids, values, size } = this
    this.ids = new Int32Array(2 * ids.length)
    this.values = new Int32Array(2 * ids.length)
    this.ids.set(ids)
    this.values.set(values)
    this.places = new Int32Array(4 * ids.length).fill(EMPTY)
    for (let i = 0; i < size; i++) this.places[this.slotOf(this.ids[i]!)] = i
  }
}
