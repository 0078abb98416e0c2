import { TokenizerError } from '../../errors.js'
import { readHuggingFaceJson } from '../../formats/hf-json/read.js'
import { writeAdded } from '../../formats/hf-json/read-added.js'
import { Tokenizer } from '../../tokenizer.js'
import { checkDecoder, endsAtBlanks, normalizerOf, splitterOf } from '../components.js'
import { countPieces, type Texts } from '../count-pieces.js'
import { PipelineCutter } from '../cutters.js'
import { MemoryLimit } from '../memory-limit.js'
import { pauses } from '../pauses.js'
import { learnPieces, SPARE, withCharacters, type ScoredPiece } from './learn-pieces.js'
import { unigramRules, type TrainUnigramOptions, type UnigramRules } from './options.js'
import { WordText } from './word-text.js'

/**
 * Trains a Unigram tokenizer as SentencePiece does and Hugging Face's `UnigramTrainer` after it: blanks become `▁`, words begin with it, and of all substrings of
 * words those stay that make the texts most probable. The result depends on the texts alone; memory grows with their distinct words, not with their length.
 *
 * @param texts the corpus, read once, each text by itself
 * @throws TokenizerError `VALUE` for options out of range, texts that are none, and more characters than `vocabSize` has room for, `MEMORY` when `maxMemory` would not do;
 *   AbortedError when `signal` is aborted
 * @example
 * const tokenizer = await trainUnigram(chapters, { vocabSize: 4000, specialTokens: ['<s>', '</s>'] })
 * tokenizer.encodeWithOffsets('the whale').tokens // => ['▁the', '▁whale']
 */
export async function trainUnigram(texts: Texts, options: TrainUnigramOptions = {}): Promise<Tokenizer> {
  const { signal, onProgress } = options
  const rules = unigramRules(options)
  const { normalizer, preTokenizer } = rules
  checkDecoder(rules.decoder)
  const cutter = new PipelineCutter(normalizerOf(normalizer), splitterOf(preTokenizer), endsAtBlanks(normalizer, preTokenizer))
  const memory = new MemoryLimit(options.maxMemory)
  const pause = pauses(signal)
  const { pieces: found, counts } = await countPieces(texts, cutter, { special: rules.specials, memory, signal, pause, onProgress })

  const words = new WordText(found, counts, memory)
  const further = new Set(rules.alphabet.map((character) => character.codePointAt(0)!))
  for (const code of words.alphabet.subarray(1)) further.delete(code)
  const room = rules.vocabSize - rules.specials.length - further.size
  if (words.alphabet.length - 1 > room) {
    const needed = words.alphabet.length - 1 + further.size + rules.specials.length
    throw new TokenizerError(
      'VALUE',
      `The texts, initialAlphabet and special tokens need ${needed} tokens for single characters and themselves, but vocabSize is ` +
        `${rules.vocabSize}; make it larger or clean the texts`,
    )
  }
  // How many rounds there will be is known once the first one has shown how many pieces there are.
  let rounds = 0
  let total = 0
  const report = (size: number): void => {
    total ||= 1 + Math.max(0, Math.ceil(Math.log((room * SPARE) / size) / Math.log(rules.shrinkingFactor)))
    rounds++
    onProgress?.({ task: 'train-unigram', completed: rounds, total: Math.max(total, rounds), unit: 'rounds' })
  }
  const learnt = words.size === 0 ? [] : await learnPieces(words, room, rules, memory, pause, report)
  onProgress?.({ task: 'train-unigram', completed: Math.max(total, rounds), total: Math.max(total, rounds), unit: 'rounds' })
  return assemble(rules, withCharacters(learnt, further), options)
}

function assemble(rules: UnigramRules, pieces: readonly ScoredPiece[], { bosToken, eosToken }: TrainUnigramOptions): Tokenizer {
  const { specials, unkToken } = rules
  const rule = { special: true, singleWord: false, lstrip: false, rstrip: false, normalized: false }
  const json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: writeAdded(rules.listed.map((content) => ({ id: specials.indexOf(content), content, ...rule }))),
    normalizer: rules.normalizer,
    pre_tokenizer: rules.preTokenizer,
    post_processor: null,
    decoder: rules.decoder,
    model: {
      type: 'Unigram',
      unk_id: unkToken === undefined ? null : specials.indexOf(unkToken),
      vocab: [...specials.map((content): ScoredPiece => [content, 0]), ...pieces.filter(([text]) => !specials.includes(text))],
      byte_fallback: false,
    },
  }
  const roles = Object.entries({ bos_token: bosToken, eos_token: eosToken, unk_token: unkToken })
  return new Tokenizer(readHuggingFaceJson(json, Object.fromEntries(roles.filter(([, token]) => token !== undefined))))
}
