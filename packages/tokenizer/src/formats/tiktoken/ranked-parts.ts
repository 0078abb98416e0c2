import { TokenizerError } from '../../errors.js'
import { ByteLevelBpe } from '../../models/bpe/byte-level.js'
import { ByteRanks } from '../../models/bpe/byte-ranks.js'
import { RankedMerger } from '../../models/bpe/ranked-merger.js'
import type { TokenizerParts } from '../../parts.js'
import { knownSplit } from '../../pretokenizers/create.js'
import type { PatternName, PreTokenizer } from '../../pretokenizers/pretokenizer.js'
import type { AddedToken } from '../../special-tokens.js'
import { Vocabulary } from '../../vocabulary.js'
import { writeHuggingFaceJson } from '../hf-json/write.js'
import { mergesOfRanks } from './merges.js'

/** Ids stay below this, so that a rank and a position fit one exact double. */
export const MAX_RANKS = 2 ** 21
// With `u` this class matches no half of a pair.
const LONE_SURROGATE = /[\ud800-\udfff]/u
const END_OF_TEXT = '<|endoftext|>'

interface RankedOptions {
  readonly pattern: PatternName | PreTokenizer
  readonly special: Readonly<Record<string, number>>
}

/**
 * The parts of a tokenizer whose tokens merge by their ranks.
 *
 * @throws TokenizerError `FILE` for a vocabulary without some byte, `VALUE` for special tokens that do not fit
 */
export function partsOfRanks(tokens: Vocabulary, { pattern, special }: RankedOptions): TokenizerParts {
  const ranks = new ByteRanks(tokens)
  const split = typeof pattern === 'string' ? knownSplit(pattern) : pattern
  const added = Object.entries(special).map(([content, id]) => ({ content, id, special: true }))
  const vocabulary = withAdded(tokens, added)
  return {
    vocabulary,
    model: new ByteLevelBpe(split, new RankedMerger(ranks), ranks.pieces),
    added,
    eosId: Object.hasOwn(special, END_OF_TEXT) ? special[END_OF_TEXT] : undefined,
    write: () => writeHuggingFaceJson({ vocabulary, added, merges: mergesOfRanks(ranks), pattern: split.pattern, ignoreMerges: true }),
  }
}

/** The tokens with the texts of added ones at their ids. Of two with one id the first gives the text. */
function withAdded(tokens: Vocabulary, added: readonly AddedToken[]): Vocabulary {
  if (added.length === 0) return tokens
  const texts = new Map<number, Uint8Array>()
  const utf8 = new TextEncoder()
  let size = tokens.size
  for (const { content, id } of added) {
    if (content === '') throw new TokenizerError('VALUE', `A special token is text that is not empty, got "" for id ${id}`)
    if (LONE_SURROGATE.test(content))
      throw new TokenizerError('VALUE', `A special token has no lone surrogates, got ${JSON.stringify(content)}`)
    if (!Number.isInteger(id) || id < 0 || id >= MAX_RANKS) {
      throw new TokenizerError(
        'VALUE',
        `The id of special token ${JSON.stringify(content)} is an integer from 0 to ${MAX_RANKS - 1}, got ${String(id)}`,
      )
    }
    if (tokens.has(id)) {
      throw new TokenizerError('VALUE', `The id ${id} of special token ${JSON.stringify(content)} belongs to a token of the vocabulary`)
    }
    if (!texts.has(id)) texts.set(id, utf8.encode(content))
    if (id >= size) size = id + 1
  }
  const ids = [...texts.keys()].sort((a, b) => a - b)
  const extra = [...texts.values()].reduce((sum, text) => sum + text.length, 0)
  const starts = new Uint32Array(size + 1)
  const bytes = new Uint8Array(tokens.bytes.length + extra)
  const missing = new Set(tokens.missing)
  // Tokens between two added ones lie together in both.
  let done = 0
  let shift = 0
  for (const id of [...ids, size]) {
    const stop = Math.min(id, tokens.size)
    if (done < stop) {
      bytes.set(tokens.bytes.subarray(tokens.starts[done], tokens.starts[stop]), tokens.starts[done]! + shift)
      starts.set(tokens.starts.subarray(done, stop + 1), done)
      if (shift > 0) for (let token = done; token <= stop; token++) starts[token]! += shift
      done = stop
    }
    for (; done < id; done++) {
      missing.add(done)
      starts[done + 1] = starts[done]!
    }
    const text = texts.get(id)
    if (text === undefined) continue
    bytes.set(text, starts[id])
    starts[id + 1] = starts[id]! + text.length
    missing.delete(id)
    shift += text.length
    done = id + 1
  }
  return new Vocabulary({ bytes, starts, missing })
}
