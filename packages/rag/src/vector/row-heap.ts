/** Numbered rows by a key, the least at the root. Kept in arrays of numbers, which are used again: a search in a graph pushes and pops thousands. */
export class RowHeap {
  size = 0
  private rows = new Int32Array(256)
  private keys = new Float64Array(256)

  /** The least key; there must be one. */
  get leastKey(): number {
    return this.keys[0]!
  }

  clear(): void {
    this.size = 0
  }

  push(row: number, key: number): void {
    if (this.size === this.rows.length) this.grow()
    const { rows, keys } = this
    let i = this.size++
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (keys[parent]! <= key) break
      rows[i] = rows[parent]!
      keys[i] = keys[parent]!
      i = parent
    }
    rows[i] = row
    keys[i] = key
  }

  /** Takes out the row with the least key; there must be one. */
  pop(): number {
    const { rows, keys } = this
    const least = rows[0]!
    const size = --this.size
    const [row, key] = [rows[size]!, keys[size]!]
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= size) break
      if (child + 1 < size && keys[child + 1]! < keys[child]!) child++
      if (keys[child]! >= key) break
      rows[i] = rows[child]!
      keys[i] = keys[child]!
      i = child
    }
    rows[i] = row
    keys[i] = key
    return least
  }

  /** Rows and keys in no particular order. */
  entries(): { readonly row: number; readonly key: number }[] {
    return Array.from({ length: this.size }, (_, i) => ({ row: this.rows[i]!, key: this.keys[i]! }))
  }

  private grow(): void {
    const [rows, keys] = [new Int32Array(2 * this.size), new Float64Array(2 * this.size)]
    rows.set(this.rows)
    keys.set(this.keys)
    this.rows = rows
    this.keys = keys
  }
}
