import type { ByteTrie } from '../byte-trie.js'
import { NO_END, PrefixColumns } from '../prefixes.js'
import { UNKNOWN } from '../segments.js'

/** A vocabulary and its merging, as {@link BpePrefixes} needs them. */
export interface MergeRules {
  /** The id of each token by its bytes in reverse. */
  readonly reversed: ByteTrie
  /** Whether first symbols are bytes; else they are characters. */
  readonly byBytes: boolean
  /** Where the symbols end that `bytes[start, end)` merges to. */
  ends(bytes: Uint8Array, start: number, end: number): readonly number[]
  /** How many tokens a character is that no token covers, after one that is covered and after one that is not. */
  unknown(length: number, afterUnknown: boolean): number
}

/** Answers are kept up to this number. */
const KEPT_PAIRS = 1 << 18
/** A pair is `first · 2^24 + second`, exact in a double. */
const PAIR_UNIT = 2 ** 24

/** Which tokens merging leaves side by side; shared by the texts of a tokenizer. */
export class TokenPairs {
  private readonly known = new Map<number | string, boolean>()

  constructor(readonly rules: MergeRules) {}

  /** Whether `bytes[start, end)` merges to two symbols that meet at `middle`, which are these tokens. */
  stay(first: number, second: number, bytes: Uint8Array, start: number, middle: number, end: number): boolean {
    // Characters that are no token have no id, and few bytes.
    const key = first < 0 || second < 0 ? String.fromCharCode(...bytes.subarray(start, end), middle - start) : first * PAIR_UNIT + second
    const answer = this.known.get(key)
    if (answer !== undefined) return answer
    const ends = this.rules.ends(bytes, start, end)
    const stays = ends.length === 2 && ends[0] === middle
    if (this.known.size === KEPT_PAIRS) this.known.clear()
    this.known.set(key, stays)
    return stays
  }
}

/**
 * The tokens of a text in one piece that grows, by byte-pair merging, without merging it again. A list of tokens is what its text merges to if and only if every
 * two neighbours are what theirs merges to: until a merge reaches across the border of two tokens each of them merges as it does alone, so the first that did so would do it
 * in the text of these two as well. The last token of a beginning is therefore the one, of those that the text ends with, that stays beside the last token of what
 * is before it. Time is proportional to the text, and to the number of tokens that it ends with at each place.
 *
 * Source: the idea is that of rust-gems' crate `bpe` (H. van Antwerpen, A. Neubeck, "So many tokens, so little time", GitHub, 2024).
 */
export class BpePrefixes extends PrefixColumns {
  // The tokens that the text ends with: where each begins.
  private readonly starts: number[] = []
  private readonly ids: number[] = []

  constructor(private readonly pairs: TokenPairs) {
    super(pairs.rules.reversed.longest + 4, pairs.rules.byBytes, false)
  }

  /** Finds the last token of the first `at` bytes, the last `size` of which are one symbol. */
  protected override end(at: number, size: number): void {
    const { base, bytes, token, from, counts, pairs, starts, ids } = this
    const { reversed } = pairs.rules
    starts.length = ids.length = 0
    let node = 0
    for (let start = at - 1; start >= base; start--) {
      node = reversed.child(node, bytes[start - base]!)
      if (node === 0) break
      const id = reversed.values[node]!
      if (id < 0 || token[start - base] === NO_END) continue
      starts.push(start)
      ids.push(id)
    }
    // A character that is no token.
    if (starts[0] !== at - size) {
      starts.unshift(at - size)
      ids.unshift(UNKNOWN)
    }
    // Most often the longest is right.
    for (let i = starts.length - 1; i >= 0; i--) {
      const start = starts[i]!
      const id = ids[i]!
      const before = token[start - base]!
      const stays =
        start === 0
          ? pairs.rules.ends(bytes, 0, at).length === 1
          : pairs.stay(before, id, bytes, from[start - base]! - base, start - base, at - base)
      if (!stays) continue
      token[at - base] = id
      from[at - base] = start
      const more = id === UNKNOWN ? pairs.rules.unknown(size, start > 0 && before === UNKNOWN) : 1
      counts[at - base] = counts[start - base]! + more
      return
    }
    throw new Error(`BpePrefixes: no token ends the first ${at} bytes`)
  }
}
