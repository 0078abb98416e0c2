import { TokenizerError } from '../../errors.js'

/** Zero or more bytes behind a text that may be read beside its last piece. */
export const PADDING = 8
/** Longer keys do not fit; see {@link PieceTable}. */
export const LONGEST_KEY = 255
/** What {@link PieceTable.find} gives for a key that is not there. */
export const NO_PIECE = -1
/** By the size of a key of up to eight bytes: which bits of its first and second word belong to it. */
export const lowMasks = Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1, -1, -1, -1, -1)
export const highMasks = Int32Array.of(0, 0, 0, 0, 0, 0xff, 0xffff, 0xffffff, -1)
/** So many slots are tried. In a table that is at most four fifths full a longer way means keys that were made to collide. */
const MAX_PROBES = 128
const MAX_RESEEDS = 4

/**
 * A hash table from short byte strings to integers, made for speed: a slot is four words of one array, which hold the key's first eight
 * bytes, so that most look-ups touch one cache line. Keys have 1 to {@link LONGEST_KEY} bytes. Texts are read by a DataView that has
 * {@link PADDING} more bytes.
 */
export class PieceTable {
  size = 0
  // Words of a slot: bytes 0–3, bytes 4–7 (zeros beyond the end), tail · 256 + length (0 marks a free slot), value.
  private slots: Int32Array
  // A byte of each slot's hash, 0 where it is free: most keys that are not there are told by these alone, which a processor's cache holds, so the table can be full
  // to four fifths and small.
  private tags: Uint8Array
  /** One less than the number of slots. */
  private mask: number
  private seed = 0x9e3779b1 | 0
  // Bytes from the ninth on, in words, each tail filled up with zeros.
  private tails = new Int32Array(256)
  private tailWords = 0

  constructor(expected = 256) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(16, expected * 1.25)))
    this.slots = new Int32Array(capacity * 4)
    this.tags = new Uint8Array(capacity)
    this.mask = capacity - 1
  }

  /** The value of the key at `start`, or {@link NO_PIECE}. */
  find(view: DataView, start: number, length: number): number {
    const { slots, tags, mask } = this
    let low = view.getInt32(start, true)
    let high = 0
    if (length < 4) low &= (1 << (length << 3)) - 1
    else if (length > 4) {
      high = view.getInt32(start + 4, true)
      if (length < 8) high &= (1 << ((length - 4) << 3)) - 1
    }
    let hash = Math.imul(low ^ length, this.seed) ^ Math.imul(high, 0x85ebca6b)
    if (length > 8) hash = hashTail(hash, view, start, length)
    hash ^= hash >>> 15
    hash = Math.imul(hash, 0x2c1b3c6d)
    hash ^= hash >>> 13
    const tag = (hash >>> 25) + 1
    let slot = hash & mask
    // Steps grow, so that keys do not gather.
    for (let probe = 1; probe <= MAX_PROBES; probe++) {
      const found = tags[slot]!
      if (found === 0) break
      if (found === tag) {
        const at = slot << 2
        const key = slots[at + 2]!
        if (slots[at] === low && slots[at + 1] === high && (key & 255) === length) {
          if (length <= 8 || this.tailEquals(key >>> 8, view, start, length)) return slots[at + 3]!
        }
      }
      slot = (slot + probe) & mask
    }
    return NO_PIECE
  }

  /**
   * Adds a key that is not there, whatever it takes.
   *
   * @throws TokenizerError `FILE` when the keys were made to collide
   */
  insert(view: DataView, start: number, length: number, value: number): void {
    for (let tries = 0; !this.add(view, start, length, value); tries++) {
      if (tries === MAX_RESEEDS) {
        throw new TokenizerError(
          'FILE',
          `The tokens of a vocabulary were made to collide in hash tables (at token ${value}); it is not loaded`,
        )
      }
      this.seed = Math.imul(this.seed, 0x5851f42d) | 1
      this.rebuild(this.slots.length * 2)
    }
  }

  /**
   * Adds a vocabulary to an empty table: the keys `[starts[i], starts[i + 1])`, each another, with the values `i`. Those that do not fit are left out.
   *
   * @throws TokenizerError `FILE` when the keys were made to collide
   */
  insertAll(view: DataView, starts: Uint32Array): void {
    // More than tails can take; what is not used costs no memory.
    this.tails = new Int32Array(starts[starts.length - 1]! >> 2)
    for (let i = this.insertMost(view, starts); i + 1 < starts.length; i++) {
      const length = starts[i + 1]! - starts[i]!
      if (length > 0 && length <= LONGEST_KEY) this.insert(view, starts[i]!, length, i)
    }
  }

  /**
   * {@link insertAll} up to the first key that the table as it is has no room for; gives its index. All is over before a compiler has made much of the code, so this is
   * one loop without calls, which is compiled soonest and but once.
   */
  private insertMost(view: DataView, starts: Uint32Array): number {
    const { slots, tags, tails, mask, seed } = this
    let { size, tailWords: tail } = this
    let i = 0
    for (; i + 1 < starts.length && (size + 1) * 5 <= (mask + 1) * 4; i++) {
      const start = starts[i]!
      const length = starts[i + 1]! - start
      if (length === 0 || length > LONGEST_KEY) continue
      const inline = length < 8 ? length : 8
      const low = view.getInt32(start, true) & lowMasks[inline]!
      const high = view.getInt32(start + 4, true) & highMasks[inline]!
      let hash = Math.imul(low ^ length, seed) ^ Math.imul(high, 0x85ebca6b)
      const firstTail = tail
      for (let at = 8; at < length; at += 4) {
        const word = view.getInt32(start + at, true) & (length - at < 4 ? lowMasks[length - at]! : -1)
        hash = Math.imul(hash ^ (hash >>> 15) ^ word, 0x2c1b3c6d)
        tails[tail++] = word
      }
      hash ^= hash >>> 15
      hash = Math.imul(hash, 0x2c1b3c6d)
      hash ^= hash >>> 13
      let slot = hash & mask
      let probe = 1
      while (tags[slot] !== 0 && probe <= MAX_PROBES) slot = (slot + probe++) & mask
      if (probe > MAX_PROBES) {
        tail = firstTail
        break
      }
      tags[slot] = (hash >>> 25) + 1
      const at = slot << 2
      slots[at] = low
      slots[at + 1] = high
      slots[at + 2] = length > 8 ? (firstTail << 8) | length : length
      slots[at + 3] = i
      size++
    }
    this.size = size
    this.tailWords = tail
    return i
  }

  /** Adds a key that is not there, or returns false when too many keys collide: a cache does without it. */
  add(view: DataView, start: number, length: number, value: number): boolean {
    if ((this.size + 1) * 5 > (this.mask + 1) * 4) this.rebuild(this.slots.length * 2)
    const low = wordAt(view, start, length)
    const high = length > 4 ? wordAt(view, start + 4, length - 4) : 0
    const slot = this.takeSlot(this.hashOf(low, high, length, view, start))
    if (slot < 0) return false
    const { slots } = this
    slots[slot] = low
    slots[slot + 1] = high
    slots[slot + 2] = length <= 8 ? length : (this.addTail(view, start, length) << 8) | length
    slots[slot + 3] = value
    this.size++
    return true
  }

  /** Forgets every key and keeps the memory. */
  clear(): void {
    this.size = 0
    this.tailWords = 0
    this.slots.fill(0)
    this.tags.fill(0)
  }

  private hashOf(low: number, high: number, length: number, view: DataView, start: number): number {
    const hash = Math.imul(low ^ length, this.seed) ^ Math.imul(high, 0x85ebca6b)
    return length > 8 ? hashTail(hash, view, start, length) : hash
  }

  /** Takes the free slot where a key of this hash belongs; gives where its words begin, or −1. */
  private takeSlot(mixed: number): number {
    let hash = mixed ^ (mixed >>> 15)
    hash = Math.imul(hash, 0x2c1b3c6d)
    hash ^= hash >>> 13
    let slot = hash & this.mask
    for (let probe = 1; probe <= MAX_PROBES; probe++) {
      if (this.tags[slot] === 0) {
        this.tags[slot] = (hash >>> 25) + 1
        return slot << 2
      }
      slot = (slot + probe) & this.mask
    }
    return -1
  }

  private tailEquals(tail: number, view: DataView, start: number, length: number): boolean {
    const { tails } = this
    for (let at = 8; at < length; at += 4) if (tails[tail++] !== wordAt(view, start + at, length - at)) return false
    return true
  }

  private addTail(view: DataView, start: number, length: number): number {
    const tail = this.tailWords
    const after = tail + ((length - 5) >> 2)
    if (after > this.tails.length) {
      const grown = new Int32Array(this.tails.length * 2 + 64)
      grown.set(this.tails)
      this.tails = grown
    }
    for (let at = 8; at < length; at += 4) this.tails[this.tailWords++] = wordAt(view, start + at, length - at)
    return tail
  }

  private rebuild(words: number): void {
    const old = this.slots
    // The key of an old slot, written out to be hashed again.
    const key = new DataView(new ArrayBuffer(LONGEST_KEY + 1 + PADDING))
    // A collision on the way is as unlikely as it is harmless: the next function has others.
    for (let size = words; ; size *= 2) {
      this.slots = new Int32Array(size)
      this.tags = new Uint8Array(size / 4)
      this.mask = size / 4 - 1
      if (this.place(old, key)) return
      this.seed = Math.imul(this.seed, 0x5851f42d) | 1
    }
  }

  private place(old: Int32Array, key: DataView): boolean {
    for (let from = 0; from < old.length; from += 4) {
      const length = old[from + 2]! & 255
      if (length === 0) continue
      let tail = old[from + 2]! >>> 8
      for (let at = 8; at < length; at += 4) key.setInt32(at, this.tails[tail++]!, true)
      const slot = this.takeSlot(this.hashOf(old[from]!, old[from + 1]!, length, key, 0))
      if (slot < 0) return false
      for (let word = 0; word < 4; word++) this.slots[slot + word] = old[from + word]!
    }
    return true
  }
}

/** The bytes at `start` as a word, zeros beyond `length` of them. */
function wordAt(view: DataView, start: number, length: number): number {
  const word = view.getInt32(start, true)
  return length >= 4 ? word : word & ((1 << (length << 3)) - 1)
}

function hashTail(hash: number, view: DataView, start: number, length: number): number {
  for (let at = 8; at < length; at += 4) {
    hash = Math.imul(hash ^ (hash >>> 15) ^ wordAt(view, start + at, length - at), 0x2c1b3c6d)
  }
  return hash
}
