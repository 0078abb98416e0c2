import type { EncodeOptions } from '../core-tokenizer.js'
import type { TokenSequence } from '../pipeline/components.js'
import { isPairAt } from '../text/aligned.js'
import { nextCut } from './safe-cuts.js'
import type { TextCuts } from './text-cuts.js'

/** What counting needs of a tokenizer. */
export interface Counting {
  count(text: string, options: EncodeOptions): number
  tokenize(text: string, options: EncodeOptions): TokenSequence
  readonly cuts: TextCuts | undefined
}

/** Text counted at a time. */
const CHUNK = 4096
/** How many tokens a shorter text can have more than a longer one, where no cut bounds the search. */
const SLACK = 6

/** Counts parts of a text, without what is put around it. */
class PartCounter {
  private readonly inside: EncodeOptions
  private anchored: number | undefined

  constructor(
    private readonly by: Counting,
    options: EncodeOptions,
  ) {
    this.inside = { ...options, addSpecial: false }
  }

  /** @param begins whether the text begins with the part; else it begins at a cut */
  count(part: string, begins: boolean): number {
    const { by, inside } = this
    const anchor = by.cuts?.anchor ?? ''
    if (begins || anchor === '') return by.count(part, inside)
    return by.count(anchor + part, inside) - (this.anchored ??= by.count(anchor, inside))
  }
}

/** Whether a text has at most `limit` tokens; stops where it has more. */
export function isWithin(text: string, limit: number, options: EncodeOptions, by: Counting): boolean {
  if (by.cuts === undefined) return by.count(text, options) <= limit
  const parts = new PartCounter(by, options)
  let count = by.count('', options)
  for (let start = 0; start < text.length && count <= limit;) {
    const end = nextCut(text, start + CHUNK, by.cuts.isCut)
    count += parts.count(text.slice(start, end), start === 0)
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
  const parts = new PartCounter(by, options)
  const sequence = by.tokenize(text, { ...options, addSpecial: false })
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
  if (by.cuts !== undefined) {
    // A text that begins at a cut may have a few tokens more or fewer than what it is the end of.
    const slack = left && by.cuts.anchor !== '' ? SLACK : 0
    for (let i = left ? total - 1 : 1; i > 0 && i < total; i += left ? -1 : 1) {
      // What lies between two tokens, such as a blank that is dropped, belongs to the second.
      const place = ends[i - 1]!
      if (starts[i]! < place || !by.cuts.isCut(text, place)) continue
      const count = left ? total - i : i
      if (count > room + slack) {
        far = left ? Math.max(far, place) : Math.min(far, place)
        break
      }
      if (count > room - slack) continue
      base = place
      known = count
    }
  }
  for (let at = far; left ? at < text.length : at > base; at += left ? 1 : -1) {
    if (at > 0 && at < text.length && isPairAt(text, at - 1)) continue
    if (left && at >= base) [base, known] = [text.length, 0]
    const count = left ? parts.count(text.slice(at, base), true) : parts.count(text.slice(base, at), base === 0)
    if (count + known <= room) return left ? text.slice(at) : text.slice(0, at)
  }
  return left ? '' : text.slice(0, base)
}

/** Counts the tokens of a text that grows. */
export class TokenCounter {
  private readonly parts: PartCounter
  /** Tokens of the text before what is pending, with those that are put around it. */
  private settled: number
  private pending = ''
  private begins = true

  constructor(
    private readonly by: Counting,
    private readonly options: EncodeOptions,
  ) {
    this.parts = new PartCounter(by, options)
    this.settled = by.cuts === undefined ? 0 : by.count('', options)
  }

  /**
   * The number of tokens of all text so far, with this at its end. Only what is behind the last place where text may be cut is counted again; for tokenizers whose
   * texts cannot be cut, that is all.
   *
   * @throws TokenizerError `SPECIAL_TOKEN` by the policy; the counter then is as it was
   */
  push(text: string): number {
    const { by, options, pending, parts, begins } = this
    const whole = pending + text
    if (by.cuts === undefined) {
      const count = by.count(whole, options)
      this.pending = whole
      return count
    }
    let cut = whole.length - 1
    // What was pending has no cut but at its beginning.
    const first = Math.max(1, pending.length - 1)
    while (cut >= first && !by.cuts.isCut(whole, cut)) cut--
    const from = cut >= first ? cut : 0
    const before = from === 0 ? 0 : parts.count(whole.slice(0, from), begins)
    const count = this.settled + before + parts.count(whole.slice(from), begins && from === 0)
    this.settled += before
    this.pending = whole.slice(from)
    this.begins = begins && from === 0
    return count
  }
}
