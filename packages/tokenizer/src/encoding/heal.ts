import type { Vocabulary } from '../vocabulary.js'

/** A prompt without its last tokens, and the bytes that what is generated next has to begin with. */
export interface Healed {
  readonly ids: Uint32Array
  /** Empty when nothing was taken off. */
  readonly prefixBytes: Uint8Array
}

/**
 * Finds where a prompt ends inside what could be one token: a model that continues `http:` has learnt `://` as a token and cannot write it any more. The
 * last tokens are taken off as long as some token begins with their bytes and goes on.
 */
export class Healer {
  /** Ids by the order of their bytes, without special tokens. */
  private readonly sorted: Uint32Array

  constructor(
    private readonly vocabulary: Vocabulary,
    private readonly special: ReadonlySet<number>,
  ) {
    const ids: number[] = []
    for (let id = 0; id < vocabulary.size; id++) {
      if (!special.has(id) && vocabulary.has(id) && vocabulary.starts[id] !== vocabulary.starts[id + 1]) ids.push(id)
    }
    this.sorted = Uint32Array.from(ids).sort((a, b) => this.compare(a, b))
  }

  heal(given: Iterable<number>): Healed {
    const ids = Uint32Array.from(given)
    for (const [i, id] of ids.entries()) this.vocabulary.check(id, i)
    let taken = ids.length
    let bytes = new Uint8Array(0)
    let prefixBytes = bytes
    for (let at = ids.length - 1; at >= 0 && !this.special.has(ids[at]!) && bytes.length <= LONGEST; at--) {
      const token = this.vocabulary.tokenBytes(ids[at]!)
      const joined = new Uint8Array(token.length + bytes.length)
      joined.set(token)
      joined.set(bytes, token.length)
      bytes = joined
      if (!this.goesOn(bytes)) continue
      taken = at
      prefixBytes = bytes
    }
    return { ids: ids.slice(0, taken), prefixBytes }
  }

  /** Whether some token is longer than these bytes and begins with them. */
  private goesOn(prefix: Uint8Array): boolean {
    const { sorted } = this
    let low = 0
    let high = sorted.length
    // The first token behind the prefix; the prefix itself stands before all that go on.
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.compareTo(sorted[middle]!, prefix) <= 0) low = middle + 1
      else high = middle
    }
    return low < sorted.length && this.begins(sorted[low]!, prefix)
  }

  private begins(id: number, prefix: Uint8Array): boolean {
    const { bytes, starts } = this.vocabulary
    const start = starts[id]!
    return starts[id + 1]! - start > prefix.length && prefix.every((byte, i) => bytes[start + i] === byte)
  }

  private compareTo(id: number, other: Uint8Array): number {
    const { bytes, starts } = this.vocabulary
    const [start, end] = [starts[id]!, starts[id + 1]!]
    const shared = Math.min(end - start, other.length)
    for (let i = 0; i < shared; i++) if (bytes[start + i] !== other[i]) return bytes[start + i]! - other[i]!
    return end - start - other.length
  }

  private compare(a: number, b: number): number {
    const { bytes, starts } = this.vocabulary
    return this.compareTo(a, bytes.subarray(starts[b], starts[b + 1]))
  }
}

/** No token of a real vocabulary is longer. */
const LONGEST = 512
