/** Longer keys are in no vocabulary that was trained; what looks back over a text for them would look far. */
const LONGEST_LOOKED_BACK = 1024
/** Bytes of the keys of {@link reversedTrie}: some times as many as the largest vocabularies have. */
const MOST_LOOKED_BACK = 1 << 22

/** The keys from their ends, to be looked for backwards; undefined for keys so long, or so many, that it would take too much time and memory. */
export function reversedTrie(keys: Iterable<readonly [bytes: Uint8Array, value: number]>): ByteTrie | undefined {
  const trie = new ByteTrie()
  let total = 0
  for (const [bytes, value] of keys) {
    total += bytes.length
    if (bytes.length > LONGEST_LOOKED_BACK || total > MOST_LOOKED_BACK) return undefined
    if (bytes.length > 0) trie.set(bytes.toReversed(), value)
  }
  return trie
}

/** A node is numbered below this, so that node and byte fit one 31-bit key. */
export const MAX_TRIE_NODES = 2 ** 23 - 1

/**
 * A trie over byte strings whose edges lie in one hash table: built in any order, a quarter million keys cost no objects. Node 0 is the
 * root, and as a child it means that there is none.
 */
export class ByteTrie {
  /** The value of the key that ends at each node, or −1. */
  values = new Int32Array(256).fill(-1)
  /** The length of the longest key. */
  longest = 0
  private nodes = 1
  private readonly fromRoot = new Int32Array(256)
  // Two words a slot: the edge plus one (0 marks a free slot), and the node it leads to.
  private slots = new Int32Array(1024)
  private mask = 511

  /** Adds a key, or replaces its value. The keys together must have fewer than {@link MAX_TRIE_NODES} bytes. */
  set(bytes: Uint8Array, value: number): void {
    let node = 0
    for (const byte of bytes) {
      const child = this.child(node, byte)
      node = child === 0 ? this.append(node, byte) : child
    }
    this.values[node] = value
    this.longest = Math.max(this.longest, bytes.length)
  }

  /** The node behind an edge, or 0. */
  child(node: number, byte: number): number {
    if (node === 0) return this.fromRoot[byte]!
    const edge = ((node << 8) | byte) + 1
    const { slots, mask } = this
    for (let slot = hashEdge(edge) & mask; ; slot = (slot + 1) & mask) {
      const found = slots[slot * 2]!
      if (found === edge) return slots[slot * 2 + 1]!
      if (found === 0) return 0
    }
  }

  /** The length of the longest key that `bytes[at, end)` begins with, or 0. */
  longestPrefix(bytes: Uint8Array, at: number, end: number): number {
    let node = 0
    let length = 0
    for (let i = at; i < end; i++) {
      node = this.child(node, bytes[i]!)
      if (node === 0) break
      if (this.values[node]! >= 0) length = i + 1 - at
    }
    return length
  }

  private append(parent: number, byte: number): number {
    const node = this.nodes++
    if (node === this.values.length) {
      const grown = new Int32Array(node * 2).fill(-1)
      grown.set(this.values)
      this.values = grown
    }
    if (parent === 0) {
      this.fromRoot[byte] = node
      return node
    }
    if (node * 2 > this.mask) this.rehash()
    this.insert(((parent << 8) | byte) + 1, node)
    return node
  }

  private insert(edge: number, node: number): void {
    let slot = hashEdge(edge) & this.mask
    while (this.slots[slot * 2] !== 0) slot = (slot + 1) & this.mask
    this.slots[slot * 2] = edge
    this.slots[slot * 2 + 1] = node
  }

  private rehash(): void {
    const old = this.slots
    this.slots = new Int32Array(old.length * 2)
    this.mask = this.slots.length / 2 - 1
    for (let i = 0; i < old.length; i += 2) if (old[i] !== 0) this.insert(old[i]!, old[i + 1]!)
  }
}

function hashEdge(edge: number): number {
  const hash = Math.imul(edge, 0x9e3779b1)
  return hash ^ (hash >>> 15)
}
