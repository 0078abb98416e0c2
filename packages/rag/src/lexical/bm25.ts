import { RagError } from '../errors.js'
import { compareCodePoints } from '../order.js'
import { TopK } from '../top-k.js'

export interface Bm25Options {
  /** Saturation of a term's frequency, at least 0: with 0 it only counts whether a term occurs. Default 1.2. */
  readonly k1?: number
  /** How much long texts are held back: 0 not at all, 1 in proportion to their length. Default 0.75. */
  readonly b?: number
}

export interface Bm25SearchOptions extends Bm25Options {
  readonly k: number
  /** Which keys may be found; counts of terms are over all. */
  readonly accept?: (key: string) => boolean
}

interface Postings {
  /** Rows in the order of insertion, dead ones among them, and how often the term occurs in each. */
  readonly rows: number[]
  readonly counts: number[]
  /** Living rows. */
  frequency: number
}

/**
 * An inverted index ranked by BM25; texts come and go one by one, and scores are always those of an index made of what is there now.
 *
 * Source: S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with 1 added under the logarithm, so that
 * terms in more than half of the texts do not count against a text.
 */
export class Bm25Index {
  private keys: (string | undefined)[] = []
  private lengths: number[] = []
  /** For each row its terms and counts, alternating. */
  private contents: Uint32Array[] = []
  private readonly rows = new Map<string, number>()
  private terms = new Map<string, number>()
  private names: string[] = []
  private postings: Postings[] = []
  private totalLength = 0
  private usedTerms = 0
  private scores = new Float64Array(0)

  /** Texts. */
  get size(): number {
    return this.rows.size
  }

  /** Different terms in the texts that are there. */
  get vocabularySize(): number {
    return this.usedTerms
  }

  /** In how many texts a term occurs. */
  frequency(term: string): number {
    const id = this.terms.get(term)
    return id === undefined ? 0 : this.postings[id]!.frequency
  }

  /** Adds or replaces a text, given as its terms, each once, with how often it occurs (a positive integer). */
  set(key: string, terms: Iterable<readonly [term: string, count: number]>): void {
    this.delete(key)
    const row = this.keys.length
    const content: number[] = []
    let length = 0
    for (const [term, count] of terms) {
      let id = this.terms.get(term)
      if (id === undefined) {
        id = this.names.push(term) - 1
        this.terms.set(term, id)
        this.postings.push({ rows: [], counts: [], frequency: 0 })
      }
      const postings = this.postings[id]!
      postings.rows.push(row)
      postings.counts.push(count)
      if (postings.frequency++ === 0) this.usedTerms++
      content.push(id, count)
      length += count
    }
    this.keys.push(key)
    this.lengths.push(length)
    this.contents.push(Uint32Array.from(content))
    this.rows.set(key, row)
    this.totalLength += length
  }

  delete(key: string): boolean {
    const row = this.rows.get(key)
    if (row === undefined) return false
    const content = this.contents[row]!
    for (let i = 0; i < content.length; i += 2) if (--this.postings[content[i]!]!.frequency === 0) this.usedTerms--
    this.totalLength -= this.lengths[row]!
    this.rows.delete(key)
    this.keys[row] = undefined
    this.contents[row] = new Uint32Array(0)
    if (this.keys.length > 64 && this.keys.length > 2 * this.rows.size) this.compact()
    return true
  }

  /** The terms of a text as they were set; undefined for an unknown key. */
  termsOf(key: string): [term: string, count: number][] | undefined {
    const row = this.rows.get(key)
    if (row === undefined) return undefined
    const content = this.contents[row]!
    return Array.from({ length: content.length / 2 }, (_, i) => [this.names[content[2 * i]!]!, content[2 * i + 1]!])
  }

  /**
   * The texts that fit the terms best, equal ones by ascending key; a term that is given twice counts twice. Texts with none of them are no hits.
   *
   * Errors: OPTION for k below 1, k1 below 0 and b outside [0, 1].
   */
  search(
    terms: Iterable<string>,
    { k, k1 = 1.2, b = 0.75, accept }: Bm25SearchOptions,
  ): { readonly key: string; readonly score: number }[] {
    if (!Number.isInteger(k) || k < 1) throw new RagError('OPTION', `k must be a positive integer, got ${k}`)
    if (!(k1 >= 0 && k1 < Infinity)) throw new RagError('OPTION', `k1 must be a number of at least 0, got ${k1}`)
    if (!(b >= 0 && b <= 1)) throw new RagError('OPTION', `b must lie between 0 and 1, got ${b}`)
    const { keys, lengths } = this
    if (this.scores.length < keys.length) this.scores = new Float64Array(keys.length * 2)
    const { scores } = this
    const touched: number[] = []
    const meanLength = this.totalLength / this.size
    for (const [id, times] of this.queryTerms(terms)) {
      const { rows, counts, frequency } = this.postings[id]!
      const weight = times * Math.log(1 + (this.size - frequency + 0.5) / (frequency + 0.5)) * (k1 + 1)
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!
        if (keys[row] === undefined) continue
        const count = counts[i]!
        if (scores[row] === 0) touched.push(row)
        scores[row] = scores[row]! + (weight * count) / (count + k1 * (1 - b + (b * lengths[row]!) / meanLength))
      }
    }
    const top = new TopK(Math.min(k, Math.max(1, touched.length)), (x, y) => compareCodePoints(keys[x]!, keys[y]!))
    for (const row of touched) {
      const score = scores[row]!
      scores[row] = 0
      if (score >= top.threshold && (accept === undefined || accept(keys[row]!))) top.offer(row, score)
    }
    return top.sorted().map(({ item, score }) => ({ key: keys[item]!, score }))
  }

  /** Ids of the terms that are known, and how often each is asked for, in the order of the terms: sums do not depend on the query's order. */
  private queryTerms(terms: Iterable<string>): (readonly [id: number, times: number])[] {
    const times = new Map<string, number>()
    for (const term of terms) times.set(term, (times.get(term) ?? 0) + 1)
    return [...times]
      .sort(([a], [b]) => compareCodePoints(a, b))
      .flatMap(([term, count]) => {
        const id = this.terms.get(term)
        return id === undefined ? [] : [[id, count] as const]
      })
  }

  /** Makes everything anew without dead rows and unused terms. */
  private compact(): void {
    const texts = [...this.rows.keys()].map((key) => [key, this.termsOf(key)!] as const)
    this.keys = []
    this.lengths = []
    this.contents = []
    this.rows.clear()
    this.terms = new Map()
    this.names = []
    this.postings = []
    this.totalLength = 0
    this.usedTerms = 0
    for (const [key, terms] of texts) this.set(key, terms)
  }
}
