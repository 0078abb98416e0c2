import type { OnProgress } from '@tesserae/core'
import { TokenizerError } from '../../errors.js'
import type { ComponentJson } from '../../pipeline/components.js'
import { componentJson, type ComponentSpec } from '../components.js'
import { checkTraining } from '../training-options.js'

/** Longer pieces than these are in no vocabulary. */
const MAX_PIECE_LENGTH = 255
const MAX_SEED_SIZE = 2 ** 23
const MAX_ITERATIONS = 100

/** As Hugging Face's `UnigramTrainer`, with its names and defaults but for `unkToken`, and the components of its `SentencePieceUnigramTokenizer`. */
export interface TrainUnigramOptions {
  /** Tokens in all, special ones included. Default 8000. Fewer come out when the texts do not have so many substrings. */
  readonly vocabSize?: number
  /** Tokens with a meaning of their own; they get the lowest ids, in this order, and where the texts hold them these are cut. */
  readonly specialTokens?: readonly string[]
  /**
   * The token for characters that the texts did not have; it comes first unless it is among `specialTokens`. Default `'<unk>'`, where Hugging Face's has none; with
   * `null` such characters are an error.
   */
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
  /** Steps of expectation and maximization in a round, from 1 to 100. Default 2. */
  readonly nSubIterations?: number
  /** Pieces to begin with, characters included. Default 1,000,000. */
  readonly seedSize?: number
  /**
   * Rewrites texts before they are cut. Default none; Hugging Face's tokenizer has `['Nmt', 'NFKC', { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }]`,
   * which decoding cannot undo.
   */
  readonly normalizer?: ComponentSpec | null
  /** Cuts texts into words, which tokens never cross. Default `'Metaspace'`: blanks become `▁`, and words begin with it. */
  readonly preTokenizer?: ComponentSpec | null
  /** Default `'Metaspace'`. */
  readonly decoder?: ComponentSpec | null
  /**
   * Bytes that the trainer's tables may take, 2 GiB by default. What counts: while texts are read, about 40 bytes and twice its length for each distinct word; after that
   * 96 bytes for each character of these words, and 5 for each place of a piece in them. The texts themselves are the caller's.
   */
  readonly maxMemory?: number
  /** Cancels within some 50 ms, but for a text of megabytes without a blank, which is read to its end first. */
  readonly signal?: AbortSignal
  /** Receives `count-pieces` (bytes of UTF-8) while the texts are read, then `train-unigram` (rounds; their number is an estimate until the last). */
  readonly onProgress?: OnProgress
}

/** The same with defaults filled in. */
export interface UnigramRules {
  readonly vocabSize: number
  /** All that come before pieces: the unknown token, unless it was listed, and what was. */
  readonly specials: readonly string[]
  readonly listed: readonly string[]
  readonly unkToken: string | undefined
  readonly alphabet: readonly string[]
  readonly maxPieceLength: number
  readonly shrinkingFactor: number
  readonly nSubIterations: number
  readonly seedSize: number
  readonly normalizer: ComponentJson | null
  readonly preTokenizer: ComponentJson | null
  readonly decoder: ComponentJson | null
}

/** @throws TokenizerError `VALUE` for what is out of its range */
export function unigramRules(options: TrainUnigramOptions): UnigramRules {
  const { specialTokens: listed = [], unkToken = '<unk>', initialAlphabet = [], shrinkingFactor = 0.75, vocabSize = 8000 } = options
  const { preTokenizer = 'Metaspace', decoder = 'Metaspace' } = options
  const specials = unkToken === null || listed.includes(unkToken) ? listed : [unkToken, ...listed]
  checkTraining({ ...options, specialTokens: specials }, vocabSize, 1, 'one piece and the special tokens')
  for (const character of initialAlphabet) {
    if (typeof character !== 'string' || [...character].length !== 1 || /[\ud800-\udfff]/u.test(character)) {
      throw value('initialAlphabet must be single characters', character)
    }
  }
  if (!(shrinkingFactor > 0 && shrinkingFactor < 1)) throw value('shrinkingFactor must lie between 0 and 1', shrinkingFactor)
  return {
    vocabSize,
    specials,
    listed,
    unkToken: unkToken ?? undefined,
    alphabet: initialAlphabet,
    maxPieceLength: whole('maxPieceLength', options.maxPieceLength ?? 16, MAX_PIECE_LENGTH),
    shrinkingFactor,
    nSubIterations: whole('nSubIterations', options.nSubIterations ?? 2, MAX_ITERATIONS),
    seedSize: whole('seedSize', options.seedSize ?? 1_000_000, MAX_SEED_SIZE),
    normalizer: componentJson('normalizer', options.normalizer),
    preTokenizer: componentJson('preTokenizer', preTokenizer),
    decoder: componentJson('decoder', decoder),
  }
}

function whole(name: string, given: number, most: number): number {
  if (Number.isInteger(given) && given >= 1 && given <= most) return given
  throw value(`${name} must be an integer from 1 to ${most}`, given)
}

const value = (rule: string, given: unknown): TokenizerError =>
  new TokenizerError('VALUE', `${rule}, got ${JSON.stringify(given) ?? String(given)}`)
