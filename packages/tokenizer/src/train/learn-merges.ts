import type { OnProgress } from '@tesserae/core'
import { MAX_MERGES, MergeTable } from '../models/bpe/merge-table.js'
import type { MemoryLimit } from './memory-limit.js'
import { MergeCorpus, type PieceSymbols } from './merge-corpus.js'
import type { Pause } from './pauses.js'

/** The tokens of a vocabulary in the making, numbered from 0. */
export interface GrowingTokens {
  readonly size: number
  /** The token that two neighbours make, a new one where there is none of its form. */
  join(left: number, right: number): number
}

export interface LearnOptions {
  /** Tokens at the end. */
  readonly size: number
  /** A pair that occurs less often is not merged. */
  readonly minFrequency: number
  /** Pairs of two tokens with so many characters together, or more, are not merged, but for pairs of two characters. */
  readonly longest?: number
  readonly memory: MemoryLimit
  readonly pause: Pause
  readonly onProgress: OnProgress | undefined
}

/**
 * Byte-pair training: as long as the vocabulary has room, the pair of neighbouring tokens that occurs most often within pieces becomes a token. Two pairs may
 * lead to one token, and where a token that is known occurs anew, a pair may be merged a second time, which then counts.
 *
 * @returns the merges, which may have gaps between their ranks
 */
export async function learnMerges(pieces: PieceSymbols, tokens: GrowingTokens, options: LearnOptions): Promise<MergeTable> {
  const { size, minFrequency, longest = Infinity, memory, pause, onProgress } = options
  const first = tokens.size
  const report = (total: number) => onProgress?.({ task: 'train-bpe', completed: tokens.size - first, total, unit: 'merges' })
  const merges = new MergeTable(Math.max(16, size - first))
  memory.check(MergeCorpus.memoryFor(pieces), 'the symbols of distinct pieces')
  const corpus = await MergeCorpus.of(pieces, pause)
  for (let rank = 0; tokens.size < size && rank < MAX_MERGES; rank++) {
    const best = corpus.next()
    if (best === undefined || best.count < minFrequency) break
    const token = tokens.join(best.left, best.right)
    merges.set(best.left, best.right, rank, token)
    await corpus.merge(best, token, longest, pause)
    const waiting = pause()
    if (waiting === false) continue
    if (await waiting) {
      memory.check(corpus.memory, 'distinct pieces and their pairs')
      report(size - first)
    }
  }
  report(tokens.size - first)
  return merges
}
