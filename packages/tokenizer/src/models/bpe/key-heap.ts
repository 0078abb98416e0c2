/** A binary heap of numbers with the least on top, in one array. */
export class KeyHeap {
  size = 0
  private keys = new Float64Array(64)

  push(key: number): void {
    if (this.size === this.keys.length) {
      const grown = new Float64Array(this.size * 2)
      grown.set(this.keys)
      this.keys = grown
    }
    const { keys } = this
    let at = this.size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (keys[parent]! <= key) break
      keys[at] = keys[parent]!
      at = parent
    }
    keys[at] = key
  }

  /** Takes the least key out. There must be one. */
  pop(): number {
    const { keys } = this
    const top = keys[0]!
    const size = --this.size
    const key = keys[size]!
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= size) break
      if (child + 1 < size && keys[child + 1]! < keys[child]!) child++
      if (keys[child]! >= key) break
      keys[at] = keys[child]!
      at = child
    }
    keys[at] = key
    return top
  }

  /** Gives back the memory that an unusually long text took. */
  trim(): void {
    if (this.keys.length > 1 << 20) this.keys = new Float64Array(64)
  }
}
