/**
 * The highest logits in order, without comparing by a function: a logit and its id are packed into one double whose natural order is the
 * order wanted, highest logit first and, among equals, lowest id first.
 */

/** Ids stay below this, so that 32 bits of logit and the id fit a double's 53 bits. */
export const MAX_VOCABULARY = 2 ** 21

/** Up to this many, one pass with a heap is faster than counting buckets. */
const HEAP_LIMIT = 256

/** Up to this many, sorting all is faster than clearing and counting buckets. */
export const SORT_LIMIT = 2048

/** Buckets by the upper 16 bits of the ordered form of a logit. */
export const BUCKETS = 2 ** 16

/** The bits of a float32 as a signed integer that sorts like the float. */
export function ordered(bits: number): number {
  return bits ^ ((bits >> 31) & 0x7fffffff)
}

/** The bucket of a logit; higher logits are in higher or equal buckets. */
export function bucketOf(bits: number): number {
  return (ordered(bits) >> 16) + BUCKETS / 2
}

/** The packed form of a logit and its id. */
export function keyOf(bits: number, id: number): number {
  return (0x7fffffff - ordered(bits)) * MAX_VOCABULARY + id
}

const scratch = new Float32Array(1)
const scratchBits = new Int32Array(scratch.buffer)

/** The id of a key. */
export function idOfKey(key: number): number {
  return key % MAX_VOCABULARY
}

/** The logit of a key. */
export function logitOfKey(key: number): number {
  const value = 0x7fffffff - Math.floor(key / MAX_VOCABULARY)
  // The packing is its own inverse.
  scratchBits[0] = ordered(value)
  return scratch[0]!
}

/** Memory for selection, kept between calls. */
export class SelectionScratch {
  keys = new Float64Array(0)
  private buckets: Uint32Array | undefined

  /** A count for each bucket; made at first use, since copies of a sampler are many and few of them count. */
  get counts(): Uint32Array {
    return (this.buckets ??= new Uint32Array(BUCKETS))
  }

  /** The first 2^i keys at `i`. */
  private views: Float64Array[] = []

  reserve(size: number): void {
    if (this.keys.length >= size) return
    let length = 16
    while (length < size) length *= 2
    this.keys = new Float64Array(length)
    this.views = []
  }

  /** Sorts the first `count` keys. What stands behind them up to the next power of two is written over. */
  sort(count: number): void {
    if (count < 2) return
    const power = 32 - Math.clz32(count - 1)
    // Views are kept, and one for each count would be too many.
    const view = (this.views[power] ??= this.keys.subarray(0, 2 ** power))
    view.fill(Infinity, count).sort()
  }
}

/** Where an id stands among the first `size`; −1 when it does not. */
export function indexIn(ids: Int32Array, size: number, id: number): number {
  for (let i = 0; i < size; i++) if (ids[i] === id) return i
  return -1
}

/** Logits, and the same memory as integers. */
interface Logits {
  readonly logits: Float32Array
  readonly bits: Int32Array
}

/**
 * Writes the keys of the `count` highest of `size` logits to `scratch.keys[0, count)`, in order.
 *
 * @param values the logits
 * @param ids their ids, or undefined where the index is the id
 * @param count from 1 to `size`
 */
export function selectTop(
  values: Logits,
  ids: Int32Array | undefined,
  size: number,
  count: number,
  scratch: SelectionScratch,
): Float64Array {
  scratch.reserve(size)
  const { keys } = scratch
  const found =
    count <= HEAP_LIMIT && count < size ? topByHeap(values, ids, size, count, keys) : topByBuckets(values.bits, ids, size, count, scratch)
  scratch.sort(found)
  return keys
}

/** Keeps the best so far in a heap with the worst of them on top. */
function topByHeap({ logits, bits }: Logits, ids: Int32Array | undefined, size: number, count: number, keys: Float64Array): number {
  for (let i = 0; i < count; i++) {
    const key = keyOf(bits[i]!, ids === undefined ? i : ids[i]!)
    let at = i
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (keys[parent]! >= key) break
      keys[at] = keys[parent]!
      at = parent
    }
    keys[at] = key
  }
  let worst = logitOfKey(keys[0]!)
  for (let i = count; i < size; i++) {
    // Nearly every logit ends here, four at a time.
    while (i + 3 < size && logits[i]! < worst && logits[i + 1]! < worst && logits[i + 2]! < worst && logits[i + 3]! < worst) i += 4
    if (i === size || logits[i]! < worst) continue
    const key = keyOf(bits[i]!, ids === undefined ? i : ids[i]!)
    if (key >= keys[0]!) continue
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= count) break
      if (child + 1 < count && keys[child + 1]! > keys[child]!) child++
      if (keys[child]! <= key) break
      keys[at] = keys[child]!
      at = child
    }
    keys[at] = key
    worst = logitOfKey(keys[0]!)
  }
  return count
}

/** Counts logits by bucket, and collects those of the buckets that hold the best. */
function topByBuckets(bits: Int32Array, ids: Int32Array | undefined, size: number, count: number, scratch: SelectionScratch): number {
  const { keys } = scratch
  let lowest = 0
  if (count < size && size > SORT_LIMIT) {
    const counts = scratch.counts.fill(0)
    for (let i = 0; i < size; i++) counts[bucketOf(bits[i]!)]!++
    lowest = BUCKETS
    for (let above = 0; above < count;) above += counts[--lowest]!
  }
  return keysOfBuckets(bits, ids, size, lowest, BUCKETS - 1, keys)
}

/**
 * Writes the keys of the logits in the buckets from `low` to `high` to `keys`, and gives their number.
 *
 * @param ids their ids, or undefined where the index is the id
 */
export function keysOfBuckets(
  bits: Int32Array,
  ids: Int32Array | undefined,
  size: number,
  low: number,
  high: number,
  keys: Float64Array,
): number {
  let found = 0
  for (let i = 0; i < size; i++) {
    const bucket = bucketOf(bits[i]!)
    if (bucket >= low && bucket <= high) keys[found++] = keyOf(bits[i]!, ids === undefined ? i : ids[i]!)
  }
  return found
}
