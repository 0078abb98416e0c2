import { random } from '@tesserae/core'
import { tensor } from '@tesserae/tensor'
import type { EncoderInput } from './encode.js'
import { TransformerError } from '../errors.js'
import type { TokenizerLike } from '../generate/types.js'

/** Texts as ids, row-major [rows, length], filled up with id 0. */
export interface TextBatch {
  readonly ids: Int32Array
  /** Tokens of each row, from 1 to length. */
  readonly lengths: Int32Array
  readonly rows: number
  readonly length: number
}

/** Texts that belong together: row i of one side with row i of the other. */
export interface PairBatch {
  readonly left: TextBatch
  readonly right: TextBatch
}

/** Batches by number, each a function of its number alone, so that training resumes exactly. */
export interface PairBatches {
  at(index: number): PairBatch | Promise<PairBatch>
}

export interface TextPairOptions {
  readonly tokenizer: TokenizerLike
  /** Pairs in a batch: each text has rows − 1 negatives. */
  readonly rows: number
  /** Tokens of a text; longer ones are cut. */
  readonly length: number
  readonly seed: number | string
}

/**
 * Batches of pairs of texts, in passes over all of them, each pass in an order of its own; the end of a pass that does not fill a batch is left
 * out. Each text is encoded once. Errors: DATA for fewer pairs than a batch takes, or a text without tokens (its index is named).
 */
export function textPairs(pairs: readonly (readonly [string, string])[], options: TextPairOptions): PairBatches {
  const { tokenizer, rows, length, seed } = options
  for (const [name, value, least] of [
    ['rows', rows, 2],
    ['length', length, 1],
  ] as const)
    if (!Number.isInteger(value) || value < least)
      throw new TransformerError('OPTION', `textPairs: ${name} must be an integer of at least ${least}, got ${value}`)
  if (pairs.length < rows)
    throw new TransformerError('DATA', `textPairs: ${pairs.length} pairs do not fill a batch of ${rows}; give more pairs, or fewer rows`)
  const encoded = pairs.map((pair, i) =>
    pair.map((text) => {
      const ids = Int32Array.from(tokenizer.encode(text, { special: 'text' })).subarray(0, length)
      if (ids.length === 0)
        throw new TransformerError('DATA', `textPairs: pair ${i} has an empty text (${JSON.stringify(pair)}); leave it out`)
      return ids
    }),
  )
  const perPass = Math.floor(pairs.length / rows)
  const stream = random(seed).stream('pairs')
  let pass = -1
  let order: Uint32Array = new Uint32Array(0)
  return {
    at(index) {
      const wanted = Math.floor(index / perPass)
      if (wanted !== pass) {
        order = stream.fold(wanted).permutation(pairs.length)
        pass = wanted
      }
      const first = (index % perPass) * rows
      const side = (which: 0 | 1): TextBatch =>
        filled(
          Array.from({ length: rows }, (_, i) => encoded[order[first + i]!]![which]!),
          length,
        )
      return { left: side(0), right: side(1) }
    },
  }
}

/** Rows of ids filled up to one length. */
export function filled(texts: readonly ArrayLike<number>[], length: number, rows = texts.length): TextBatch {
  const ids = new Int32Array(rows * length)
  const lengths = new Int32Array(rows).fill(1)
  texts.forEach((text, row) => {
    ids.set(text, row * length)
    lengths[row] = text.length
  })
  return { ids, lengths, rows, length }
}

/** A batch as tensors that take its arrays over. */
export const inputOf = ({ ids, lengths, rows, length }: TextBatch): EncoderInput => ({
  ids: tensor(ids, { shape: [rows, length], adopt: true }),
  lengths: tensor(lengths, { shape: [rows], adopt: true }),
})

export function disposeInput({ ids, lengths }: EncoderInput): void {
  ids.dispose()
  lengths.dispose()
}

/** Errors: DATA for sizes or lengths that disagree, TOKEN for ids outside the vocabulary, CAPACITY beyond the context. */
export function checkTexts(batch: TextBatch, config: { readonly vocabSize: number; readonly context: number }): void {
  const { ids, lengths, rows, length } = batch
  if (ids.length !== rows * length || lengths.length !== rows || lengths.some((count) => count < 1 || count > length))
    throw new TransformerError(
      'DATA',
      `a batch of ${rows} texts of up to ${length} tokens needs ${rows * length} ids and ${rows} lengths from 1 to ${length}, got ${ids.length} ids and lengths ${lengths.slice(0, 8).join(', ')}`,
    )
  if (length > config.context)
    throw new TransformerError('CAPACITY', `texts of ${length} tokens were given, the encoder's context is ${config.context}`)
  const wrong = ids.find((id) => id < 0 || id >= config.vocabSize)
  if (wrong !== undefined)
    throw new TransformerError(
      'TOKEN',
      `token id ${wrong} is not in the vocabulary; this encoder knows 0 to ${config.vocabSize - 1}. Check that the tokenizer belongs to it`,
    )
}
