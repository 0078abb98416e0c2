import { UnitTrie } from '../text/unit-trie.js'

/**
 * Finds, for every place of a text, the longest of a set of keys that begins there, in time linear in the text whatever the keys are.
 *
 * The text is read backwards through the automaton of the reversed keys: a key that begins at a place ends there then, and the longest key that ends at a
 * place is a property of the automaton's state. Read forwards, a key that almost matches everywhere would have to be tried again from every place.
 *
 * Source: A. Aho, M. Corasick, "Efficient string matching: an aid to bibliographic search", CACM 18 (1975).
 */
export class KeyAutomaton {
  private readonly trie: UnitTrie
  /** Where to go on when a state has no edge for a unit: the longest proper suffix that is a state too. */
  private readonly fail: Int32Array
  /** The value of the longest key that is a suffix of each state, or −1. */
  private readonly longest: Int32Array
  /** Units that the root has an edge for; few texts hold many of them. */
  private readonly begins = new Uint8Array(0x10000)

  /** @param keys none empty; the value of a key is its index */
  constructor(keys: readonly string[]) {
    const trie = new UnitTrie(keys.reduce((sum, key) => sum + key.length, 0))
    for (const [value, key] of keys.entries()) trie.add(reversed(key), value)
    this.trie = trie
    this.fail = new Int32Array(trie.size)
    this.longest = new Int32Array(trie.size).fill(-1)
    const parents = trie.parents()
    // Failures need all shallower states first.
    for (const child of byDepth(parents.state)) {
      const state = parents.state[child]!
      const unit = parents.unit[child]!
      if (state === 0) this.begins[unit] = 1
      else this.fail[child] = this.next(this.fail[state]!, unit)
      this.longest[child] = trie.value(child) >= 0 ? trie.value(child) : this.longest[this.fail[child]!]!
    }
  }

  /** Start and value of the longest key at every place where one begins, by falling start. */
  find(text: string): number[] {
    const found: number[] = []
    const { begins, longest } = this
    let state = 0
    for (let at = text.length - 1; at >= 0; at--) {
      const unit = text.charCodeAt(at)
      if (state === 0 && begins[unit] === 0) continue
      state = this.next(state, unit)
      if (longest[state]! >= 0) found.push(at, longest[state]!)
    }
    return found
  }

  private next(state: number, unit: number): number {
    for (;;) {
      const child = this.trie.step(state, unit)
      if (child >= 0) return child
      if (state === 0) return 0
      state = this.fail[state]!
    }
  }
}

/** All states but the root, by rising depth; `parents` has smaller numbers than their children. */
function byDepth(parents: Int32Array): Int32Array {
  const depth = new Int32Array(parents.length)
  let deepest = 0
  for (let state = 1; state < parents.length; state++) {
    depth[state] = depth[parents[state]!]! + 1
    deepest = Math.max(deepest, depth[state]!)
  }
  const places = new Int32Array(deepest + 2)
  for (let state = 1; state < parents.length; state++) places[depth[state]! + 1]!++
  for (let i = 1; i < places.length; i++) places[i]! += places[i - 1]!
  const order = new Int32Array(parents.length - 1)
  for (let state = 1; state < parents.length; state++) order[places[depth[state]!]!++] = state
  return order
}

function reversed(key: string): string {
  let text = ''
  for (let i = key.length - 1; i >= 0; i--) text += key[i]!
  return text
}
