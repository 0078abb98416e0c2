import { BpePrefixes, TokenPairs } from '../../models/bpe/prefixes.js'
import { ScoredBpe } from '../../models/bpe/scored.js'
import { reversedTrie, type ByteTrie } from '../../models/byte-trie.js'
import type { Prefixes } from '../../models/prefixes.js'
import type { Segmenter } from '../../models/segments.js'
import { UnigramPrefixes } from '../../models/unigram/prefixes.js'
import { Unigram } from '../../models/unigram/unigram.js'
import { PieceType } from './model-proto.js'
import type { Pieces } from './pieces.js'

/** Begins the beginnings of a normalized text, or undefined for a model whose tokens depend on all of the text. */
export function prefixesOf(segmenter: Segmenter, pieces: Pieces): (() => Prefixes) | undefined {
  const unknown = (length: number, afterUnknown: boolean): number => (pieces.byteIds.length > 0 ? length : afterUnknown ? 0 : 1)
  const reversed = (types: readonly number[]): ByteTrie | undefined =>
    reversedTrie(
      Array.from(
        pieces.ids.filter((id) => types.includes(pieces.typeOf(id))),
        (id) => [pieces.bytes(id), id],
      ),
    )
  if (segmenter instanceof Unigram) {
    const trie = reversed([PieceType.normal, PieceType.userDefined])
    return trie && (() => new UnigramPrefixes({ ...segmenter.options, reversed: trie, unknown }))
  }
  if (!(segmenter instanceof ScoredBpe) || segmenter.resegments) return undefined
  const trie = reversed([PieceType.normal])
  if (trie === undefined) return undefined
  const pairs = new TokenPairs({
    reversed: trie,
    byBytes: false,
    ends: (bytes, start, end) => segmenter.symbolEnds(bytes, start, end),
    unknown,
  })
  return () => new BpePrefixes(pairs)
}
