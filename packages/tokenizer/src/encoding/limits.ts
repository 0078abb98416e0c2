import type { EncodeOptions } from '../core-tokenizer.js'
import type { TokenSequence } from '../pipeline/components.js'
import { isPairAt } from '../text/aligned.js'
import { nextCut } from './safe-cuts.js'
import type { Stretch } from './stretch.js'
import type { TextCuts } from './text-cuts.js'

/** What counting needs of a tokenizer. */
export interface Counting {
  count(text: string, options: EncodeOptions): number
  tokenize(text: string, options: EncodeOptions): TokenSequence
  readonly cuts: TextCuts | undefined
  /** Begins a stretch that cannot be cut; absent where such stretches have to be counted as a whole. */
  readonly stretch?: ((begins: boolean) => Stretch) | undefined
  /** Whether a text holds an added token that is not treated as text. */
  hasAdded(text: string, options: EncodeOptions): boolean
  /** Units of the longest added token. */
  readonly longestAdded: number
}

/** Text counted at a time. */
const CHUNK = 4096
/** How many tokens a shorter text can have more than a longer one, where no cut bounds the search. */
const SLACK = 6
/** Text without a cut that is counted again each time; of longer text only what is new is. */
const LONG = 1024

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
  if (by.cuts === undefined) return isStretchWithin(text, limit, options, by) ?? by.count(text, options) <= limit
  const parts = new PartCounter(by, options)
  let count = by.count('', options)
  for (let start = 0; start < text.length && count <= limit;) {
    const end = nextCut(text, start + CHUNK, by.cuts.isCut)
    count += parts.count(text.slice(start, end), start === 0)
    start = end
  }
  return count <= limit
}

/** The same for a text that cannot be cut; undefined where it has to be counted as a whole. */
function isStretchWithin(text: string, limit: number, options: EncodeOptions, by: Counting): boolean | undefined {
  if (by.stretch === undefined || text.length <= CHUNK || by.hasAdded(text, options)) return undefined
  const room = limit - by.count('', options)
  const stretch = by.stretch(true)
  for (let start = 0; start < text.length; start += CHUNK) {
    const count = stretch.push(text.slice(start, start + CHUNK))
    if (count === undefined) return undefined
    if (start + CHUNK >= text.length) return count <= room
    if (stretch.least > room) return false
  }
  return undefined
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
        far = left ? Math.max(far, place - 1) : Math.min(far, place)
        break
      }
      if (count > room - slack) continue
      base = place
      known = count
    }
  }
  const countAt = (at: number): number =>
    known + (left ? parts.count(text.slice(at, base), true) : parts.count(text.slice(base, at), base === 0))
  // Tokens that stand for many characters, as bytes of unknown ones do, leave the place far away.
  for (let near = base; Math.abs(far - near) > LONG;) {
    let middle = (near + far) >> 1
    if (isPairAt(text, middle - 1)) middle--
    if (countAt(middle) > room + SLACK) far = middle
    else near = middle
  }
  const place = left ? undefined : longestGrowing(text, base, Math.max(base, ends[room - 1] ?? 0), far, room - known, options, by)
  if (place !== undefined) return text.slice(0, place)
  for (let at = far; left ? at < text.length : at > base; at += left ? 1 : -1) {
    if (at > 0 && at < text.length && isPairAt(text, at - 1)) continue
    if (left && at >= base) [base, known] = [text.length, 0]
    // Of two signs before a cut one alone may belong to what follows.
    if (left && at === base - 1 && by.cuts?.isCut(text.slice(at, base + 2), 1) === false) {
      if (parts.count(text.slice(at), true) <= room) return text.slice(at)
      continue
    }
    if (countAt(at) <= room) return left ? text.slice(at) : text.slice(0, at)
  }
  return left ? '' : text.slice(0, base)
}

/**
 * The last place from `low` to `high` up to which `text` has at most `room` tokens behind `base`, counted as the text grows; undefined where each beginning has
 * to be counted as a whole.
 */
function longestGrowing(
  text: string,
  base: number,
  low: number,
  high: number,
  room: number,
  options: EncodeOptions,
  by: Counting,
): number | undefined {
  if (by.stretch === undefined || high - base < LONG || by.hasAdded(text.slice(base, high), options)) return undefined
  const stretch = by.stretch(base === 0)
  let longest: number | undefined
  for (let from = base, at = Math.max(low, base + 1); at <= high; at++) {
    if (at < text.length && isPairAt(text, at - 1)) continue
    const count = stretch.push(text.slice(from, at))
    if (count === undefined) return undefined
    if (count <= room) longest = at
    from = at
  }
  return longest
}

/** Counts the tokens of a text that grows. */
export class TokenCounter {
  private readonly parts: PartCounter
  /** Tokens of the text before what is pending, with those that are put around it. */
  private settled: number
  /** What is pending, in the parts in which it came: joined each time it would take time in proportion to its length. */
  private pending: string[] = []
  private length = 0
  /** The end of what is pending, by which places in what follows are judged. */
  private near = ''
  private begins = true
  /** What is pending, once it is long; null where that has to be counted as a whole. */
  private stretch: Stretch | null | undefined

  constructor(
    private readonly by: Counting,
    private readonly options: EncodeOptions,
  ) {
    this.parts = new PartCounter(by, options)
    this.settled = by.cuts === undefined && by.stretch === undefined ? 0 : by.count('', options)
  }

  /**
   * The number of tokens of all text so far, with this at its end. Only what is behind the last place where text may be cut is counted again, and of long text without
   * such a place what is new; the README says for which tokenizers all text is.
   *
   * @throws TokenizerError `SPECIAL_TOKEN` by the policy; the counter then is as it was
   */
  push(text: string): number {
    const { by, options, parts, begins } = this
    const cut = this.cutBefore(text)
    if (cut === 0) {
      const count = this.pushStretch(text)
      if (count !== undefined) {
        this.keep(text)
        return this.settled + count
      }
    }
    const whole = this.pending.join('') + text
    if (by.cuts === undefined) {
      const count = by.count(whole, options)
      this.keep(text)
      return count
    }
    const before = cut === 0 ? 0 : parts.count(whole.slice(0, cut), begins)
    const rest = whole.slice(cut)
    const count = this.settled + before + parts.count(rest, begins && cut === 0)
    this.settled += before
    if (cut > 0) {
      this.pending = []
      this.length = 0
      this.near = ''
      this.begins = false
      this.stretch = undefined
    }
    this.keep(cut > 0 ? rest : text)
    return count
  }

  private keep(text: string): void {
    if (text === '') return
    this.pending.push(text)
    this.length += text.length
    this.near = (this.near + text).slice(-CONTEXT - this.by.longestAdded)
  }

  /** The last place where what is pending with `text` at its end may be cut, or 0. What was pending has no cut but at its beginning. */
  private cutBefore(text: string): number {
    const { cuts } = this.by
    if (cuts === undefined) return 0
    const seen = this.near + text
    let cut = seen.length - 1
    const first = Math.max(1, this.near.length - 1)
    while (cut >= first && !cuts.isCut(seen, cut)) cut--
    return cut >= first ? this.length - this.near.length + cut : 0
  }

  /** The number of tokens of what is pending with `text` at its end; undefined where that has to be counted as a whole. */
  private pushStretch(text: string): number | undefined {
    const { by, options } = this
    if (by.stretch === undefined || this.stretch === null || this.length + text.length < LONG) return undefined
    const fresh = this.stretch === undefined ? this.pending.join('') + text : undefined
    const added = by.hasAdded(fresh ?? this.near + text, options)
    const count = added ? undefined : (this.stretch ??= by.stretch(this.begins)).push(fresh ?? text)
    if (count === undefined) this.stretch = null
    return count
  }
}

/** Units before a place that decide with an added token whether text may be cut there. */
const CONTEXT = 2
