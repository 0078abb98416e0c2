import { sentencesOf } from '../answer/sentences.js'
import type { Document, Span } from '../document.js'
import { RagError } from '../errors.js'
import { passageCounter, passageText, type PassageCounter } from './passage.js'
import { boundariesOf, boundaryLevels, countUpTo, sectionsOf, sentenceLevel, wordLevel, type Boundaries, type Section } from './sections.js'
import { counterOf, type TokenCounter } from './tokens.js'

/** A piece of a document: `document.text.slice(start, end) === text`. */
export interface ChunkPiece extends Span {
  readonly text: string
  /** What is put above it when it is embedded and searched: the title and the headings, as far as the budget allows. */
  readonly headings: readonly string[]
  /** Tokens of {@link passageText}. */
  readonly tokens: number
}

/** Cuts documents into pieces. */
export interface Chunker {
  /** Names everything that the pieces depend on: documents are chunked anew when it changes. */
  readonly id: string
  chunk(document: Document): ChunkPiece[]
}

export interface RecursiveOptions {
  /** Counts tokens; default an estimate that needs no vocabulary. */
  readonly tokenizer?: TokenCounter
  /** Most tokens of a chunk with its headings, at least 16. Default 256. */
  readonly maxTokens?: number
  /** Most tokens that a chunk repeats of the one before it, less than half of `maxTokens`. Default 32. */
  readonly overlap?: number
  /** What stands above each chunk inside the budget. Default `title+headings`. */
  readonly header?: 'title+headings' | 'headings' | 'none'
}

/**
 * A chunker that cuts at the largest borders that fit: sections, then blocks, lines, sentences, words, and characters where nothing else
 * helps. Chunks lie in one section, none has more than `maxTokens` with its headings, within a section each repeats the end of the one before it
 * as far as `overlap` allows, and together they hold every character of the text but white space between them.
 *
 * Errors: OPTION at once for options out of range, and while chunking where a single character has more tokens than a chunk may.
 */
export function recursive(options: RecursiveOptions = {}): Chunker {
  const { maxTokens = 256, overlap = Math.min(32, Math.floor(maxTokens / 8)), header = 'title+headings' } = options
  if (!Number.isInteger(maxTokens) || maxTokens < 16)
    throw new RagError('OPTION', `maxTokens must be an integer of at least 16, got ${maxTokens}`)
  if (!Number.isInteger(overlap) || overlap < 0 || overlap * 2 >= maxTokens)
    throw new RagError('OPTION', `overlap must be an integer from 0 to less than half of maxTokens (${maxTokens}), got ${overlap}`)
  if (!['title+headings', 'headings', 'none'].includes(header))
    throw new RagError('OPTION', `header must be 'title+headings', 'headings' or 'none', got ${JSON.stringify(header)}`)
  const count = counterOf(options.tokenizer)
  // Tokenizers have no names; their counts of a text with something of everything tell most of them apart.
  const probe = ['The quick brown fox’s 1234 jumps', 'unbelievably antidisestablishmentarian', 'größer — 你好 🙂', 'x == y;\n\tz()'].map(
    count,
  )
  return {
    id: `recursive/2/${maxTokens}/${overlap}/${header}/${probe.join('.')}`,
    chunk(document) {
      const boundaries = boundariesOf(document, (text) => sentencesOf(text).map(({ start }) => start))
      const counter = passageCounter(document.text, count)
      return sectionsOf(document).flatMap((section) => {
        const title =
          header === 'title+headings' && document.title !== undefined && document.title !== section.headings[0] ? [document.title] : []
        const path = header === 'none' ? [] : [...title, ...section.headings]
        return new SectionChunker(document.text, section, fitPath(path, (maxTokens - overlap) / 2, count), {
          maxTokens,
          overlap,
          counter,
          boundaries,
        }).chunk()
      })
    },
  }
}

/** The inner end of the path that has at most so many tokens. */
function fitPath(path: readonly string[], most: number, count: (text: string) => number): readonly string[] {
  let fitting = path
  while (fitting.length > 0 && count(passageText({ headings: fitting, text: '' })) > most) fitting = fitting.slice(1)
  return fitting
}

interface Limits {
  readonly maxTokens: number
  readonly overlap: number
  readonly counter: PassageCounter
  readonly boundaries: Boundaries
}

class SectionChunker {
  /** Characters of a token, as far as is known: where searches for a limit begin. */
  private perToken = 4
  private counted = { start: -1, end: -1, tokens: 0 }

  constructor(
    private readonly text: string,
    private readonly section: Section,
    private readonly headings: readonly string[],
    private readonly limits: Limits,
  ) {}

  chunk(): ChunkPiece[] {
    const { start, end } = this.section
    const atoms: Span[] = []
    if (this.fits(start, end)) atoms.push(this.section)
    else this.split(this.section, 0, atoms)
    const pieces: ChunkPiece[] = []
    let previous: ChunkPiece | undefined
    for (let next = 0; next < atoms.length;) {
      const fresh = atoms[next]!
      const start = previous === undefined ? fresh.start : this.overlapStart(previous, fresh)
      const last = this.lastFitting(start, atoms, next)
      const end = atoms[last]!.end
      next = last + 1
      // White space alone says nothing; it is the only thing that may be in no chunk.
      if (this.text.slice(fresh.start, end).trim() === '') continue
      const text = this.text.slice(start, end)
      previous = { start, end, text, headings: this.headings, tokens: this.tokens(start, end) }
      this.perToken = (end - start) / Math.max(1, previous.tokens)
      pieces.push(previous)
    }
    return pieces
  }

  /** Appends pieces that fit into a chunk each beside what it repeats, as large as borders of one kind allow. */
  private split(span: Span, level: number, atoms: Span[]): void {
    if (this.fitsBesideOverlap(span.start, span.end)) atoms.push(span)
    else if (level >= boundaryLevels) atoms.push(...this.splitCharacters(span))
    else {
      let { start } = span
      for (const border of this.limits.boundaries(level, span)) {
        this.split({ start, end: border }, level + 1, atoms)
        start = border
      }
      this.split({ start, end: span.end }, level + 1, atoms)
    }
  }

  private splitCharacters({ start, end }: Span): Span[] {
    const parts: Span[] = []
    for (let from = start; from < end;) {
      const steps = this.characterStarts(from, Math.min(end, from + this.window(this.limits.maxTokens)))
      const guess = Math.floor((this.limits.maxTokens - this.limits.overlap) * this.perToken)
      const most = Math.max(
        0,
        largest(steps.length, guess, (i) => this.fitsBesideOverlap(from, steps[i]!)),
      )
      if (!this.fits(from, steps[most]!))
        throw new RagError(
          'OPTION',
          `The character ${JSON.stringify(this.text.slice(from, steps[0]))} alone has ${this.tokens(from, steps[0]!)} tokens with the headings above it; ` +
            `maxTokens is ${this.limits.maxTokens}. Raise it`,
        )
      parts.push({ start: from, end: steps[most]! })
      from = steps[most]!
    }
    return parts
  }

  /** Ends of characters after `from`; neither halves of surrogate pairs nor marks stand alone, as far as that goes. */
  private characterStarts(from: number, end: number): number[] {
    const positions: number[] = []
    for (const match of this.text.slice(from, end).matchAll(/\P{M}\p{M}{0,4}|\p{M}/gsu))
      positions.push(from + match.index + match[0].length)
    // The window may have cut a pair.
    const last = positions.at(-1)
    if (last !== undefined && last < this.text.length && positions.length > 1 && isLowSurrogate(this.text, last)) positions.pop()
    return positions
  }

  /** Index of the last atom that fits into a chunk beginning at `start`; `first` itself always does. */
  private lastFitting(start: number, atoms: readonly Span[], first: number): number {
    const { maxTokens } = this.limits
    const endsUpTo = (limit: number) => countUpTo(limit, { from: first + 1, to: atoms.length, at: (i) => atoms[i]!.end })
    const guess = endsUpTo(start + maxTokens * this.perToken) - 1
    return first + 1 + largest(endsUpTo(start + this.window(maxTokens)), guess, (i) => this.fits(start, atoms[first + 1 + i]!.end))
  }

  /**
   * Where the chunk that goes on after `previous` begins: at the earliest sentence, else word, else character of it that leaves the repeated part
   * within `overlap` and room for what is `fresh`.
   */
  private overlapStart(previous: Span, fresh: Span): number {
    const { overlap, boundaries, counter } = this.limits
    if (overlap === 0 || fresh.start !== previous.end) return fresh.start
    // As little of its end as has more tokens than may be repeated.
    const least = Math.max(previous.start, previous.end - this.window(overlap))
    let from = previous.end
    for (let length = Math.ceil(overlap * this.perToken * 1.5); from > least; length *= 2) {
      from = Math.max(least, previous.end - length)
      if (counter.ofSpan(from, previous.end) > overlap) break
    }
    const tail = { start: isLowSurrogate(this.text, from) ? from + 1 : from, end: previous.end }
    const allowed = (start: number) => counter.ofSpan(start, previous.end) <= overlap && this.fits(start, fresh.end)
    // White space alone is no repetition.
    const lastStart = from + this.text.slice(from, previous.end).trimEnd().length - 1
    const kinds = [
      () => boundaries(sentenceLevel, tail),
      () => boundaries(wordLevel, tail),
      () => this.characterStarts(tail.start, tail.end).slice(0, -1),
    ]
    for (const positions of kinds) {
      // From the end: the longest repetition is the last that is allowed.
      const backwards = positions()
        .filter((position) => position > previous.start && position <= lastStart)
        .reverse()
      const most = largest(backwards.length, 0, (i) => allowed(backwards[i]!))
      if (most >= 0) return backwards[most]!
    }
    return fresh.start
  }

  private fits(start: number, end: number, tokens = this.limits.maxTokens): boolean {
    // A token is rarely longer than forty characters, and what is cut too small is put together again.
    return end - start <= this.window(tokens) && this.tokens(start, end) <= tokens
  }

  private fitsBesideOverlap(start: number, end: number): boolean {
    return this.fits(start, end, this.limits.maxTokens - this.limits.overlap)
  }

  private window(tokens: number): number {
    return tokens * 40
  }

  private tokens(start: number, end: number): number {
    // What was found to fit is asked for again.
    if (start !== this.counted.start || end !== this.counted.end) {
      const tokens = this.limits.counter.ofPassage(this.headings, start, end)
      if (tokens > this.limits.maxTokens) return tokens
      this.counted = { start, end, tokens }
    }
    return this.counted.tokens
  }
}

/**
 * The largest index below `length` whose test holds, −1 for none, for tests that hold up to some index; that very index was tested. Goes from `guess` in
 * growing steps, because tests far beyond the limit take longest.
 */
function largest(length: number, guess: number, test: (i: number) => boolean): number {
  let low = -1
  let high = length
  let at = Math.max(0, Math.min(guess, length - 1))
  for (let step = 1; low < at && at < high; step *= 2) {
    if (test(at)) {
      low = at
      at = Math.min(at + step, high - 1)
    } else {
      high = at
      at = Math.max(at - step, low + 1)
    }
  }
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (test(middle)) low = middle
    else high = middle
  }
  return low
}

function isLowSurrogate(text: string, position: number): boolean {
  const unit = text.charCodeAt(position)
  return unit >= 0xdc00 && unit < 0xe000
}
