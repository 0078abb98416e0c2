import { TokenizerError } from '../../errors.js'
import type { Vocabulary } from '../../vocabulary.js'
import { LONGEST_KEY, NO_PIECE, PADDING, PieceTable } from './piece-table.js'

/** What {@link ByteRanks.rank} gives for bytes that are no token; above every rank. */
export const NO_RANK = 0x7fffffff

/**
 * A vocabulary in the manner of tiktoken: a token's rank, which is also its id, says when the pair of neighbours that spells it merges, whatever
 * the two are.
 */
export class ByteRanks {
  /** The id of each single byte. */
  readonly byteIds = new Int32Array(256)
  /** The rank of each pair of bytes, at `first · 256 + second`, or {@link NO_RANK}. */
  readonly pairs = new Int32Array(65536).fill(NO_RANK)
  /** Tokens of 1 to {@link LONGEST_KEY} bytes. */
  readonly pieces: PieceTable
  /** Longer ones, by their bytes as characters. */
  private readonly long = new Map<string, number>()
  private readonly longest: number

  /** @throws TokenizerError `FILE` when a byte has no token or the tokens were made to collide in a hash table */
  constructor(readonly vocabulary: Vocabulary) {
    const { starts, size } = vocabulary
    const bytes = padded(vocabulary.bytes)
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    this.byteIds.fill(-1)
    this.pieces = new PieceTable(size)
    this.pieces.insertAll(view, starts)
    let longest = 0
    for (let id = 0; id < size; id++) {
      const length = starts[id + 1]! - starts[id]!
      if (length > longest) longest = length
      if (length > 0 && (length <= 2 || length > LONGEST_KEY)) this.addToken(bytes, starts[id]!, length, id)
    }
    this.longest = longest
    const missing = this.byteIds.indexOf(-1)
    if (missing >= 0) {
      throw new TokenizerError('FILE', `A byte-level vocabulary has a token for each of the 256 bytes; this one lacks byte ${missing}`)
    }
  }

  /** The rank of `bytes[start, end)`, at least two of them, or {@link NO_RANK}. `view` sees the same bytes. */
  rank(bytes: Uint8Array, view: DataView, start: number, end: number): number {
    const length = end - start
    if (length === 2) return this.pairs[(bytes[start]! << 8) | bytes[start + 1]!]!
    if (length > this.longest) return NO_RANK
    if (length > LONGEST_KEY) return this.long.get(asText(bytes, start, end)) ?? NO_RANK
    const found = this.pieces.find(view, start, length)
    return found === NO_PIECE ? NO_RANK : found
  }

  /** A token that is found otherwise than the rest. */
  private addToken(bytes: Uint8Array, start: number, length: number, id: number): void {
    if (length === 1) this.byteIds[bytes[start]!] = id
    else if (length === 2) this.pairs[(bytes[start]! << 8) | bytes[start + 1]!] = id
    else this.long.set(asText(bytes, start, start + length), id)
  }
}

/** The same bytes where more may be read behind them: where they are, if there is room. */
export function padded(bytes: Uint8Array): Uint8Array {
  if (bytes.byteOffset + bytes.length + PADDING <= bytes.buffer.byteLength) return bytes
  const copy = new Uint8Array(bytes.length + PADDING)
  copy.set(bytes)
  return copy
}

const asText = (bytes: Uint8Array, start: number, end: number): string => String.fromCharCode(...bytes.subarray(start, end))
