import { random } from '@tesserae/core'
import { TransformerError } from '../errors.js'

/** Sequences to learn from, row-major [rows, length]. */
export interface TokenBatch {
  readonly ids: Int32Array
  /** The token to predict at each place: usually the next one. −1 where nothing is to be learnt. */
  readonly targets: Int32Array
  readonly rows: number
  readonly length: number
}

/** Batches by number. A batch depends on its number alone, so training resumes exactly and evaluation repeats itself. */
export interface Batches {
  at(index: number): TokenBatch | Promise<TokenBatch>
  /** How many there are; undefined when every number has one. */
  readonly count?: number
}

export interface WindowOptions {
  /** Windows in a batch. */
  readonly rows: number
  /** Tokens in a window. */
  readonly length: number
}

/** Windows at random places of one long text; batch i is drawn from a stream of random numbers for (seed, i). Errors: DATA when the text is shorter than a window. */
export function randomWindows(tokens: ArrayLike<number>, options: WindowOptions & { readonly seed: number | string }): Batches {
  const { rows, length, seed } = options
  check(tokens, options)
  const stream = random(seed).stream('windows')
  return {
    at(index) {
      const draw = stream.fold(index)
      return windowsAt(
        tokens,
        Array.from({ length: rows }, () => draw.int(tokens.length - length)),
        length,
      )
    },
  }
}

/** One pass over the text in windows that follow each other; the last batch may have fewer rows, what does not fill a window is left out. */
export function sequentialWindows(tokens: ArrayLike<number>, options: WindowOptions): Batches & { readonly count: number } {
  const { rows, length } = options
  check(tokens, options)
  const windows = Math.floor((tokens.length - 1) / length)
  return {
    count: Math.ceil(windows / rows),
    at(index) {
      const first = index * rows
      const present = Math.min(rows, windows - first)
      return windowsAt(
        tokens,
        Array.from({ length: present }, (_, i) => (first + i) * length),
        length,
      )
    },
  }
}

function check(tokens: ArrayLike<number>, { rows, length }: WindowOptions): void {
  for (const [name, value] of [
    ['rows', rows],
    ['length', length],
  ] as const)
    if (!Number.isInteger(value) || value < 1)
      throw new TransformerError('OPTION', `windows: ${name} must be a positive integer, got ${value}`)
  if (tokens.length < length + 1)
    throw new TransformerError(
      'DATA',
      `windows of ${length} tokens and their next one need at least ${length + 1} tokens of text, got ${tokens.length}`,
    )
}

function windowsAt(tokens: ArrayLike<number>, starts: readonly number[], length: number): TokenBatch {
  const ids = new Int32Array(starts.length * length)
  const targets = new Int32Array(starts.length * length)
  starts.forEach((start, row) => {
    for (let t = 0; t < length; t++) {
      ids[row * length + t] = tokens[start + t]!
      targets[row * length + t] = tokens[start + t + 1]!
    }
  })
  return { ids, targets, rows: starts.length, length }
}

/** Number of places to learn from. Errors: DATA for sizes that disagree or nothing to learn, TOKEN for ids outside the vocabulary. */
export function checkBatch(batch: TokenBatch, vocabSize: number): number {
  const { ids, targets, rows, length } = batch
  if (ids.length !== rows * length || targets.length !== ids.length)
    throw new TransformerError(
      'DATA',
      `a batch of ${rows} rows of ${length} needs ${rows * length} ids and targets, got ${ids.length} and ${targets.length}`,
    )
  let learnt = 0
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!
    const target = targets[i]!
    if (id < 0 || id >= vocabSize || target < -1 || target >= vocabSize)
      throw new TransformerError(
        'TOKEN',
        `the training data has token id ${id < 0 || id >= vocabSize ? id : target}; this model's vocabulary is 0 to ${vocabSize - 1}. Encode the text with the model's tokenizer`,
      )
    if (target >= 0) learnt++
  }
  if (learnt === 0) throw new TransformerError('DATA', 'a batch has no target to learn: all of them are −1')
  return learnt
}
