import { IdList } from '../id-list.js'
import type { Prefixes } from '../models/prefixes.js'
import type { PatternName } from '../pretokenizers/pretokenizer.js'
import { isPairAt } from '../text/aligned.js'
import { classTable, LETTER, NUMBER, OTHER, SPACE } from '../unicode/classes.js'
import { caseTable, IN_LOWER, IN_UPPER } from '../unicode/letter-case.js'
import type { Stretch } from './stretch.js'

/** What a stretch of pieces is counted by. */
export interface PieceRules {
  readonly pattern: PatternName
  /** Appends the end of every piece, in bytes of UTF-8. */
  pieceEnds(text: string, out: IdList): void
  count(text: string): number
  /** Begins a piece that grows; undefined where the vocabulary does not allow it. */
  prefixes(): Prefixes | undefined
}

/** Shorter pieces are encoded anew each time. */
const LONG = 256
/** How much of a text behind the end of a piece is looked at to find it, runs of one class of characters aside: a contraction. */
const MARGIN = 4

/**
 * A stretch of text cut by a split that is known by name. Pieces are settled once nothing that follows can change them. A long last piece of characters of one
 * kind, which only grows as long as more of them come, is merged as it grows; any other is encoded again as a whole.
 */
export class PieceStretch implements Stretch {
  least = 0
  private readonly classes = classTable()
  private readonly cases: ReturnType<typeof caseTable> | undefined
  private readonly ends = new IdList()
  private readonly utf8 = new TextEncoder()
  private settled = 0
  /** Text from the first piece on that is not settled. */
  private tail = ''
  /** The last piece, when it is long, all of the tail and of one kind. */
  private open: { readonly kind: number; readonly prefixes: Prefixes } | undefined

  constructor(private readonly rules: PieceRules) {
    this.cases = rules.pattern === 'o200k' ? caseTable() : undefined
  }

  push(text: string): number {
    const { open } = this
    this.tail += text
    if (open !== undefined && this.isOf(open.kind, text, 0)) {
      const bytes = this.utf8.encode(text)
      open.prefixes.push(bytes, 0, bytes.length)
      this.least = this.settled + open.prefixes.least
      return this.settled + open.prefixes.count
    }
    this.open = undefined
    const places = this.places()
    for (let i = places.length - 2; i >= 0; i--) {
      const place = places[i]!
      if (!this.isFinal(place)) continue
      this.settled += this.rules.count(this.tail.slice(0, place))
      this.tail = this.tail.slice(place)
      places.splice(0, i + 1)
      break
    }
    this.least = this.settled
    if (places.length !== 1 || this.tail.length < LONG) return this.settled + this.rules.count(this.tail)
    const kind = this.kindAt(this.tail, this.tail.length - 1)
    if (kind === NO_KIND || !this.isOf(kind, this.tail, 1)) return this.settled + this.rules.count(this.tail)
    const prefixes = this.rules.prefixes()
    if (prefixes === undefined) return this.settled + this.rules.count(this.tail)
    const bytes = this.utf8.encode(this.tail)
    prefixes.push(bytes, 0, bytes.length)
    this.open = { kind, prefixes }
    return this.settled + prefixes.count
  }

  /** The ends of the tail's pieces in units. */
  private places(): number[] {
    const { ends, tail } = this
    ends.clear()
    this.rules.pieceEnds(tail, ends)
    const places: number[] = []
    let byte = 0
    let at = 0
    for (let i = 0; i < ends.length; i++) {
      for (const end = ends.ids[i]!; byte < end;) {
        const unit = tail.charCodeAt(at)
        const pair = isPairAt(tail, at)
        byte += unit < 0x80 ? 1 : unit < 0x800 ? 2 : pair ? 4 : 3
        at += pair ? 2 : 1
      }
      places.push(at)
    }
    return places
  }

  /** Whether the pieces before `place`, where one ends, are what they are whatever the tail goes on with. */
  private isFinal(place: number): boolean {
    const { tail, classes, cases } = this
    if (place > tail.length - MARGIN) return false
    const left = tail.charCodeAt(place - 1)
    // White space is divided by what stands behind all of it.
    if (classes[left] === SPACE) return this.runEnds(place, (unit) => classes[unit] === SPACE)
    if (cases === undefined) return true
    // Capitals are a word of their own or the beginning of one by what stands behind them all.
    const word = (unit: number): boolean => (unit & 0xf800) === 0xd800 || (cases[unit]! & (IN_UPPER | IN_LOWER)) !== 0
    const small = (left & 0xf800) !== 0xd800 && (cases[left]! & (IN_UPPER | IN_LOWER)) === IN_LOWER
    return small || !word(left) || !word(tail.charCodeAt(place)) || this.runEnds(place, word)
  }

  private runEnds(place: number, isOf: (unit: number) => boolean): boolean {
    const { tail } = this
    let at = place
    while (at < tail.length && isOf(tail.charCodeAt(at))) at++
    return at <= tail.length - MARGIN
  }

  /** The kind of characters that the unit at `at` is of. */
  private kindAt(text: string, at: number): number {
    const unit = text.charCodeAt(at)
    if ((unit & 0xf800) === 0xd800) return NO_KIND
    const kind = this.classes[unit]!
    if (kind === LETTER) return this.cases !== undefined && (this.cases[unit]! & IN_LOWER) === 0 ? NO_KIND : LETTER
    if (kind === NUMBER) return this.rules.pattern === 'gpt2' ? NUMBER : NO_KIND
    // Signs that begin or end pieces in ways of their own are none.
    if (kind === OTHER) return unit > 0x20 && unit < 0x7f && unit !== 0x27 && unit !== 0x2f ? OTHER : NO_KIND
    return unit === 0x20 ? BLANKS : unit === 0x0a ? BREAKS : NO_KIND
  }

  private isOf(kind: number, text: string, from: number): boolean {
    for (let at = from; at < text.length; at++) if (this.kindAt(text, at) !== kind) return false
    return true
  }
}

const BLANKS = 4
const BREAKS = 5
const NO_KIND = -1
