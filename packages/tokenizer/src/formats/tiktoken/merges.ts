import { NO_RANK, padded, type ByteRanks } from '../../models/bpe/byte-ranks.js'
import { checkMerged } from '../hf-json/write.js'
import { MergeTable } from '../../models/bpe/merge-table.js'

/**
 * The merges that say the same as ranks do: every pair of tokens that spells a token, in the order of that token's rank, and among those of one token by
 * the ranks of the left and of the right part, as Hugging Face's converter orders them.
 */
export function mergesOfRanks(ranks: ByteRanks): MergeTable {
  const { starts, size, bytes: tokens } = ranks.vocabulary
  const bytes = padded(tokens)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const rank = (start: number, end: number) => (end - start === 1 ? ranks.byteIds[bytes[start]!]! : ranks.rank(bytes, view, start, end))
  const merges = new MergeTable(size * 2)
  let order = 0
  let written = 0
  for (let id = 0; id < size; id++) {
    const [start, end] = [starts[id]!, starts[id + 1]!]
    const pairs: [number, number][] = []
    for (let cut = start + 1; cut < end; cut++) {
      const left = rank(start, cut)
      if (left === NO_RANK) continue
      const right = rank(cut, end)
      if (right !== NO_RANK) pairs.push([left, right])
    }
    written += pairs.length * (end - start)
    checkMerged(written)
    pairs.sort(([a, b], [c, d]) => a - c || b - d)
    for (const [left, right] of pairs) merges.set(left, right, order++, id)
  }
  return merges
}
