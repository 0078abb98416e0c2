/** So many slots are passed before another hash function is tried: in a table that is at most half full a longer way means keys that were made to collide. */
const MAX_PROBES = 128

/**
 * A hash table from byte strings to the indices 0, 1, 2, … in order of insertion. Keys are kept in one array, so that a hundred
 * thousand of them cost no objects.
 */
export class ByteTable {
  size = 0
  /** The keys one after another; key `i` is `arena[starts[i], starts[i + 1])`. */
  arena: Uint8Array
  starts: Uint32Array
  // Two words a slot: the hash, and the index plus one (0 marks a free slot).
  private slots: Int32Array
  private mask: number
  private seed = 0
  private reseeds = 4

  constructor(expected = 256) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(16, expected * 2)))
    this.slots = new Int32Array(capacity * 2)
    this.mask = capacity - 1
    this.starts = new Uint32Array(expected + 1)
    this.arena = new Uint8Array(expected * 8)
  }

  /** The index of `bytes[start, end)`, or −1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(this.seed, bytes, start, end)
    const { slots, mask } = this
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const index = slots[slot * 2 + 1]! - 1
      if (index < 0) return -1
      if (slots[slot * 2] === hash && this.equals(index, bytes, start, end)) return index
    }
  }

  /** The index of `bytes[start, end)`, inserted when it is new: then the result equals the former `size`. */
  add(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(this.seed, bytes, start, end)
    let slot = hash & this.mask
    let probes = 0
    for (; ; slot = (slot + 1) & this.mask, probes++) {
      const index = this.slots[slot * 2 + 1]! - 1
      if (index < 0) break
      if (this.slots[slot * 2] === hash && this.equals(index, bytes, start, end)) return index
    }
    const index = this.append(bytes, start, end)
    this.slots[slot * 2] = hash
    this.slots[slot * 2 + 1] = index + 1
    if (this.size * 2 > this.mask || (probes > MAX_PROBES && this.reseeds > 0)) this.rehash(probes > MAX_PROBES)
    return index
  }

  /** Bytes of memory. */
  get memory(): number {
    return this.arena.length + this.starts.byteLength + this.slots.byteLength
  }

  /** Forgets every key and keeps the memory. */
  clear(): void {
    this.size = 0
    this.slots.fill(0)
  }

  private equals(index: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { arena } = this
    let at = this.starts[index]!
    if (this.starts[index + 1]! - at !== end - start) return false
    for (let i = start; i < end; i++) if (arena[at++] !== bytes[i]) return false
    return true
  }

  private append(bytes: Uint8Array, start: number, end: number): number {
    const index = this.size++
    if (index + 2 > this.starts.length) this.starts = grow(this.starts, new Uint32Array(this.starts.length * 2))
    const at = this.starts[index]!
    const after = at + end - start
    if (after > this.arena.length) this.arena = grow(this.arena, new Uint8Array(Math.max(after, this.arena.length * 2)))
    // A loop beats `set(subarray)` for the few bytes of a usual key.
    if (end - start > 64) this.arena.set(bytes.subarray(start, end), at)
    else for (let i = start, to = at; i < end; i++, to++) this.arena[to] = bytes[i]!
    this.starts[index + 1] = after
    return index
  }

  private rehash(collided: boolean): void {
    const old = this.slots
    this.slots = new Int32Array(old.length * 2)
    this.mask = this.slots.length / 2 - 1
    if (collided && this.reseeds-- > 0) this.seed = Math.imul(this.seed ^ 0x5bd1e995, 0x27d4eb2f)
    for (let i = 0; i < old.length; i += 2) {
      const index = old[i + 1]! - 1
      if (index < 0) continue
      const hash = collided ? hashBytes(this.seed, this.arena, this.starts[index]!, this.starts[index + 1]!) : old[i]!
      let slot = hash & this.mask
      while (this.slots[slot * 2 + 1] !== 0) slot = (slot + 1) & this.mask
      this.slots[slot * 2] = hash
      this.slots[slot * 2 + 1] = index + 1
    }
  }
}

function grow<T extends Uint8Array | Uint32Array>(from: T, to: T): T {
  to.set(from)
  return to
}

function hashBytes(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = seed ^ (end - start)
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  // The multiplication carries entropy upwards only; bring it down to the bits that the mask keeps.
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0x2c1b3c6d)
  return hash ^ (hash >>> 13)
}
