import type { ByteTrie } from '../byte-trie.js'
import { NO_END, PrefixColumns } from '../prefixes.js'
import { UNKNOWN } from '../segments.js'
import { unknownScore, type UnigramOptions } from './unigram.js'

export interface UnigramPrefixesOptions extends UnigramOptions {
  /** The id of each token by its bytes in reverse. */
  readonly reversed: ByteTrie
  /** How many tokens a character is that no token covers, after one that is covered and after one that is not. */
  unknown(length: number, afterUnknown: boolean): number
}

/** The number of tokens of a text that grows, by the same search as {@link Unigram}: the best way to each place is known once and for all. */
export class UnigramPrefixes extends PrefixColumns {
  private readonly unknownScore: number

  constructor(private readonly options: UnigramPrefixesOptions) {
    super(options.reversed.longest + 4, false, true)
    this.unknownScore = unknownScore(options)
  }

  protected override end(at: number, size: number): void {
    const { base, bytes, token, from, counts, scores, options } = this
    const { reversed, scores: tokenScores, single } = options
    let best = -Infinity
    let start = -1
    let id = UNKNOWN
    let covered = false
    // From the last character back; of equals the path whose last piece begins earliest wins.
    let node = 0
    for (let place = at - 1; place >= base; place--) {
      node = reversed.child(node, bytes[place - base]!)
      if (node === 0) break
      const value = reversed.values[node]!
      if (value < 0 || token[place - base] === NO_END) continue
      if (place === at - size) covered = true
      const sum = tokenScores[value]! + scores[place - base]!
      const score = single ? Math.fround(sum) : sum
      if (start >= 0 && score < best) continue
      best = score
      start = place
      id = value
    }
    if (!covered) {
      const sum = this.unknownScore + scores[at - size - base]!
      const score = single ? Math.fround(sum) : sum
      if (start < 0 || score > best) {
        best = score
        start = at - size
        id = UNKNOWN
      }
    }
    scores[at - base] = best
    token[at - base] = id
    from[at - base] = start
    const more = id === UNKNOWN ? options.unknown(size, start > 0 && token[start - base] === UNKNOWN) : 1
    counts[at - base] = counts[start - base]! + more
  }
}
