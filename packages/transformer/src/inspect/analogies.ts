/** What lies near what in a table of word vectors: word2vec, GloVe, or a model's own embedding. */
import { TransformerError } from '../errors.js'

/** Words with their vectors, ready to be searched. */
export interface WordVectors {
  readonly words: readonly string[]
  /** Entries of one vector. */
  readonly width: number
  /** Row-major [words, width], as given. */
  readonly values: Float32Array
  /** Length of each vector. */
  readonly lengths: Float32Array
  readonly index: ReadonlyMap<string, number>
}

/**
 * A searchable table of words and their vectors, wherever they come from: pairs of both. Of a word given twice the first counts. Errors: DATA for no
 * words, or vectors of different lengths (the word is named).
 *
 * @example
 * const vectors = wordVectors(Object.entries({ king: [1, 1], queen: [1, -1], man: [0, 1], woman: [0, -1] }))
 * analogy(vectors, { positive: ['king', 'woman'], negative: ['man'] }) // => [{ word: 'queen', … }]
 */
export function wordVectors(entries: Iterable<readonly [word: string, vector: ArrayLike<number>]>): WordVectors {
  const index = new Map<string, number>()
  const rows: ArrayLike<number>[] = []
  let width: number | undefined
  for (const [word, vector] of entries) {
    width ??= vector.length
    if (vector.length !== width || width === 0)
      throw new TransformerError(
        'DATA',
        `wordVectors: '${word}' has ${vector.length} entries; expected ${width === 0 ? 'at least one' : `${width}, as the words before it`}`,
      )
    if (index.has(word)) continue
    index.set(word, rows.length)
    rows.push(vector)
  }
  if (width === undefined) throw new TransformerError('DATA', 'wordVectors: there are no words; give pairs of a word and its vector')
  const values = new Float32Array(rows.length * width)
  const lengths = new Float32Array(rows.length)
  rows.forEach((row, i) => {
    values.set(row, i * width)
    let sum = 0
    for (let d = 0; d < row.length; d++) sum += row[d]! * row[d]!
    lengths[i] = Math.sqrt(sum)
  })
  return { words: [...index.keys()], width, values, lengths, index }
}

export interface WordMatch {
  readonly word: string
  /** Cosine of the angle to what was asked for, from −1 to 1. */
  readonly similarity: number
}

export interface NearestOptions {
  /** How many; default 10. */
  readonly k?: number
}

export interface AnalogyTerms {
  /** Words whose directions are added. */
  readonly positive: readonly string[]
  /** Words whose directions are taken away. */
  readonly negative?: readonly string[]
}

/**
 * Words nearest by cosine to a sum of directions, the words asked with excluded: king − man + woman. Each word counts by its direction alone, whatever
 * the length of its vector: 3CosAdd of Mikolov, Yih and Zweig (NAACL 2013) as defined by Levy and Goldberg (CoNLL 2014). Without the
 * exclusion the nearest word is nearly always one of the inputs, so the sum itself proves little.
 *
 * Errors: DATA for a word without a vector (it is named), OPTION for no words.
 */
export function analogy(vectors: WordVectors, terms: AnalogyTerms, options: NearestOptions = {}): WordMatch[] {
  const { positive, negative = [] } = terms
  if (positive.length + negative.length === 0) throw new TransformerError('OPTION', 'analogy: give at least one word')
  const target = new Float64Array(vectors.width)
  const inputs = new Set<number>()
  const add = (word: string, sign: 1 | -1): void => {
    const row = rowOf(vectors, word)
    inputs.add(row)
    const length = vectors.lengths[row]! || 1
    for (let d = 0; d < target.length; d++) target[d]! += (sign * vectors.values[row * vectors.width + d]!) / length
  }
  for (const word of positive) add(word, 1)
  for (const word of negative) add(word, -1)
  return nearest(vectors, target, inputs, options)
}

/** Words nearest to a word, itself excluded, or to a vector. Errors: DATA for a word without a vector or a vector of another length. */
export function nearestWords(vectors: WordVectors, to: string | ArrayLike<number>, options: NearestOptions = {}): WordMatch[] {
  if (typeof to === 'string') return analogy(vectors, { positive: [to] }, options)
  if (to.length !== vectors.width)
    throw new TransformerError('DATA', `nearestWords: the vector has ${to.length} entries; expected ${vectors.width}`)
  return nearest(vectors, Float64Array.from(to), new Set(), options)
}

function rowOf({ index }: WordVectors, word: string): number {
  const row = index.get(word)
  if (row === undefined)
    throw new TransformerError('DATA', `'${word}' is not among the ${index.size} words; check its spelling and its case`)
  return row
}

function nearest(
  { words, width, values, lengths }: WordVectors,
  target: Float64Array,
  without: ReadonlySet<number>,
  { k = 10 }: NearestOptions,
): WordMatch[] {
  if (!Number.isInteger(k) || k < 1) throw new TransformerError('OPTION', `k must be a positive integer, got ${k}`)
  const size = Math.hypot(...target)
  const best: { row: number; similarity: number }[] = [] // sorted, at most k
  for (let row = 0; row < words.length; row++) {
    if (without.has(row) || lengths[row] === 0) continue
    let sum = 0
    for (let d = 0; d < width; d++) sum += target[d]! * values[row * width + d]!
    const similarity = size === 0 ? 0 : sum / (size * lengths[row]!)
    if (best.length === k && similarity <= best[k - 1]!.similarity) continue
    const at = best.findIndex((other) => similarity > other.similarity)
    best.splice(at < 0 ? best.length : at, 0, { row, similarity })
    if (best.length > k) best.pop()
  }
  return best.map(({ row, similarity }) => ({ word: words[row]!, similarity }))
}
