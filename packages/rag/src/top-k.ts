/** The k best of many numbered items by score; equal scores in the order of `tie`. */
export class TopK {
  private readonly scores: Float64Array
  private readonly items: Int32Array
  private count = 0

  /** @param tie negative where the first of two equally good items comes before the second */
  constructor(
    private readonly k: number,
    private readonly tie: (a: number, b: number) => number,
  ) {
    this.scores = new Float64Array(k)
    this.items = new Int32Array(k)
  }

  get full(): boolean {
    return this.count === this.k
  }

  /** The score that a further item has to reach; −∞ while there is room. */
  get threshold(): number {
    return this.full ? this.scores[0]! : Number.NEGATIVE_INFINITY
  }

  offer(item: number, score: number): void {
    if (this.count < this.k) {
      this.place(this.count++, item, score)
      this.up(this.count - 1)
    } else if (score > this.scores[0]! || (score === this.scores[0] && this.tie(item, this.items[0]!) < 0)) {
      this.place(0, item, score)
      this.down()
    }
  }

  /** What was kept, best first. */
  sorted(): { readonly item: number; readonly score: number }[] {
    const kept = Array.from({ length: this.count }, (_, i) => ({ item: this.items[i]!, score: this.scores[i]! }))
    return kept.sort((a, b) => b.score - a.score || this.tie(a.item, b.item))
  }

  // A heap whose root is the worst.
  private worse(i: number, j: number): boolean {
    const difference = this.scores[i]! - this.scores[j]!
    return difference < 0 || (difference === 0 && this.tie(this.items[i]!, this.items[j]!) > 0)
  }

  private place(i: number, item: number, score: number): void {
    this.items[i] = item
    this.scores[i] = score
  }

  private swap(i: number, j: number): void {
    const item = this.items[i]!
    const score = this.scores[i]!
    this.place(i, this.items[j]!, this.scores[j]!)
    this.place(j, item, score)
  }

  private up(i: number): void {
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!this.worse(i, parent)) return
      this.swap(i, parent)
      i = parent
    }
  }

  private down(): void {
    for (let i = 0; ;) {
      const left = 2 * i + 1
      if (left >= this.count) return
      const child = left + 1 < this.count && this.worse(left + 1, left) ? left + 1 : left
      if (!this.worse(child, i)) return
      this.swap(i, child)
      i = child
    }
  }
}
