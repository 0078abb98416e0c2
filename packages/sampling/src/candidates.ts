import { SamplingError } from './errors.js'
import { expOfNegative } from './exp.js'
import { idOfKey, logitOfKey, MAX_VOCABULARY, selectTop, SelectionScratch } from './select.js'

// Patterns of float32 as signed integers; NaN lies above +∞ when the sign is left out.
const INFINITY_BITS = 0x7f800000
const NEGATIVE_INFINITY_BITS = -0x800000
const NEGATIVE_ZERO_BITS = -0x80000000
const LARGEST = 3.4028234663852886e38

/** The highest logits of a vocabulary, such as a device finds without giving out all of them: token `ids[i]` has `logits[i]`, in any order, each token once. */
export interface TopLogits {
  readonly ids: ArrayLike<number>
  readonly logits: ArrayLike<number>
  /** How many tokens there are in all. Those that are not listed have logits of at most the lowest listed. */
  readonly vocabulary: number
  /** Whether tokens that are not listed must not come at all, such as those that a grammar does not allow. Default false. */
  readonly isComplete?: boolean
}

/**
 * The tokens that may still be drawn, with their logits: what a {@link SamplerStep} works on. Candidate `i` is token `ids[i]` with
 * `logits[i]`, for `i` below `size`. Unless `sorted`, they stand in the order of their ids.
 */
export class Candidates {
  ids = new Int32Array(0)
  logits = new Float32Array(0)
  /** The same memory as `logits`, as integers. */
  bits = new Int32Array(0)
  size = 0
  /** Whether the highest logit comes first, and of equal ones the lowest id. */
  sorted = false
  /** Memory for weights, one for each candidate. */
  weights = new Float64Array(0)
  // Numbers that are given by a call would be allocated, one for every token and step.
  /** The sum of the weights that {@link Candidates.weigh} wrote. */
  total = 0.5
  /** The highest logit that {@link Candidates.findMax} or {@link Candidates.weigh} found. */
  max = 0.5
  readonly scratch = new SelectionScratch()
  /** Whether there may be tokens beside the candidates that would be among them, had all of the vocabulary been given. Their logits are at most `rest`. */
  isPartial = false
  rest = -Infinity
  private vocabulary = 0
  private identity = new Int32Array(0)

  /**
   * Begins with every token of the vocabulary.
   *
   * @throws SamplingError `LOGITS` when there are none, or one is NaN or +∞; `VALUE` for more than 2^21
   */
  begin(logits: ArrayLike<number>): void {
    const size = logits.length
    if (size === 0) throw new SamplingError('LOGITS', 'There are no logits to sample from; the array is empty')
    if (size > MAX_VOCABULARY) throw new SamplingError('VALUE', `A vocabulary has at most ${MAX_VOCABULARY} tokens, got ${size} logits`)
    if (this.identity.length !== size) {
      this.identity = Int32Array.from({ length: size }, (_, id) => id)
      this.reserve(size)
    }
    this.ids.set(this.identity)
    this.logits.set(logits)
    this.size = size
    this.checkLogits()
    this.sorted = this.isPartial = false
  }

  /**
   * Begins with the highest logits alone.
   *
   * @throws SamplingError `LOGITS` as for {@link Candidates.begin}; `VALUE` where the ids are not different tokens of the vocabulary
   */
  beginTop({ ids, logits, vocabulary, isComplete = false }: TopLogits): void {
    const size = ids.length
    if (size === 0) throw new SamplingError('LOGITS', 'There are no logits to sample from; the list of the highest is empty')
    if (!(Number.isInteger(vocabulary) && vocabulary >= size && vocabulary <= MAX_VOCABULARY) || logits.length !== size)
      throw new SamplingError(
        'VALUE',
        `The highest logits: ${size} ids and ${logits.length} logits of a vocabulary of ${String(vocabulary)}; there must be one logit for each id, and a vocabulary of as many at least and ${MAX_VOCABULARY} at most`,
      )
    if (this.ids.length < size) {
      // All memory is of one size, which is not that of the vocabulary then.
      this.identity = new Int32Array(0)
      this.reserve(size)
    }
    const { scratch } = this
    scratch.reserve(size)
    // In the order of their ids, in which all of them would stand: sums are the same to the last bit.
    for (let i = 0; i < size; i++) scratch.keys[i] = ids[i]! * MAX_VOCABULARY + i
    const { keys } = scratch
    scratch.sort(size)
    let lowest = Infinity
    for (let i = 0; i < size; i++) {
      const place = keys[i]! % MAX_VOCABULARY
      const id = ids[place]!
      if (!(Number.isInteger(id) && id >= 0 && id < vocabulary) || (i > 0 && this.ids[i - 1] === id))
        throw new SamplingError(
          'VALUE',
          `The highest logits: ids must be different integers from 0 to ${vocabulary - 1}, got ${String(id)}`,
        )
      this.ids[i] = id
      this.logits[i] = logits[place]!
      if (this.logits[i]! < lowest) lowest = this.logits[i]!
    }
    this.size = size
    this.checkLogits()
    this.sorted = false
    this.isPartial = size < vocabulary && !isComplete
    this.rest = lowest
    this.vocabulary = vocabulary
  }

  /** Says that a token's logit would be raised by what is done to the candidates. It may be one of those that were left out, of which nothing is known from then on. */
  raiseMissing(id: number): void {
    if (this.isPartial && id < this.vocabulary) this.rest = Infinity
  }

  private reserve(size: number): void {
    this.ids = new Int32Array(size)
    this.logits = new Float32Array(size)
    this.bits = new Int32Array(this.logits.buffer)
    this.weights = new Float64Array(size)
  }

  private checkLogits(): void {
    const { bits, size } = this
    for (let i = 0; i < size; i++) {
      const value = bits[i]!
      // Without looking at the sign first: half of all logits are negative, and that branch would be guessed wrong half of the time.
      if ((value & 0x7fffffff) >= INFINITY_BITS && value !== NEGATIVE_INFINITY_BITS) throw unusable(this.ids[i]!, this.logits[i])
      // Equal logits must have equal bits.
      if (value === NEGATIVE_ZERO_BITS) bits[i] = 0
    }
  }

  /** Finds the highest logit, which is then in {@link Candidates.max}. */
  findMax(): void {
    let max = -Infinity
    if (this.sorted) max = this.logits[0]!
    else for (let i = 0; i < this.size; i++) if (this.logits[i]! > max) max = this.logits[i]!
    this.max = max
  }

  /** Keeps the `count` highest, sorted. Does nothing when there are no more than that. */
  keepTop(count: number): void {
    if (count >= this.size) return
    if (!this.sorted) {
      const keys = selectTop(this, this.ids, this.size, count, this.scratch)
      for (let i = 0; i < count; i++) {
        this.ids[i] = idOfKey(keys[i]!)
        this.logits[i] = logitOfKey(keys[i]!)
      }
      this.sorted = true
    }
    this.size = count
    if (count > 0 && this.logits[count - 1]! > this.rest) this.isPartial = false
  }

  /** Keeps the first candidate of the highest logit. */
  keepFirstMax(): void {
    let best = 0
    if (!this.sorted) for (let i = 1; i < this.size; i++) if (this.logits[i]! > this.logits[best]!) best = i
    this.ids[0] = this.ids[best]!
    this.logits[0] = this.logits[best]!
    this.size = Math.min(this.size, 1)
    this.sorted = true
    if (this.size > 0 && this.logits[0]! > this.rest) this.isPartial = false
  }

  /** Keeps logits of at least `threshold`, in their order. */
  keepFrom(threshold: number): void {
    let kept = 0
    for (let i = 0; i < this.size; i++) {
      if (this.logits[i]! >= threshold) this.move(i, kept++)
    }
    this.size = kept
    if (threshold > this.rest) this.isPartial = false
  }

  /** Where token `id` stands among the candidates; −1 when it is none of them. */
  placeOf(id: number): number {
    const { ids, size } = this
    if (this.sorted) {
      for (let i = 0; i < size; i++) if (ids[i] === id) return i
      return -1
    }
    if (id < 0) return -1
    // Ids rise, so a token stands at its id or before it.
    if (ids[id] === id && id < size) return id
    let low = 0
    let high = Math.min(size, id + 1)
    while (low < high) {
      const middle = (low + high) >> 1
      if (ids[middle]! < id) low = middle + 1
      else high = middle
    }
    return low < size && ids[low] === id ? low : -1
  }

  /** Changes a logit. What would be +∞ becomes the largest float; call {@link Candidates.reorder} when all are changed. */
  set(place: number, logit: number): void {
    this.logits[place] = logit
    this.settle(place)
  }

  /** What {@link Candidates.set} does behind a logit that was written to its place: a number that is given to a call may be allocated. */
  settle(place: number): void {
    const value = this.bits[place]!
    if (value === INFINITY_BITS) this.logits[place] = LARGEST
    else if (value === NEGATIVE_ZERO_BITS) this.bits[place] = 0
  }

  /** Brings the candidates into their order again, after logits were changed. */
  reorder(): void {
    if (!this.sorted) return
    const keys = selectTop(this, this.ids, this.size, this.size, this.scratch)
    for (let i = 0; i < this.size; i++) {
      this.ids[i] = idOfKey(keys[i]!)
      this.logits[i] = logitOfKey(keys[i]!)
    }
  }

  /** Sorts them all by falling logit. */
  sort(): void {
    if (this.sorted) return
    this.sorted = true
    this.reorder()
  }

  /** Puts a candidate in another place, over what is there: steps that keep some candidates move them up in their order. */
  move(from: number, to: number): void {
    this.ids[to] = this.ids[from]!
    this.logits[to] = this.logits[from]!
  }

  /**
   * Writes e^(logit − highest logit) of each candidate to `weights`; their sum is then in {@link Candidates.total}, and the highest logit in
   * {@link Candidates.max}. False where there is none of any weight.
   */
  weigh(): boolean {
    this.findMax()
    const { logits, weights, size, max } = this
    this.total = 0
    // Without this, −∞ − −∞ would make every weight NaN.
    if (max === -Infinity) return false
    let total = 0
    for (let i = 0; i < size; i++) {
      const weight = expOfNegative(logits[i]! - max)
      weights[i] = weight
      total += weight
    }
    this.total = total
    return true
  }
}

function unusable(id: number, logit: number | undefined): SamplingError {
  return new SamplingError(
    'LOGITS',
    `The logit of token ${id} is ${String(logit)}; logits must be numbers below +∞. Did the model overflow?`,
  )
}
