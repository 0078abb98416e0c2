/**
 * A trie over UTF-16 units. Edges lie in one hash table of typed arrays, so that a vocabulary of a hundred thousand tokens costs a few megabytes and a
 * step no allocation.
 */
export class UnitTrie {
  /** The number of states; 0 is the root. */
  size = 1
  // Three words an edge: state plus one (0 marks a free slot), unit, child.
  private edges: Int32Array
  private mask: number
  private count = 0
  private values: Int32Array

  constructor(expected = 64) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(64, expected * 2)))
    this.edges = new Int32Array(capacity * 3)
    this.mask = capacity - 1
    this.values = new Int32Array(64).fill(-1)
  }

  /** Adds a key, or gives it another value; `value` is 0 or more. */
  add(key: string, value: number): void {
    let state = 0
    for (let i = 0; i < key.length; i++) state = this.stepOrAdd(state, key.charCodeAt(i))
    this.values[state] = value
  }

  /** The state behind `unit`, or −1 where no key goes on so. */
  step(state: number, unit: number): number {
    const { edges, mask } = this
    for (let slot = hashOf(state, unit) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * 3
      if (edges[at] === 0) return -1
      if (edges[at] === state + 1 && edges[at + 1] === unit) return edges[at + 2]!
    }
  }

  /** The value of the key that ends at a state, or −1. */
  value(state: number): number {
    return this.values[state]!
  }

  /** The state before each state but the root, and the unit between them. States are numbered after those before them. */
  parents(): { readonly state: Int32Array; readonly unit: Uint16Array } {
    const { edges, size } = this
    const state = new Int32Array(size)
    const unit = new Uint16Array(size)
    for (let at = 0; at < edges.length; at += 3) {
      if (edges[at] === 0) continue
      state[edges[at + 2]!] = edges[at]! - 1
      unit[edges[at + 2]!] = edges[at + 1]!
    }
    return { state, unit }
  }

  private stepOrAdd(state: number, unit: number): number {
    const known = this.step(state, unit)
    if (known >= 0) return known
    if ((this.count + 1) * 2 > this.mask + 1) this.grow()
    const child = this.size++
    this.insert(state, unit, child)
    if (child >= this.values.length) {
      const values = new Int32Array(this.values.length * 2).fill(-1)
      values.set(this.values)
      this.values = values
    }
    return child
  }

  private insert(state: number, unit: number, child: number): void {
    const { edges, mask } = this
    let slot = hashOf(state, unit) & mask
    while (edges[slot * 3] !== 0) slot = (slot + 1) & mask
    edges[slot * 3] = state + 1
    edges[slot * 3 + 1] = unit
    edges[slot * 3 + 2] = child
    this.count++
  }

  private grow(): void {
    const old = this.edges
    this.edges = new Int32Array(old.length * 2)
    this.mask = this.edges.length / 3 - 1
    this.count = 0
    for (let at = 0; at < old.length; at += 3) if (old[at] !== 0) this.insert(old[at]! - 1, old[at + 1]!, old[at + 2]!)
  }
}

function hashOf(state: number, unit: number): number {
  let hash = Math.imul(state, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b)
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0x2c1b3c6d)
  return hash ^ (hash >>> 13)
}
