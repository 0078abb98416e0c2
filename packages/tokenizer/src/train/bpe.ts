import { TokenizerError } from '../errors.js'
import { CharacterBpe } from '../models/bpe/character-level.js'
import { TokenMap } from '../models/token-map.js'
import type { ComponentJson } from '../pipeline/components.js'
import type { PatternName } from '../pretokenizers/pretokenizer.js'
import type { Tokenizer } from '../tokenizer.js'
import { trainByteLevel } from './byte-level.js'
import { componentJson, partOf, type ComponentSpec } from './components.js'
import type { Texts } from './count-pieces.js'
import { trainCharacters } from './train-characters.js'
import type { TrainingOptions } from './training-options.js'

/** Training on bytes: no text is unknown, and none is rewritten. */
export interface ByteLevelBpeOptions extends TrainingOptions {
  readonly symbols?: 'bytes'
  /** How text is cut into pieces, which merges never cross. Default `'gpt2'`; a regular expression is run with the flags `gu`. */
  readonly pattern?: PatternName | RegExp
}

/** What training on characters takes besides; names and defaults are those of Hugging Face's trainers. */
export interface CharacterOptions extends TrainingOptions {
  /** Rewrites texts first. Default none. */
  readonly normalizer?: ComponentSpec | null
  /** Cuts texts into pieces, which merges never cross; null for none. */
  readonly preTokenizer?: ComponentSpec | null
  /** Turns tokens back into text. By default that which undoes the pre-tokenizer, the prefix or the suffix. */
  readonly decoder?: ComponentSpec | null
  /** The special token for characters that the vocabulary lacks. */
  readonly unkToken?: string
  /** The special token that fills up encodings, for the tokenizer's `padId`. */
  readonly padToken?: string
  /** Characters that are tokens at most: the most frequent ones. The others are left out of the corpus. Default all. */
  readonly limitAlphabet?: number
  /** Characters that are tokens in any case, even where the corpus lacks them. */
  readonly initialAlphabet?: readonly string[]
  /** What tokens begin with that do not begin a piece, such as `##`. */
  readonly continuingSubwordPrefix?: string
  /** What tokens end with that end a piece, such as `</w>`. */
  readonly endOfWordSuffix?: string
}

/** Training on characters (code points), as Hugging Face's `BpeTrainer` does. */
export interface CharacterBpeOptions extends CharacterOptions {
  readonly symbols: 'characters'
  /** Tokens are shorter than so many characters, but for those of two. Default no limit. */
  readonly maxTokenLength?: number
}

export type TrainBpeOptions = ByteLevelBpeOptions | CharacterBpeOptions

/**
 * Trains a BPE tokenizer: starting from the 256 bytes, or with `symbols: 'characters'` from the characters of the corpus, the pair of neighbouring tokens that
 * occurs most often within pieces becomes a token, again and again. Pairs are counted where they stand, overlaps included; of equally frequent pairs the one with
 * the lower left id, then the lower right id, comes first; merging runs from left to right. So the result depends on the corpus alone, and its merges are those of
 * Hugging Face's trainer.
 *
 * On bytes, special tokens have the highest ids, and `minFrequency` is 2 by default. On characters, special tokens have the lowest ids, then come the
 * characters, their forms with prefix or suffix, and the merges, as there; `minFrequency` is 0, and the pre-tokenizer `'Whitespace'`.
 *
 * @param texts the corpus, read once, each text by itself: pieces do not reach from one into the next. Memory grows with the distinct pieces, not with the length
 * @throws TokenizerError `VALUE` for options out of range or texts that are none, `MEMORY` when `maxMemory` would not do; AbortedError when `signal` is aborted
 * @example
 * const tokenizer = await trainBpe(['low lower lowest'], { vocabSize: 260 })
 * tokenizer.encode('lowest').length // => 4
 */
export async function trainBpe(texts: Texts, options: TrainBpeOptions = {}): Promise<Tokenizer> {
  if (options.symbols === 'characters') return trainCharacterBpe(texts, options)
  if (options.symbols === undefined || options.symbols === 'bytes') return trainByteLevel(texts, options)
  throw new TokenizerError('VALUE', `symbols is 'bytes' or 'characters', got ${String((options as { symbols: unknown }).symbols)}`)
}

async function trainCharacterBpe(texts: Texts, options: CharacterBpeOptions): Promise<Tokenizer> {
  const { continuingSubwordPrefix: prefix = '', endOfWordSuffix: suffix = '', unkToken, maxTokenLength } = options
  if (maxTokenLength !== undefined && !(Number.isInteger(maxTokenLength) && maxTokenLength >= 1)) {
    throw new TokenizerError('VALUE', `maxTokenLength is a whole number from 1 on, got ${String(maxTokenLength)}`)
  }
  const preTokenizer = componentJson('preTokenizer', options.preTokenizer === undefined ? 'Whitespace' : options.preTokenizer)
  const normalizer = componentJson('normalizer', options.normalizer)
  const decoder = componentJson(
    'decoder',
    options.decoder === undefined ? defaultDecoder(preTokenizer, normalizer, prefix, suffix) : options.decoder,
  )
  return trainCharacters(
    texts,
    {
      ...options,
      vocabSize: options.vocabSize ?? 30_000,
      minFrequency: options.minFrequency ?? 0,
      specialTokens: options.specialTokens ?? [],
      unkToken,
      forms: { limitAlphabet: options.limitAlphabet, initialAlphabet: options.initialAlphabet ?? [], prefix, suffix },
      maxTokenLength,
      normalizer,
      preTokenizer,
      decoder,
    },
    ({ ids, merges }) =>
      new CharacterBpe(new TokenMap(ids), merges, {
        unknown: unkToken,
        fuseUnknown: false,
        byteFallback: false,
        prefix,
        suffix,
        ignoreMerges: false,
      }).toJSON(),
  )
}

function defaultDecoder(
  preTokenizer: ComponentJson | null,
  normalizer: ComponentJson | null,
  prefix: string,
  suffix: string,
): ComponentSpec | null {
  if ((partOf(preTokenizer, 'ByteLevel') ?? partOf(normalizer, 'ByteLevel')) !== undefined) return 'ByteLevel'
  const metaspace = partOf(preTokenizer, 'Metaspace')
  if (metaspace !== undefined) return { ...metaspace, type: 'Metaspace' }
  if (suffix !== '') return { type: 'BPEDecoder', suffix }
  return prefix === '' ? null : { type: 'WordPiece', prefix, cleanup: false }
}
