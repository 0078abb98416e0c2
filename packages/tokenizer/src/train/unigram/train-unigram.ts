import { throwIfAborted } from '@tesserae/core'
import { TokenizerError } from '../../errors.js'
import { readHuggingFaceJson } from '../../formats/hf-json/read.js'
import { readNormalizer } from '../../formats/hf-json/read-normalizer.js'
import { readPreTokenizer } from '../../formats/hf-json/read-pre-tokenizer.js'
import { Tokenizer } from '../../tokenizer.js'
import { pauses } from '../pauses.js'
import { learnPieces, withCharacters } from './learn-pieces.js'
import { unigramRules, type TrainUnigramOptions } from './options.js'
import { unigramJson } from './unigram-json.js'
import { WordCounter } from './word-counter.js'
import { MAX_PLACES, WordText } from './word-text.js'

/**
 * Trains a Unigram tokenizer as SentencePiece does and Hugging Face's `UnigramTrainer` after it: blanks become `▁`, words begin with it, and of all substrings of
 * words those stay that make the texts most probable. The result depends on the texts alone; memory grows with their distinct words, not with their length.
 *
 * @param texts read once
 * @throws TokenizerError `VALUE` for options out of range, for more characters than `vocabSize` has room for, and for more than 16 million characters of distinct
 *   words; AbortedError when `signal` is aborted
 * @example
 * const tokenizer = await trainUnigram(chapters, { vocabSize: 4000, specialTokens: ['<s>', '</s>'] })
 * tokenizer.encodeWithOffsets('the whale').tokens // => ['▁the', '▁whale']
 */
export async function trainUnigram(
  texts: string | Iterable<string> | AsyncIterable<string>,
  options: TrainUnigramOptions = {},
): Promise<Tokenizer> {
  const { signal, onProgress } = options
  const rules = unigramRules(options)
  const { normalizer, pre_tokenizer: preTokenizer } = unigramJson(rules, [])
  const counter = new WordCounter(rules.specials, readNormalizer(normalizer), readPreTokenizer(preTokenizer, false)!)
  const pause = pauses(signal)
  // A string is itself iterable, character by character, which nobody means.
  for await (const text of typeof texts === 'string' ? [texts] : texts) {
    for (const _ of counter.add(text)) {
      if (await pause()) onProgress?.({ task: 'count-words', completed: counter.seen, unit: 'characters' })
    }
    if (counter.words.starts[counter.words.size]! > MAX_PLACES * 4) throw tooMany()
  }
  throwIfAborted(signal, 'Training the tokenizer')
  onProgress?.({ task: 'count-words', completed: counter.seen, total: counter.seen, unit: 'characters' })

  const words = new WordText(counter.words, counter.counts)
  if (words.symbols.length > MAX_PLACES) throw tooMany()
  const further = new Set(rules.alphabet.map((character) => character.codePointAt(0)!))
  for (const code of words.alphabet.subarray(1)) further.delete(code)
  const room = rules.vocabSize - rules.specials.length - further.size
  if (words.alphabet.length - 1 > room) {
    const needed = words.alphabet.length - 1 + further.size + rules.specials.length
    throw new TokenizerError(
      'VALUE',
      `The texts, initialAlphabet and special tokens need ${needed} tokens for single characters and themselves, but vocabSize is ${rules.vocabSize}; make it larger or clean the texts`,
    )
  }
  const pieces = words.size === 0 ? [] : await learn()
  const taken = new Set(rules.specials)
  const json = unigramJson(
    rules,
    withCharacters(pieces, further).filter(([text]) => !taken.has(text)),
  )
  const config = Object.entries({ bos_token: options.bosToken, eos_token: options.eosToken, unk_token: rules.unkToken })
  return new Tokenizer(readHuggingFaceJson(json, Object.fromEntries(config.filter(([, token]) => token !== undefined))))

  async function learn() {
    // How many rounds there will be is known once the first one has shown how many pieces there are.
    let rounds = 0
    let total = 0
    const report = (size: number): void => {
      total ||= 1 + Math.max(0, Math.ceil(Math.log((room * 1.1) / size) / Math.log(rules.shrinkingFactor)))
      rounds++
      onProgress?.({ task: 'train-unigram', completed: rounds, total: Math.max(total, rounds), unit: 'rounds' })
    }
    return learnPieces(words, room, rules, pause, report)
  }
}

const tooMany = (): TokenizerError =>
  new TokenizerError(
    'VALUE',
    `The distinct words of the texts have more than ${MAX_PLACES} characters, which do not fit; train on fewer texts`,
  )
