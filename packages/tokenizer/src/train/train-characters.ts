import { readHuggingFaceJson } from '../formats/hf-json/read.js'
import type { TokenizerJson } from '../formats/hf-json/schema.js'
import type { MergeTable } from '../models/bpe/merge-table.js'
import type { ComponentJson } from '../pipeline/components.js'
import { Tokenizer } from '../tokenizer.js'
import { characterSymbols, checkAlphabet, FormTokens, type CharacterForms } from './characters.js'
import { checkDecoder, endsAtBlanks, normalizerOf, splitterOf } from './components.js'
import { countPieces, type Texts } from './count-pieces.js'
import { PipelineCutter } from './cutters.js'
import { learnMerges } from './learn-merges.js'
import { MemoryLimit } from './memory-limit.js'
import { pauses } from './pauses.js'
import { checkAmong, checkTraining, type TrainingOptions } from './training-options.js'

/** What training by pairs of characters is told once defaults are filled in. */
export interface CharacterTraining extends TrainingOptions {
  readonly vocabSize: number
  readonly minFrequency: number
  readonly specialTokens: readonly string[]
  readonly unkToken: string | undefined
  readonly padToken?: string | undefined
  readonly forms: CharacterForms
  readonly maxTokenLength: number | undefined
  readonly normalizer: ComponentJson | null
  readonly preTokenizer: ComponentJson | null
  readonly decoder: ComponentJson | null
}

/** What {@link trainCharacters} hands to whoever writes the model. */
export interface TrainedForms {
  /** Tokens by their written forms. */
  readonly ids: ReadonlyMap<string, number>
  readonly merges: MergeTable
}

/**
 * Trains by pairs of characters and puts a tokenizer together.
 *
 * @param model the model of the `tokenizer.json`
 */
export async function trainCharacters(
  texts: Texts,
  options: CharacterTraining,
  model: (trained: TrainedForms) => ComponentJson,
): Promise<Tokenizer> {
  const { specialTokens, unkToken, padToken, forms, normalizer, preTokenizer, decoder, signal, onProgress } = options
  checkTraining(options, options.vocabSize, 0, 'the special tokens')
  checkAmong({ unkToken, padToken }, specialTokens)
  checkAlphabet(forms.initialAlphabet, forms.limitAlphabet)
  checkDecoder(decoder)
  const cutter = new PipelineCutter(normalizerOf(normalizer), splitterOf(preTokenizer), endsAtBlanks(normalizer, preTokenizer))
  const memory = new MemoryLimit(options.maxMemory)
  const pause = pauses(signal)

  const counter = await countPieces(texts, cutter, { special: specialTokens, memory, signal, pause, onProgress })
  const tokens = new FormTokens(forms.prefix)
  for (const token of specialTokens) tokens.add(token)
  const pieces = await characterSymbols(counter, tokens, forms, pause)
  const merges = await learnMerges(pieces, tokens, {
    size: options.vocabSize,
    minFrequency: Math.max(1, options.minFrequency),
    longest: options.maxTokenLength ?? Infinity,
    memory,
    pause,
    onProgress,
  })

  const json: TokenizerJson = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer,
    pre_tokenizer: preTokenizer,
    post_processor: null,
    decoder,
    model: model({ ids: tokens.ids, merges }) as TokenizerJson['model'],
  }
  const { bosToken, eosToken } = options
  return new Tokenizer(
    readHuggingFaceJson(json, {
      ...(bosToken === undefined ? {} : { bos_token: bosToken }),
      ...(eosToken === undefined ? {} : { eos_token: eosToken }),
      ...(unkToken === undefined ? {} : { unk_token: unkToken }),
      ...(padToken === undefined ? {} : { pad_token: padToken }),
    }),
  )
}
