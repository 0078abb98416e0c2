import type { Candidates } from './candidates.js'
import { checkInteger, checkRange } from './check.js'
import { SamplingError } from './errors.js'
import { History, remembering } from './history.js'
import { Mt19937 } from './mt19937.js'
import { idOfKey, MAX_VOCABULARY, selectTop } from './select.js'
import type { SamplerStep } from './step.js'

export interface WatermarkOptions {
  /** Number of token ids. Text can be marked, and a mark found, with the same number only. */
  readonly vocabulary: number
  /** The share of tokens that are green after each text. Above 0 and below 1; default 0.25. */
  readonly ratio?: number
  /** Added to the logits of green tokens: the larger, the surer the mark and the more it changes the text. From 0 to 100; default 2. */
  readonly bias?: number
  /** The secret: who does not know it cannot find the mark. An integer from 1 to 2^40; default 15485863. */
  readonly key?: number
  /**
   * What decides which tokens are green: `lefthash` the token before; `selfhash` the last tokens and the token in question itself, which is harder to undo, takes 40 times as long and marks the 40 likeliest
   * tokens only. Default `lefthash`.
   */
  readonly scheme?: 'lefthash' | 'selfhash'
  /** How many tokens `selfhash` looks at, and how many have to be there for `lefthash`. From 1 to 64; default 1. */
  readonly context?: number
}

export interface DetectOptions extends Omit<WatermarkOptions, 'bias'> {
  /** Counts each sequence of tokens once, however often it occurs. Default false. */
  readonly ignoreRepeated?: boolean
  /** Above this a text counts as marked. Default 3. */
  readonly threshold?: number
}

export interface WatermarkEvidence {
  /** Tokens that were looked at, and those of them that are green. */
  readonly tokens: number
  readonly green: number
  /** How many standard deviations that is above what text without a mark has. */
  readonly z: number
  /** How probable so many green tokens are in text without a mark. */
  readonly pValue: number
  readonly isMarked: boolean
}

/**
 * Marks text: some tokens, other ones after each text, are made likelier, which nobody sees and {@link detectWatermark} finds.
 *
 * The marks are those of Hugging Face's `WatermarkLogitsProcessor`: with the same options its `WatermarkDetector` finds them, and the other way round.
 *
 * Source: J. Kirchenbauer et al., "A Watermark for Large Language Models", ICML 2023, and "On the Reliability of Watermarks for Large Language Models", ICLR 2024.
 */
export function watermark(options: WatermarkOptions): SamplerStep {
  const { bias = 2, scheme = 'lefthash', context = 1 } = options
  checkRange('bias', bias, 0, 100)
  const greens = new Greens(options)
  const make = (history: History): SamplerStep => ({
    name: 'watermark',
    apply(candidates) {
      if (history.length < context) return
      const mark = (id: number): void => {
        const place = candidates.placeOf(id)
        if (place < 0) return
        candidates.logits[place]! += bias
        candidates.settle(place)
      }
      const before = history.tokensInOrder
      if (scheme === 'lefthash') greens.after(before).forEach(mark)
      else for (const id of likeliest(candidates)) if (greens.isGreen([...before, id], id)) mark(id)
      candidates.reorder()
    },
    ...remembering(history, make),
  })
  return make(new History(context))
}

/** Tokens that `selfhash` looks at; each costs a permutation. */
const LOOKED_AT = 40

function likeliest(candidates: Candidates): number[] {
  const { ids, size, scratch } = candidates
  const count = Math.min(LOOKED_AT, size)
  const keys = selectTop(candidates, ids, size, count, scratch)
  return Array.from(keys.subarray(0, count), idOfKey)
}

/**
 * Looks for the mark of {@link watermark} in a text.
 *
 * @param ids of the text without its prompt, which has no mark
 * @throws SamplingError `VALUE` for options out of range, and for a text too short to look at
 */
export function detectWatermark(ids: ArrayLike<number>, options: DetectOptions): WatermarkEvidence {
  const { scheme = 'lefthash', context = 1, ratio = 0.25, ignoreRepeated = false, threshold = 3 } = options
  const greens = new Greens(options)
  const size = scheme === 'selfhash' ? context : context + 1
  if (ids.length < size) throw new SamplingError('VALUE', `detectWatermark: a text needs at least ${size} tokens, got ${ids.length}`)
  const known = new Map<string, boolean>()
  let [tokens, green] = [0, 0]
  for (let end = size; end <= ids.length; end++) {
    const sequence = Array.from({ length: size }, (_, i) => ids[end - size + i]!)
    const name = sequence.join()
    const seen = known.get(name)
    if (seen !== undefined && ignoreRepeated) continue
    const target = sequence.at(-1)!
    const isGreen = seen ?? greens.isGreen(scheme === 'selfhash' ? sequence : sequence.slice(0, -1), target)
    known.set(name, isGreen)
    tokens++
    if (isGreen) green++
  }
  const z = (green - ratio * tokens) / Math.sqrt(tokens * ratio * (1 - ratio))
  return { tokens, green, z, pValue: upperTail(z), isMarked: z > threshold }
}

/** Which tokens are green after a text: the first of a permutation that a random generator gives, seeded by the text and the key. */
class Greens {
  private readonly identity: Int32Array
  private readonly permutation: Int32Array
  private readonly count: number
  private readonly options: Required<Omit<WatermarkOptions, 'bias'>>
  private table: Int32Array | undefined

  constructor({ vocabulary, ratio = 0.25, key = 15485863, scheme = 'lefthash', context = 1 }: Omit<WatermarkOptions, 'bias'>) {
    checkInteger('vocabulary', vocabulary, 2, MAX_VOCABULARY)
    if (!(ratio > 0 && ratio < 1)) throw new SamplingError('VALUE', `ratio must be above 0 and below 1, got ${String(ratio)}`)
    checkInteger('key', key, 1, 2 ** 40)
    checkInteger('context', context, 1, 64)
    if (scheme !== 'lefthash' && scheme !== 'selfhash')
      throw new SamplingError('VALUE', `scheme must be 'lefthash' or 'selfhash', got ${JSON.stringify(scheme)}`)
    this.options = { vocabulary, ratio, key, scheme, context }
    this.identity = Int32Array.from({ length: vocabulary }, (_, id) => id)
    this.permutation = new Int32Array(vocabulary)
    this.count = Math.floor(vocabulary * ratio)
  }

  /** The green tokens, in memory that the next call writes over. */
  after(text: readonly number[]): Int32Array {
    this.permutation.set(this.identity)
    shuffleFirst(this.permutation, this.count, new Mt19937(this.seedOf(text)))
    return this.permutation.subarray(0, this.count)
  }

  isGreen(text: readonly number[], id: number): boolean {
    return this.after(text).includes(id)
  }

  /** Its lower 32 bits, which are all that counts. Integers of 64 bits wrap in between, and the result is taken modulo 2^64 − 1. */
  private seedOf(text: readonly number[]): number {
    const { key, scheme, context } = this.options
    const seen = text.slice(-context)
    const last = seen.at(-1)!
    if (scheme === 'lefthash') return Number(BigInt(key * last) & 0xffffffffn)
    const table = (this.table ??= permuted(tableSize, key))
    const of = (id: number): bigint => BigInt(table[id % tableSize]! + 1)
    const products = seen.map((id) => BigInt.asIntN(64, BigInt(key) * of(id) * of(last)))
    const least = products.reduce((a, b) => (b < a ? b : a))
    const modulus = 2n ** 64n - 1n
    return Number((((least % modulus) + modulus) % modulus) & 0xffffffffn)
  }
}

const tableSize = 1_000_003

const permuted = (size: number, seed: number): Int32Array => {
  const values = Int32Array.from({ length: size }, (_, i) => i)
  shuffleFirst(values, size, new Mt19937(Number(BigInt(seed) & 0xffffffffn)))
  return values
}

/** The first `count` of a random permutation, as PyTorch's `randperm` gives it on the CPU. */
function shuffleFirst(values: Int32Array, count: number, generator: Mt19937): void {
  for (let i = 0; i < count && i < values.length - 1; i++) {
    const other = i + (generator.uint32() % (values.length - i))
    const value = values[i]!
    values[i] = values[other]!
    values[other] = value
  }
}

/** The probability that a normally distributed number is above `z`: half of erfc(z / √2), by its series near 0 and by its continued fraction beyond. */
function upperTail(z: number): number {
  const x = Math.abs(z) / Math.SQRT2
  let tail: number
  if (x < 2) {
    let [term, sum] = [x, x]
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= (-x * x) / n
      sum += term / (2 * n + 1)
    }
    tail = 0.5 - sum / Math.sqrt(Math.PI)
  } else {
    let fraction = x
    for (let n = 60; n > 0; n--) fraction = x + n / 2 / fraction
    tail = Math.exp(-x * x) / (2 * Math.sqrt(Math.PI) * fraction)
  }
  return z < 0 ? 1 - tail : tail
}
