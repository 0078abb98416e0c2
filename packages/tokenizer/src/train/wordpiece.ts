import { TokenMap } from '../models/token-map.js'
import { WordPiece } from '../models/wordpiece/wordpiece.js'
import type { Tokenizer } from '../tokenizer.js'
import type { CharacterOptions } from './bpe.js'
import { componentJson } from './components.js'
import type { Texts } from './count-pieces.js'
import { trainCharacters } from './train-characters.js'

/** As Hugging Face's `WordPieceTrainer`, with the defaults of its `BertWordPieceTokenizer`. */
export interface TrainWordPieceOptions extends CharacterOptions {
  /** Words of more characters are unknown. Default 100. */
  readonly maxInputCharsPerWord?: number
}

const bertTokens: readonly string[] = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']

/**
 * Trains a WordPiece tokenizer as Hugging Face's library does: by the pairs of BPE, over characters that have `##` in front where they do not begin a word. Encoding
 * then takes the longest token again and again, and needs no merges.
 *
 * By default it is one like BERT's: special tokens `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, `[MASK]` with ids from 0, BERT's normalizer (lower case) and pre-tokenizer,
 * 1,000 characters and a `minFrequency` of 2.
 *
 * @param texts the corpus, read once, each text by itself; memory grows with its distinct words, not with its length
 * @throws TokenizerError `VALUE` for options out of range or texts that are none, `MEMORY` when `maxMemory` would not do; AbortedError when `signal` is aborted
 * @example
 * const tokenizer = await trainWordPiece(['low lower lowest, new newer newest'], { vocabSize: 40 })
 * tokenizer.encodeWithOffsets('newest').tokens // => ['ne', '##west']
 */
export async function trainWordPiece(texts: Texts, options: TrainWordPieceOptions = {}): Promise<Tokenizer> {
  const { continuingSubwordPrefix: prefix = '##', endOfWordSuffix: suffix = '' } = options
  const { unkToken = '[UNK]', limitAlphabet = 1000, maxInputCharsPerWord = 100, specialTokens = bertTokens } = options
  const padToken = options.padToken ?? (specialTokens.includes('[PAD]') ? '[PAD]' : undefined)
  return trainCharacters(
    texts,
    {
      ...options,
      vocabSize: options.vocabSize ?? 30_000,
      minFrequency: options.minFrequency ?? 2,
      specialTokens,
      unkToken,
      padToken,
      forms: { limitAlphabet, initialAlphabet: options.initialAlphabet ?? [], prefix, suffix },
      maxTokenLength: undefined,
      normalizer: componentJson('normalizer', options.normalizer === undefined ? 'BertNormalizer' : options.normalizer),
      preTokenizer: componentJson('preTokenizer', options.preTokenizer === undefined ? 'BertPreTokenizer' : options.preTokenizer),
      decoder: componentJson('decoder', options.decoder === undefined ? { type: 'WordPiece', prefix, cleanup: true } : options.decoder),
    },
    ({ ids }) => new WordPiece(new TokenMap(ids), unkToken, prefix, maxInputCharsPerWord).toJSON(),
  )
}
