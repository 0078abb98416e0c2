import { TesseraeError } from './errors.js'
import { philox4x32 } from './philox.js'
import { foldKey, keyOfSeed, randomDomain, type RandomKey } from './random-key.js'

/** Everything a stream needs to continue bit for bit; plain JSON. */
export interface RandomState {
  readonly key: RandomKey
  /** 32-bit words drawn so far. */
  readonly position: number
}

/**
 * A stream of random numbers: a key, and how many 32-bit words have been drawn. Word `i` is word `i & 3` of Philox4x32-10
 * at counter `[i >> 2 (two words), 0, 'draw']`, so a stream is reproducible on every machine and can be saved and resumed.
 * Streams derived by {@link RandomStream.stream} and {@link RandomStream.fold} depend on the key alone, never on how much was
 * drawn: adding a draw in one place changes nothing elsewhere.
 */
export interface RandomStream {
  /** The Philox key, for code that computes random bits elsewhere, such as on a device. */
  readonly key: RandomKey
  /** An independent stream for one purpose: `random(seed).stream('dropout')`. The same as `fold(name)`. */
  stream(name: string): RandomStream
  /** An independent stream for an integer (a step, a worker) or a name. */
  fold(data: number | string): RandomStream
  /** An integer in [0, 2^32). Draws one word. */
  uint32(): number
  /** A number in [0, 1) with 53 random bits. Draws two words. */
  uniform(): number
  /** Fills an array with what {@link RandomStream.uniform} would give, one after the other, and allocates nothing. */
  fillUniform(into: Float64Array): void
  /** An integer in [0, limit), every one equally likely. `limit` from 1 to 2^53 − 1, else `RANDOM_RANGE` is thrown. */
  int(limit: number): number
  /**
   * A standard normal number by the Box–Muller transform, |x| < 8.6. Draws four words. Uses the engine's `log` and `cos`,
   * whose last bit may differ between JavaScript engines.
   */
  normal(): number
  /** Puts an array in random order, in place (Fisher–Yates), and returns it. */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T
  /** The integers 0 … `length` − 1 in random order. */
  permutation(length: number): Uint32Array
  /** One element, every one equally likely; `RANDOM_RANGE` is thrown for an empty array. */
  choice<T>(items: ArrayLike<T>): T
  /** What {@link restoreRandom} needs to continue here. */
  state(): RandomState
}

/** A random stream from a seed: an integer within ±2^53 or a string, else `RANDOM_SEED` is thrown. */
export function random(seed: number | string): RandomStream {
  return new PhiloxStream(keyOfSeed(seed), 0)
}

/** The stream that continues where {@link RandomStream.state} was taken. `RANDOM_STATE` is thrown for anything else. */
export function restoreRandom(state: RandomState): RandomStream {
  const { key, position } = state
  const isWord = (value: unknown) => typeof value === 'number' && value === value >>> 0
  if (!Array.isArray(key) || key.length !== 2 || !key.every(isWord) || !Number.isSafeInteger(position) || position < 0) {
    throw new TesseraeError(
      'RANDOM_STATE',
      `A random state is { key: two unsigned 32-bit words, position: a non-negative integer }, got ${JSON.stringify(state)}`,
    )
  }
  return new PhiloxStream([key[0], key[1]], position)
}

class PhiloxStream implements RandomStream {
  readonly key: RandomKey
  private position: number
  private readonly counter = Uint32Array.of(0, 0, 0, randomDomain.draw)
  private readonly block = new Uint32Array(4)

  constructor(key: RandomKey, position: number) {
    this.key = key
    this.position = position
    if ((position & 3) !== 0) this.fill()
  }

  stream(name: string): RandomStream {
    return this.fold(name)
  }

  fold(data: number | string): RandomStream {
    return new PhiloxStream(foldKey(this.key, data), 0)
  }

  uint32(): number {
    return this.int32() >>> 0
  }

  uniform(): number {
    return this.bits53() / 2 ** 53
  }

  fillUniform(into: Float64Array): void {
    for (let i = 0; i < into.length; i++) {
      const high = this.int32() >>> 5
      const low = this.int32() >>> 6
      into[i] = (high * 2 ** 26 + low) / 2 ** 53
    }
  }

  int(limit: number): number {
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new TesseraeError('RANDOM_RANGE', `int(limit) needs an integer from 1 to 2^53 − 1, got ${String(limit)}`)
    }
    // Values past the last whole multiple of `limit` would favour small results: draw again.
    const span = limit <= 2 ** 32 ? 2 ** 32 : 2 ** 53
    const bound = span - (span % limit)
    for (;;) {
      const value = span === 2 ** 32 ? this.uint32() : this.bits53()
      if (value < bound) return value % limit
    }
  }

  normal(): number {
    // 1 − u lies in (0, 1], so the logarithm is finite.
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()))
    return radius * Math.cos(2 * Math.PI * this.uniform())
  }

  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.int(last + 1)
      const value = items[last]
      items[last] = items[other]
      items[other] = value
    }
    return items
  }

  permutation(length: number): Uint32Array {
    if (!Number.isSafeInteger(length) || length < 0 || length > 2 ** 32) {
      throw new TesseraeError('RANDOM_RANGE', `permutation(length) needs an integer from 0 to 2^32, got ${String(length)}`)
    }
    return this.shuffle(Uint32Array.from({ length }, (_, index) => index))
  }

  choice<T>(items: ArrayLike<T>): T {
    if (items.length === 0) throw new TesseraeError('RANDOM_RANGE', 'choice(items) needs at least one item, got none')
    return items[this.int(items.length)]!
  }

  state(): RandomState {
    return { key: this.key, position: this.position }
  }

  private fill(): void {
    const block = Math.floor(this.position / 4)
    this.counter[0] = block
    this.counter[1] = Math.floor(block / 2 ** 32)
    philox4x32(this.counter, this.key, this.block)
  }

  /** The next word as a signed integer: engines hand these on without allocating a number for each. */
  private int32(): number {
    const lane = this.position & 3
    if (lane === 0) this.fill()
    this.position++
    return this.block[lane]! | 0
  }

  private bits53(): number {
    const high = this.int32() >>> 5
    const low = this.int32() >>> 6
    return high * 2 ** 26 + low
  }
}
