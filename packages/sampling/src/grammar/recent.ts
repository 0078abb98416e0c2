/**
 * What was asked for lately: as many as `most` at least, and twice as many at most. Two maps take turns, since one from which the
 * oldest were taken would allocate memory whenever something is asked for.
 */
export class Recent<Value, Key = number> {
  private young = new Map<Key, Value>()
  private old = new Map<Key, Value>()

  constructor(private readonly most: number) {}

  get(key: Key): Value | undefined {
    const found = this.young.get(key)
    if (found !== undefined) return found
    const before = this.old.get(key)
    if (before !== undefined) this.set(key, before)
    return before
  }

  set(key: Key, value: Value): void {
    if (this.young.size >= this.most) {
      this.old = this.young
      this.young = new Map()
    }
    this.young.set(key, value)
  }
}
