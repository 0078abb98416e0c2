/** A growing list of unsigned 32-bit integers. Hot loops write to `ids` directly after `reserve`. */
export class IdList {
  ids = new Uint32Array(256)
  length = 0

  push(id: number): void {
    if (this.length === this.ids.length) this.reserve(1)
    this.ids[this.length++] = id
  }

  /** Makes room for `count` more ids. */
  reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.ids.length) return
    const grown = new Uint32Array(Math.max(needed, this.ids.length * 2))
    grown.set(this.ids.subarray(0, this.length))
    this.ids = grown
  }

  /** A copy of what is in the list. */
  toArray(): Uint32Array {
    return this.ids.slice(0, this.length)
  }

  /** Empties the list; memory beyond `keep` elements is given back. */
  clear(keep = 1 << 20): void {
    this.length = 0
    if (this.ids.length > keep) this.ids = new Uint32Array(256)
  }
}
