import type { EncodeOptions } from '../core-tokenizer.js'
import type { TokenSequence } from '../pipeline/components.js'
import { isPairAt } from '../text/aligned.js'
import { isSafeCut, nextCut } from './safe-cuts.js'

/** What counting needs of a tokenizer. */
export interface Counting {
  count(text: string, options: EncodeOptions): number
  tokenize(text: string, options: EncodeOptions): TokenSequence
  /** Whether texts may be cut where {@link isSafeCut} says, and the parts encoded on their own. */
  readonly cuts: boolean
}

/** Text counted at a time. */
const CHUNK = 4096
/** How many tokens a shorter text can have more than a longer one, where no cut bounds the search. */
const SLACK = 6

/** Whether a text has at most `limit` tokens; stops where it has more. */
export function isWithin(text: string, limit: number, options: EncodeOptions, by: Counting): boolean {
  if (!by.cuts) return by.count(text, options) <= limit
  let count = by.count('', options)
  const inside = { ...options, addSpecial: false }
  for (let start = 0; start < text.length && count <= limit;) {
    const end = nextCut(text, start + CHUNK)
    count += by.count(text.slice(start, end), inside)
    start = end
  }
  return count <= limit
}

/**
 * The longest beginning of a text, or its longest end, in whole characters, that has at most `limit` tokens. Longer beginnings can have fewer tokens than
 * shorter ones, so all that could do are tried, the longest first. Between two cuts the counts of the rest are known; where a stretch without a cut is long, and
 * for tokenizers whose texts cannot be cut, those that begin up to {@link SLACK} tokens too long are tried.
 */
export function truncateText(text: string, limit: number, side: 'left' | 'right', options: EncodeOptions, by: Counting): string {
  const room = limit - by.count('', options)
  if (room < 0) return ''
  const inside = { ...options, addSpecial: false }
  const sequence = by.tokenize(text, inside)
  const total = sequence.ids.length
  if (total <= room && by.count(text, options) <= limit) return text
  // The tokens that certainly stay, the place up to which they reach, and the place that cannot be reached.
  const left = side === 'left'
  const { starts, ends } = sequence
  const edge = left ? total - room : room
  const farthest = Math.max(0, Math.min(total - 1, left ? edge - SLACK : edge + SLACK))
  let far = left ? starts[farthest]! : ends[farthest]!
  let base = left ? text.length : 0
  let known = 0
  if (by.cuts) {
    for (let i = left ? total - 1 : 0; i >= 0 && i < total; i += left ? -1 : 1) {
      const place = starts[i]!
      const first = i === 0 || starts[i - 1] !== place
      if (!first || !isSafeCut(text, place) || (i > 0 && ends[i - 1]! > place)) continue
      const count = left ? total - i : i
      if (count > room) {
        far = left ? Math.max(far, place) : Math.min(far, place)
        break
      }
      base = place
      known = count
    }
  }
  for (let at = far; left ? at < base : at > base; at += left ? 1 : -1) {
    if (at > 0 && at < text.length && isPairAt(text, at - 1)) continue
    const count = left ? by.count(text.slice(at, base), inside) + known : by.count(text.slice(base, at), inside) + known
    if (count <= room) return left ? text.slice(at) : text.slice(0, at)
  }
  return left ? text.slice(base) : text.slice(0, base)
}

/** Counts the tokens of a text that grows. */
export class TokenCounter {
  private settled: number
  private pending = ''

  constructor(
    private readonly by: Counting,
    private readonly options: EncodeOptions,
  ) {
    this.settled = by.cuts ? by.count('', options) : 0
  }

  /**
   * The number of tokens of all text so far, with this at its end. Only what is behind the last place where text may be cut is counted again; for tokenizers whose
   * texts cannot be cut, that is all.
   *
   * @throws TokenizerError `SPECIAL_TOKEN` by the policy; the counter then is as it was
   */
  push(text: string): number {
    const { by, options, pending } = this
    const whole = pending + text
    if (!by.cuts) {
      const count = by.count(whole, options)
      this.pending = whole
      return count
    }
    const inside = { ...options, addSpecial: false }
    let cut = whole.length - 1
    // What was pending has no cut but at its beginning.
    const first = Math.max(1, pending.length - 1)
    while (cut >= first && !isSafeCut(whole, cut)) cut--
    const from = cut >= first ? cut : 0
    const before = from === 0 ? 0 : by.count(whole.slice(0, from), inside)
    const count = this.settled + before + by.count(whole.slice(from), inside)
    this.settled += before
    this.pending = whole.slice(from)
    return count
  }
}
