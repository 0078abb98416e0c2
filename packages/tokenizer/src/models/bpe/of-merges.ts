import type { ByteTable } from '../../byte-table.js'
import type { PreTokenizer } from '../../pretokenizers/pretokenizer.js'
import { ByteLevelBpe } from './byte-level.js'
import type { MergeTable } from './merge-table.js'
import { PairMerger } from './pair-merger.js'
import { LONGEST_KEY, PADDING, PieceTable } from './piece-table.js'

/**
 * Byte-level BPE by a list of merges.
 *
 * @param split cuts text into pieces
 * @param byteIds the id of each of the 256 bytes
 * @param merges the merges
 * @param whole when given, a piece that is a token (key `i` is token `ids[i]`) becomes that token without merging
 */
export function byteLevelOfMerges(
  split: PreTokenizer,
  byteIds: Int32Array,
  merges: MergeTable,
  whole?: { readonly table: ByteTable; readonly ids: Int32Array },
): ByteLevelBpe {
  return new ByteLevelBpe(split, new PairMerger(byteIds, merges), whole === undefined ? undefined : piecesOf(whole.table, whole.ids))
}

/** The keys of `table` that fit, with their ids. */
function piecesOf(table: ByteTable, ids: Int32Array): PieceTable {
  const bytes = new Uint8Array(table.arena.length + PADDING)
  bytes.set(table.arena)
  const view = new DataView(bytes.buffer)
  const pieces = new PieceTable(table.size)
  for (let i = 0; i < table.size; i++) {
    const start = table.starts[i]!
    const length = table.starts[i + 1]! - start
    if (length === 0 || length > LONGEST_KEY) continue
    pieces.insert(view, start, length, ids[i]!)
  }
  return pieces
}
