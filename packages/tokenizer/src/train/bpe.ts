import { throwIfAborted, type OnProgress } from '@tesserae/core'
import { ByteTable } from '../byte-table.js'
import { TokenizerError } from '../errors.js'
import { byteOrder, bytesOf } from '../formats/hf-json/byte-chars.js'
import { writeHuggingFaceJson } from '../formats/hf-json/write.js'
import { byteLevelOfMerges } from '../models/bpe/of-merges.js'
import { MAX_MERGES, MergeTable } from '../models/bpe/merge-table.js'
import { preTokenizer } from '../pretokenizers/create.js'
import type { PatternName } from '../pretokenizers/pretokenizer.js'
import { SpecialTokens, type AddedToken } from '../special-tokens.js'
import { Tokenizer } from '../tokenizer.js'
import { Vocabulary } from '../vocabulary.js'
import { PieceCounter } from './count-pieces.js'
import { MergeCorpus } from './merge-corpus.js'

export interface TrainBpeOptions {
  /** Tokens in all: 256 bytes, merges and special tokens. Fewer come out when no pair is frequent enough. */
  readonly vocabSize: number
  /** How text is cut into pieces, which merges never cross. Default `'gpt2'`; a regular expression is run with the flags `gu`. */
  readonly pattern?: PatternName | RegExp
  /** Tokens with a meaning of their own; they get the highest ids, in this order, and where the corpus holds them it is cut. */
  readonly specialTokens?: readonly string[]
  /** The special tokens that begin and end a text, for the tokenizer's `bosId` and `eosId`. */
  readonly bosToken?: string
  readonly eosToken?: string
  /** A pair that occurs less often is not merged. Default 2. */
  readonly minFrequency?: number
  readonly signal?: AbortSignal
  /** Receives `count-pieces` (bytes) while the corpus is read, then `train-bpe` (merges). */
  readonly onProgress?: OnProgress
}

/** Work between two returns to the event loop, which let a signal fire and a page redraw. */
const SLICE_MS = 40

/**
 * Trains a byte-level BPE tokenizer: starting from the 256 bytes, the pair of neighbouring tokens that occurs most often within pieces becomes a
 * token, again and again. Pairs are counted where they stand, overlaps included; of equally frequent pairs the one with the lower left id,
 * then the lower right id, comes first; merging runs from left to right. So the result depends on the corpus alone, and its
 * merges are those of Hugging Face's trainer.
 *
 * @param texts the corpus, read once; memory grows with its distinct pieces, not with its length
 * @throws TokenizerError `VALUE` for options out of range; AbortedError when `signal` is aborted
 * @example
 * const tokenizer = await trainBpe(['low lower lowest'], { vocabSize: 260 })
 * tokenizer.encode('lowest').length // => 4
 */
export async function trainBpe(texts: string | Iterable<string> | AsyncIterable<string>, options: TrainBpeOptions): Promise<Tokenizer> {
  const { pattern = 'gpt2', minFrequency = 2, signal, onProgress } = options
  const special = checkOptions(options)
  const split = preTokenizer(pattern)
  const pause = pauses(signal)

  // Ids only matter when special tokens are found, and here they are dropped.
  const finder = new SpecialTokens(special.map((content) => ({ content, id: 0, special: true })))
  const counter = new PieceCounter(split)
  // A string is itself iterable, character by character, which nobody means.
  for await (const text of typeof texts === 'string' ? [texts] : texts) {
    finder.scan(
      text,
      'allow',
      (part) => counter.add(part),
      () => {},
    )
    if (await pause()) onProgress?.({ task: 'count-pieces', completed: counter.bytesSeen, unit: 'bytes' })
  }
  throwIfAborted(signal, 'Training the tokenizer')
  onProgress?.({ task: 'count-pieces', completed: counter.bytesSeen, total: counter.bytesSeen, unit: 'bytes' })

  const byteIds = new Int32Array(256)
  for (const [id, byte] of byteOrder.entries()) byteIds[byte] = id
  const corpus = new MergeCorpus(counter.pieces, counter.counts, byteIds)
  const tokens: Uint8Array[] = byteOrder.map((byte) => Uint8Array.of(byte))
  const known = new ByteTable(options.vocabSize)
  for (const token of tokens) known.add(token, 0, 1)
  const merges = new MergeTable(options.vocabSize)
  const total = options.vocabSize - 256 - special.length
  while (tokens.length < total + 256 && merges.size < MAX_MERGES) {
    const best = corpus.pop()
    if (best === undefined || best.count < minFrequency) break
    const joined = join(tokens[best.left]!, tokens[best.right]!)
    // Two ways may lead to the same bytes; they are one token.
    const id = known.add(joined, 0, joined.length)
    if (id === tokens.length) tokens.push(joined)
    merges.set(best.left, best.right, merges.size, id)
    corpus.merge(best.pair, id)
    if (await pause()) onProgress?.({ task: 'train-bpe', completed: tokens.length - 256, total, unit: 'merges' })
  }
  onProgress?.({ task: 'train-bpe', completed: tokens.length - 256, total: tokens.length - 256, unit: 'merges' })
  return assemble()

  function assemble(): Tokenizer {
    const added: AddedToken[] = special.map((content, index) => ({ content, id: tokens.length + index, special: true }))
    const vocabulary = new Vocabulary([...tokens, ...special.map((content) => new TextEncoder().encode(content))])
    const idOf = (name: string | undefined) => added.find(({ content }) => content === name)?.id
    return new Tokenizer({
      vocabulary,
      model: byteLevelOfMerges(split, byteIds, merges),
      added,
      bosId: idOf(options.bosToken),
      eosId: idOf(options.eosToken),
      write: () => writeHuggingFaceJson({ vocabulary, added, merges, pattern, ignoreMerges: false }),
    })
  }
}

function checkOptions({ vocabSize, specialTokens = [], minFrequency = 2, bosToken, eosToken }: TrainBpeOptions): readonly string[] {
  for (const content of specialTokens) {
    if (typeof content !== 'string' || content === '' || /[\ud800-\udfff]/u.test(content)) {
      throw new TokenizerError(
        'VALUE',
        `A special token is text that is not empty and has no lone surrogate, got ${JSON.stringify(content)}`,
      )
    }
    // A tokenizer.json writes tokens as text, where this one would be taken for a byte or a part of a character.
    if (bytesOf(content) !== undefined && (content.length === 1 || /[^!-~]/.test(content))) {
      throw new TokenizerError(
        'VALUE',
        `The special token ${JSON.stringify(content)} could be mistaken for bytes in a tokenizer.json; put it in <| |>`,
      )
    }
  }
  if (new Set(specialTokens).size !== specialTokens.length)
    throw new TokenizerError('VALUE', `specialTokens has a token twice: ${specialTokens.join(', ')}`)
  for (const [name, token] of Object.entries({ bosToken, eosToken })) {
    if (token !== undefined && !specialTokens.includes(token))
      throw new TokenizerError('VALUE', `${name} ${JSON.stringify(token)} is not among specialTokens`)
  }
  const least = 256 + specialTokens.length
  if (!Number.isInteger(vocabSize) || vocabSize < least || vocabSize > MAX_MERGES) {
    throw new TokenizerError(
      'VALUE',
      `vocabSize must be an integer from ${least} (256 bytes and the special tokens) to ${MAX_MERGES}, got ${String(vocabSize)}`,
    )
  }
  if (!(minFrequency >= 1)) throw new TokenizerError('VALUE', `minFrequency must be 1 or more, got ${String(minFrequency)}`)
  return [...specialTokens]
}

function join(left: Uint8Array, right: Uint8Array): Uint8Array {
  const joined = new Uint8Array(left.length + right.length)
  joined.set(left)
  joined.set(right, left.length)
  return joined
}

/** A function that, once in a while, lets the event loop run, then checks the signal and returns true. */
function pauses(signal: AbortSignal | undefined): () => Promise<boolean> | boolean {
  let due = performance.now() + SLICE_MS
  return () => {
    if (performance.now() < due) return false
    return new Promise<void>((resolve) => setTimeout(resolve)).then(() => {
      throwIfAborted(signal, 'Training the tokenizer')
      due = performance.now() + SLICE_MS
      return true
    })
  }
}
