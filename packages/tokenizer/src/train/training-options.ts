import type { OnProgress } from '@tesserae/core'
import { TokenizerError } from '../errors.js'
import { MAX_MERGES } from '../models/bpe/merge-table.js'

/** What all trainers by pairs take. */
export interface TrainingOptions {
  /** Tokens in all. Fewer come out when no pair is frequent enough. Default 30,000. */
  readonly vocabSize?: number
  /** Tokens with a meaning of their own; where the corpus holds them it is cut. */
  readonly specialTokens?: readonly string[]
  /** The special tokens that begin and end a text, for the tokenizer's `bosId` and `eosId`. */
  readonly bosToken?: string
  readonly eosToken?: string
  /** A pair that occurs less often is not merged. */
  readonly minFrequency?: number
  /**
   * Bytes that the trainer's tables may take, 2 GiB by default. What counts: while texts are read, about 50 bytes and its length in UTF-8 for each distinct piece; after
   * that 16 bytes more for each byte (or character) of these pieces, and about 100 for each pair that ever occurs. The texts themselves are the caller's.
   */
  readonly maxMemory?: number
  /**
   * Cancels within some 50 ms, but for reading a text of megabytes in one piece that cannot be cut beforehand: by a regular expression, by components that may look
   * beyond a blank, or without a blank. Such a text is finished first.
   */
  readonly signal?: AbortSignal
  /** Receives `count-pieces` (bytes of UTF-8) while the corpus is read, then `train-bpe` (merges). */
  readonly onProgress?: OnProgress
}

/**
 * Checks what all trainers take.
 *
 * @param least the smallest vocabulary, without special tokens
 * @param what the words for it
 * @throws TokenizerError `VALUE`
 */
export function checkTraining(options: TrainingOptions, vocabSize: number, least: number, what: string): void {
  const { specialTokens = [], minFrequency = 0 } = options
  for (const content of specialTokens) {
    if (typeof content !== 'string' || content === '' || /[\ud800-\udfff]/u.test(content)) {
      throw new TokenizerError(
        'VALUE',
        `A special token is text that is not empty and has no lone surrogate, got ${JSON.stringify(content)}`,
      )
    }
  }
  if (new Set(specialTokens).size !== specialTokens.length)
    throw new TokenizerError('VALUE', `specialTokens has a token twice: ${specialTokens.join(', ')}`)
  checkAmong({ bosToken: options.bosToken, eosToken: options.eosToken }, specialTokens)
  const all = least + specialTokens.length
  if (!Number.isInteger(vocabSize) || vocabSize < all || vocabSize > MAX_MERGES) {
    throw new TokenizerError('VALUE', `vocabSize must be an integer from ${all} (${what}) to ${MAX_MERGES}, got ${String(vocabSize)}`)
  }
  if (!(minFrequency >= 0)) throw new TokenizerError('VALUE', `minFrequency must be 0 or more, got ${String(minFrequency)}`)
}

/** @throws TokenizerError `VALUE` when a token that has a role is not special */
export function checkAmong(roles: Readonly<Record<string, string | undefined>>, specialTokens: readonly string[]): void {
  for (const [name, token] of Object.entries(roles)) {
    if (token !== undefined && !specialTokens.includes(token))
      throw new TokenizerError('VALUE', `${name} ${JSON.stringify(token)} is not among specialTokens`)
  }
}
