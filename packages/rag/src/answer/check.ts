import type { Span } from '../document.js'
import type { Citation, Passage } from './types.js'
import { isNegation, isNumber, unify, wordsOf, type Word } from './words.js'

/** What an answer says with the help of a source. */
export interface Claim {
  readonly text: string
  /** Whether the words were put in quotation marks: a quotation has to match word by word, a paraphrase by its terms. */
  readonly quoted: boolean
}

/** Which share of a quotation's words, and of a paraphrase's terms, has to be in a source for `fuzzy`. */
const enough = { quotation: 0.8, paraphrase: 0.6 } as const

/** What checking needs beside the sources. */
export interface CheckOptions {
  /** Terms that carry meaning, as the index analyses them. */
  readonly terms: (text: string) => readonly string[]
}

interface Found {
  readonly span: Span // in the passage's text
  readonly similarity: number
  readonly verbatim: boolean
}

/**
 * Checks that source number `marker` (from 1) says `claim`. No model is asked: a quotation is looked for word by word, a
 * paraphrase by its terms in a window of the source, and in either a number or a negation that the source does not have
 * counts as an invention. A paraphrase can therefore pass with its words turned around; `verbatim` cannot.
 */
export function checkCitation(marker: number, claim: Claim, passages: readonly Passage[], options: CheckOptions): Citation {
  const cited = passages[marker - 1]
  const own = cited === undefined ? undefined : findClaim(claim, cited.text, options)
  const base = { marker, claim: claim.text, quoted: claim.quoted }
  if (cited !== undefined && own !== undefined) {
    return { ...base, ...place(cited, own), verdict: own.verbatim ? 'verbatim' : 'fuzzy' }
  }
  let best: { passage: Passage; found: Found } | undefined
  for (const passage of passages) {
    const found = passage === cited ? undefined : findClaim(claim, passage.text, options)
    if (found !== undefined && (best === undefined || rank(found) > rank(best.found))) best = { passage, found }
  }
  if (best !== undefined) return { ...base, ...place(best.passage, best.found), verdict: 'misattributed' }
  return {
    ...base,
    chunkId: cited?.chunkId ?? null,
    sourceId: cited?.sourceId ?? null,
    span: null,
    quote: claim.text,
    verdict: 'missing',
    similarity: 0,
  }
}

const rank = ({ verbatim, similarity }: Found): number => (verbatim ? 1 : 0) + similarity

function place(passage: Passage, { span, similarity }: Found): Pick<Citation, 'chunkId' | 'sourceId' | 'span' | 'quote' | 'similarity'> {
  return {
    chunkId: passage.chunkId,
    sourceId: passage.sourceId,
    span: { start: passage.span.start + span.start, end: passage.span.start + span.end },
    quote: passage.text.slice(span.start, span.end),
    similarity,
  }
}

/** Where `text` says `claim`, or undefined. Spans are offsets into `text`. */
export function findClaim(claim: Claim, text: string, options: CheckOptions): Found | undefined {
  const verbatim = findVerbatim(claim.text, text)
  if (verbatim !== undefined) return { span: verbatim, similarity: 1, verbatim: true }
  return claim.quoted ? findQuotation(claim.text, text) : findParaphrase(claim.text, text, options)
}

/** The place of `quote` in `text`, typography unified; parts around an ellipsis may lie apart, in their order. */
export function findVerbatim(quote: string, text: string): Span | undefined {
  const { text: haystack, starts, ends } = unify(text)
  const parts = unify(quote)
    .text.split(/\[?\.\.\.\]?/)
    .map((part) => part.replace(/^[\s"'.,;:]+|[\s"'.,;:!?]+$/g, ''))
    .filter((part) => part !== '')
  let start: number | undefined
  let from = 0
  for (const part of parts) {
    const at = indexOfWords(haystack, part, from)
    if (at < 0) return undefined
    start ??= at
    from = at + part.length
  }
  return start === undefined ? undefined : { start: starts[start]!, end: ends[from - 1]! }
}

/** Like indexOf, but a match may not begin or end inside a word. */
function indexOfWords(haystack: string, needle: string, from: number): number {
  const inWord = (at: number): boolean => /[\p{L}\p{N}]{2}/u.test(haystack.slice(Math.max(at - 1, 0), at + 1)) && at > 0
  for (let at = haystack.indexOf(needle, from); at >= 0; at = haystack.indexOf(needle, at + 1)) {
    if (!inWord(at) && !inWord(at + needle.length)) return at
  }
  return -1
}

/** The stretch of `text` whose words differ least from the quotation's. */
function findQuotation(quote: string, text: string): Found | undefined {
  const wanted = wordsOf(quote)
  const words = wordsOf(text)
  if (wanted.length === 0 || words.length === 0) return undefined
  const { distance, start, end } = nearestStretch(wanted, words)
  const similarity = 1 - distance / wanted.length
  if (end <= start || similarity < enough.quotation) return undefined
  const stretch = words.slice(start, end)
  if (!sameMeaning(wanted, stretch)) return undefined
  return { span: { start: stretch[0]!.start, end: stretch.at(-1)!.end }, similarity, verbatim: false }
}

/**
 * Approximate matching of a pattern anywhere in a text by dynamic programming over words: the edit distance of the best
 * stretch `[start, end)`. Source: P. Sellers, "The theory and computation of evolutionary distances", J. Algorithms 1 (1980).
 */
function nearestStretch(pattern: readonly Word[], text: readonly Word[]): { distance: number; start: number; end: number } {
  const rows = pattern.length
  let previous = Array.from({ length: rows + 1 }, (_, i) => ({ cost: i, from: 0 }))
  let best = { distance: rows, start: 0, end: 0 }
  for (let column = 1; column <= text.length; column++) {
    const current = [{ cost: 0, from: column }]
    for (let i = 1; i <= rows; i++) {
      const diagonal = previous[i - 1]!
      let chosen = { cost: diagonal.cost + (pattern[i - 1]!.form === text[column - 1]!.form ? 0 : 1), from: diagonal.from }
      const skipText = previous[i]!
      if (skipText.cost + 1 < chosen.cost) chosen = { cost: skipText.cost + 1, from: skipText.from }
      const skipPattern = current[i - 1]!
      if (skipPattern.cost + 1 < chosen.cost) chosen = { cost: skipPattern.cost + 1, from: skipPattern.from }
      current.push(chosen)
    }
    const last = current[rows]!
    if (last.cost < best.distance) best = { distance: last.cost, start: last.from, end: column }
    previous = current
  }
  return best
}

/** Numbers and negations decide what a sentence says: a copy may not bring in a number, and has as many negations. */
function sameMeaning(claim: readonly Word[], source: readonly Word[]): boolean {
  const forms = new Set(source.map(({ form }) => form))
  if (claim.some(({ form }) => isNumber(form) && !forms.has(form))) return false
  const negations = (words: readonly Word[]): number => words.filter(({ form }) => isNegation(form)).length
  return negations(claim) === negations(source)
}

/** The shortest run of sentences-like windows of `text` that holds enough of the claim's terms. */
function findParaphrase(claim: string, text: string, { terms }: CheckOptions): Found | undefined {
  const wanted = new Set(terms(claim))
  const numbers = wordsOf(claim).filter(({ form }) => isNumber(form))
  if (wanted.size === 0) return undefined
  const words = wordsOf(text)
  // Which wanted term each word of the source is; most are none. An analyser may drop a word, so each is analysed alone.
  const hits = words.map(({ start, end }) => terms(text.slice(start, end)).find((term) => wanted.has(term)))
  const longest = Math.max(24, 3 * wordsOf(claim).length)
  let best: { start: number; end: number; count: number } | undefined
  for (let start = 0; start < words.length; start++) {
    if (hits[start] === undefined) continue
    const seen = new Set<string>()
    for (let end = start; end < Math.min(words.length, start + longest); end++) {
      const hit = hits[end]
      if (hit === undefined || seen.has(hit)) continue
      seen.add(hit)
      const better = best === undefined || seen.size > best.count || (seen.size === best.count && end - start < best.end - best.start)
      if (better) best = { start, end, count: seen.size }
    }
  }
  if (best === undefined) return undefined
  const similarity = best.count / wanted.size
  if (similarity < enough.paraphrase) return undefined
  const present = new Set(words.map(({ form }) => form))
  if (numbers.some(({ form }) => !present.has(form))) return undefined
  return { span: { start: words[best.start]!.start, end: words[best.end]!.end }, similarity, verbatim: false }
}
