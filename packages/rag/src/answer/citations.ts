import { checkCitation, type CheckOptions, type Claim } from './check.js'
import { sentencesOf } from './sentences.js'
import type { Citation, Passage } from './types.js'
import { wordsOf } from './words.js'

// [1], [1, 2], [1-3], [source 1], [2: "words"], and the brackets some models prefer.
const markerPattern = /[[【](?:sources?\s*)?(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)(?:\s*:\s*["“«]([^"”»]{1,2000})["”»])?[\]】]/giu

// Fewer words than this in front of a marker are no claim yet ('According to [1], …'): it waits for the end of its sentence.
const leastWords = 4

interface Pending {
  readonly numbers: readonly number[]
  readonly at: number // of the marker
}

/** What a piece of text brought: text to pass on, and citations that were settled by it. */
export type ReadPart = { readonly type: 'text'; readonly text: string } | { readonly type: 'citation'; readonly citation: Citation }

/**
 * Reads an answer as it arrives, passes its text on unchanged and checks each citation as soon as the words that it stands
 * behind are known: mostly at the closing bracket.
 */
export class CitationReader {
  #text = ''
  #scanned = 0 // markers before this were handled
  #boundary = 0 // the end of the last settled marker: a claim does not reach behind it
  #lastClaim: Claim | undefined
  #pending: Pending[] = []
  readonly #passages: () => readonly Passage[]
  readonly #options: CheckOptions

  /** @param passages the numbered sources at the moment of a check: a model that searches gets more of them on the way */
  constructor(passages: () => readonly Passage[], options: CheckOptions) {
    this.#passages = passages
    this.#options = options
  }

  /** All text so far. */
  get text(): string {
    return this.#text
  }

  /** Takes the next piece of text. */
  push(delta: string): ReadPart[] {
    if (delta === '') return []
    const before = this.#text.length
    this.#text += delta
    const parts: ReadPart[] = []
    let passed = before
    const passOn = (end: number): void => {
      if (end > passed) parts.push({ type: 'text', text: this.#text.slice(passed, end) })
      passed = Math.max(passed, end)
    }
    const pattern = new RegExp(markerPattern) // with a place of its own: the claims of a match are read with the pattern too
    pattern.lastIndex = this.#scanned
    for (let match = pattern.exec(this.#text); match !== null; match = pattern.exec(this.#text)) {
      const start = match.index
      const end = start + match[0].length
      parts.push(...this.#settlePending(start))
      passOn(end)
      this.#scanned = end
      const numbers = numbersOf(match[1]!)
      const claim = match[2] === undefined ? this.#claimBefore(start) : { text: match[2], quoted: true }
      if (claim === undefined) this.#pending.push({ numbers, at: start })
      else parts.push(...this.#settle(numbers, claim, end))
    }
    passOn(this.#text.length)
    parts.push(...this.#settlePending(this.#text.length))
    return parts
  }

  /** The text is complete: settles what was waiting. */
  end(): ReadPart[] {
    return this.#settlePending(this.#text.length, true)
  }

  #settle(numbers: readonly number[], claim: Claim, end: number): ReadPart[] {
    this.#lastClaim = claim
    this.#boundary = end
    const passages = this.#passages()
    return numbers.map((marker) => ({ type: 'citation', citation: checkCitation(marker, claim, passages, this.#options) }))
  }

  /** The words that a marker at `at` stands behind, or undefined while they are still to come. */
  #claimBefore(at: number): Claim | undefined {
    const before = this.#text.slice(this.#boundary, at)
    const quotation = /["“«]([^"“”«»]+)["”»][\s.,;:)]*$/u.exec(before)
    if (quotation !== null && wordsOf(quotation[1]!).length > 0) return { text: quotation[1]!.trim(), quoted: true }
    if (wordsOf(before).length === 0) return this.#lastClaim // [1][2]: both stand behind the same words
    const last = sentencesOf(before).at(-1)
    if (last === undefined) return undefined
    const text = before.slice(last.start, last.end)
    const complete = /[.!?。！？]["'”’)]*$/u.test(text)
    return complete || wordsOf(text).length >= leastWords ? claimOf(text) : undefined
  }

  /** Markers that waited: those whose sentence ends before `end`, or all of them at the `last`. */
  #settlePending(end: number, last = false): ReadPart[] {
    const parts: ReadPart[] = []
    while (this.#pending.length > 0) {
      const { numbers, at } = this.#pending[0]!
      const from = this.#boundary
      const text = this.#text.slice(from, end)
      const sentence = sentencesOf(text).find((span) => from + span.end > at)
      const stop = sentence === undefined ? end : from + sentence.end
      // The last sentence may still grow.
      if (!last && stop >= this.#text.trimEnd().length) break
      this.#pending.shift()
      const words = text.slice(sentence?.start ?? 0, stop - from).replace(markerPattern, ' ')
      if (wordsOf(words).length > 0) parts.push(...this.#settle(numbers, claimOf(words), this.#pending.length > 0 ? from : stop))
    }
    return parts
  }
}

/** A quotation inside the sentence is what has to be checked; without one it is the sentence. */
function claimOf(sentence: string): Claim {
  const quotations = [...sentence.matchAll(/["“«]([^"“”«»]+)["”»]/gu)].map((match) => match[1]!)
  const longest = quotations.toSorted((a, b) => wordsOf(b).length - wordsOf(a).length)[0]
  if (longest !== undefined && wordsOf(longest).length >= leastWords) return { text: longest.trim(), quoted: true }
  return { text: sentence.replace(/\s+/g, ' ').trim(), quoted: false }
}

/** `1, 3-5` is 1, 3, 4, 5. */
function numbersOf(list: string): number[] {
  const numbers = list.split(/[,;]/).flatMap((item) => {
    const [first, last] = item.split(/[–-]/).map(Number) as [number, number?]
    return last === undefined || last < first || last - first > 20
      ? [first, ...(last === undefined ? [] : [last])]
      : Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
  return [...new Set(numbers)]
}
