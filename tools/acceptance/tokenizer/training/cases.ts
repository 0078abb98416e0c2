import { trainBpe, trainWordPiece, type Tokenizer } from '@tesserae/tokenizer'
import { wellFormed } from '../texts/fuzz.js'
import { smallCorpora } from '../texts/training-corpus.js'

/** A training that both sides do; the options are those of this package, see tools/tokenizer/hf_training.py. */
export interface TrainingCase {
  readonly name: string
  readonly case: Readonly<Record<string, unknown>> & { readonly kind: 'bytes' | 'characters' | 'wordpiece' }
  readonly texts: readonly string[]
}

/** Characters of a corpus that training on characters gets: there Python counts words one by one. */
const FEW = 300_000

const bert = { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true }
const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }

/** Options of Hugging Face's `BpeTrainer` by turns, so that each is met. */
const characterOptions = [
  { preTokenizer: { type: 'Whitespace' }, minFrequency: 0 },
  {
    normalizer: { type: 'Sequence', normalizers: [{ type: 'NFKC' }, { type: 'Lowercase' }] },
    preTokenizer: { type: 'BertPreTokenizer' },
    endOfWordSuffix: '</w>',
    minFrequency: 2,
  },
  { normalizer: { type: 'NFC' }, preTokenizer: metaspace, maxTokenLength: 6, minFrequency: 0 },
  { preTokenizer: { type: 'WhitespaceSplit' }, continuingSubwordPrefix: '@@', initialAlphabet: ['q', 'ß', '🐚'], minFrequency: 3 },
  { preTokenizer: { type: 'Digits', individual_digits: true }, limitAlphabet: 9, minFrequency: 1 },
]

/** Byte-level BPE, BPE on characters and WordPiece on five corpora. */
export function trainingCases(): TrainingCase[] {
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  return Object.entries(smallCorpora()).flatMap(([name, texts], index): TrainingCase[] => {
    const few = beginning(texts, FEW)
    return [
      { name, texts, case: { name, kind: 'bytes', vocabSize: 8000, minFrequency: 2, preTokenizer: bytes } },
      {
        name,
        texts: few,
        case: {
          name,
          kind: 'characters',
          vocabSize: 10_000,
          unkToken: '<unk>',
          specialTokens: ['<unk>', '[PAD]'],
          ...characterOptions[index],
        },
      },
      {
        name,
        texts: few,
        case: {
          name,
          kind: 'wordpiece',
          vocabSize: 6000,
          minFrequency: 2,
          specialTokens: ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'],
          normalizer: bert,
          preTokenizer: { type: 'BertPreTokenizer' },
          continuingSubwordPrefix: '##',
          limitAlphabet: 100_000,
        },
      },
    ]
  })
}

/** Trains what a case describes. */
export function trainCase({ case: { name: _, kind, ...options }, texts }: TrainingCase): Promise<Tokenizer> {
  if (kind === 'bytes')
    return trainBpe(texts, { vocabSize: options['vocabSize'] as number, minFrequency: options['minFrequency'] as number })
  return kind === 'wordpiece' ? trainWordPiece(texts, options) : trainBpe(texts, { symbols: 'characters', ...options })
}

/** The first `characters` of texts. */
function beginning(texts: readonly string[], characters: number): string[] {
  const kept: string[] = []
  for (const text of texts) {
    if (characters <= 0) break
    kept.push(wellFormed(text.slice(0, characters)))
    characters -= text.length
  }
  return kept
}
