import type { OnProgress } from '@tesserae/core'
import { TokenizerError } from '../../errors.js'

/** Longer pieces than these are in no vocabulary. */
const MAX_PIECE_LENGTH = 255
const MAX_VOCAB_SIZE = 2 ** 21
const MAX_SEED_SIZE = 2 ** 23
const MAX_ITERATIONS = 100

/** What `trainUnigram` takes; names and defaults are those of Hugging Face's `UnigramTrainer` but for `unkToken`. */
export interface TrainUnigramOptions {
  /** Tokens in all, special ones included. Default 8000. Fewer come out when the texts do not have so many substrings. */
  readonly vocabSize?: number
  /** Tokens with a meaning of their own; they get the lowest ids, in this order, and where the texts hold them these are cut. */
  readonly specialTokens?: readonly string[]
  /** The token for characters that the texts did not have; it comes first unless it is among `specialTokens`. Default `'<unk>'`; with `null` such characters are an error. */
  readonly unkToken?: string | null
  /** The special tokens that begin and end a text, for the tokenizer's `bosId` and `eosId`. */
  readonly bosToken?: string
  readonly eosToken?: string
  /** Characters that get a token even where the texts lack them. */
  readonly initialAlphabet?: readonly string[]
  /** Characters of the longest token, from 1 to 255. Default 16. */
  readonly maxPieceLength?: number
  /** What part of the pieces is left after each round, above 0 and below 1. Default 0.75. */
  readonly shrinkingFactor?: number
  /** Steps of expectation and maximization in a round. Default 2. */
  readonly nSubIterations?: number
  /** Pieces to begin with. Default 1,000,000. */
  readonly seedSize?: number
  /**
   * `'nfkc'` normalizes as Hugging Face's `SentencePieceUnigramTokenizer` does: compatibility characters and control characters are replaced and runs of blanks
   * become one, which decoding cannot undo. Default `'none'`.
   */
  readonly normalizer?: 'none' | 'nfkc'
  readonly signal?: AbortSignal
  /** Receives `count-words` (UTF-16 units of text) while the texts are read, then `train-unigram` (rounds; their number is an estimate until the last). */
  readonly onProgress?: OnProgress
}

/** The same with defaults filled in. */
export interface UnigramRules {
  readonly vocabSize: number
  /** With the unknown token, which comes first unless it was listed. */
  readonly specials: readonly string[]
  readonly unkToken: string | undefined
  readonly listed: readonly string[]
  readonly alphabet: readonly string[]
  readonly maxPieceLength: number
  readonly shrinkingFactor: number
  readonly nSubIterations: number
  readonly seedSize: number
  readonly normalizer: 'none' | 'nfkc'
}

/** @throws TokenizerError `VALUE` for what is out of its range */
export function unigramRules(options: TrainUnigramOptions): UnigramRules {
  const { specialTokens: listed = [], unkToken = '<unk>', initialAlphabet = [], shrinkingFactor = 0.75, normalizer = 'none' } = options
  for (const content of unkToken === null ? listed : [...listed, unkToken]) {
    if (typeof content !== 'string' || content === '' || /[\ud800-\udfff]/u.test(content)) {
      throw value('A special token is text that is not empty and has no lone surrogate', content)
    }
  }
  if (new Set(listed).size !== listed.length) throw value('specialTokens must name each token once', listed.join(', '))
  for (const [name, token] of Object.entries({ bosToken: options.bosToken, eosToken: options.eosToken })) {
    if (token !== undefined && !listed.includes(token)) throw value(`${name} must be among specialTokens`, token)
  }
  for (const character of initialAlphabet) {
    if (typeof character !== 'string' || [...character].length !== 1 || /[\ud800-\udfff]/u.test(character)) {
      throw value('initialAlphabet must be single characters', character)
    }
  }
  if (!(shrinkingFactor > 0 && shrinkingFactor < 1)) throw value('shrinkingFactor must lie between 0 and 1', shrinkingFactor)
  if (normalizer !== 'none' && normalizer !== 'nfkc') throw value("normalizer must be 'none' or 'nfkc'", normalizer)
  const specials = unkToken === null || listed.includes(unkToken) ? listed : [unkToken, ...listed]
  return {
    vocabSize: whole('vocabSize', options.vocabSize ?? 8000, specials.length + 1, MAX_VOCAB_SIZE),
    specials,
    unkToken: unkToken ?? undefined,
    listed,
    alphabet: initialAlphabet,
    maxPieceLength: whole('maxPieceLength', options.maxPieceLength ?? 16, 1, MAX_PIECE_LENGTH),
    shrinkingFactor,
    nSubIterations: whole('nSubIterations', options.nSubIterations ?? 2, 1, MAX_ITERATIONS),
    seedSize: whole('seedSize', options.seedSize ?? 1_000_000, 1, MAX_SEED_SIZE),
    normalizer,
  }
}

function whole(name: string, given: number, least: number, most: number): number {
  if (Number.isInteger(given) && given >= least && given <= most) return given
  throw value(`${name} must be an integer from ${least} to ${most}`, given)
}

const value = (rule: string, given: unknown): TokenizerError =>
  new TokenizerError('VALUE', `${rule}, got ${JSON.stringify(given) ?? String(given)}`)
