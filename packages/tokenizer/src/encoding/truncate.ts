import { TokenizerError } from '../errors.js'
import type { TruncationRule } from '../pipeline/limits.js'

/** A stretch of a text's tokens. */
export interface TokenRange {
  readonly from: number
  readonly to: number
}

/**
 * Which stretches of one text's tokens or of two's are kept: the first of each list is what stays, the others overflow, each sharing `stride` tokens with the
 * one before. Follows Hugging Face tokenizers.
 *
 * @param lengths the number of tokens of each text
 * @param available how many may stay of all
 * @throws TokenizerError `VALUE` when the strategy names a text that cannot be cut so far, or the stride does not fit
 */
export function truncatedRanges(lengths: readonly number[], available: number, rule: TruncationRule): TokenRange[][] {
  const total = lengths.reduce((sum, length) => sum + length, 0)
  const kept = total > available ? keptLengths(lengths, available, rule) : lengths
  return lengths.map((length, i) => stretches(length, kept[i]!, rule))
}

function keptLengths(lengths: readonly number[], available: number, { strategy }: TruncationRule): readonly number[] {
  if (available === 0) return lengths.map(() => 0)
  const excess = lengths.reduce((sum, length) => sum + length, 0) - available
  if (strategy !== 'longest_first') {
    const cut = strategy === 'only_first' ? 0 : 1
    const length = lengths[cut]
    if (length === undefined)
      throw new TokenizerError(
        'VALUE',
        `truncation: strategy 'only_second' cuts the second text, and there is no pair; give one or another strategy`,
      )
    if (length <= excess) {
      throw new TokenizerError(
        'VALUE',
        `truncation: ${excess} tokens have to go and strategy '${strategy}' may only cut a text of ${length}; ` +
          `raise maxLength or use 'longest_first'`,
      )
    }
    return lengths.map((each, i) => (i === cut ? each - excess : each))
  }
  if (lengths.length === 1) return [available]
  const [first, second] = lengths as [number, number]
  const shorter = Math.min(first, second)
  const longer = shorter > available ? shorter : Math.max(shorter, available - shorter)
  // Where both have to be cut, they share what there is.
  const both = shorter + longer > available
  const [small, large] = both ? [Math.floor(available / 2), Math.ceil(available / 2)] : [shorter, longer]
  return first > second ? [large, small] : [small, large]
}

function stretches(length: number, kept: number, { stride, side }: TruncationRule): TokenRange[] {
  if (kept >= length) return [{ from: 0, to: length }]
  if (kept === 0) {
    return [
      { from: 0, to: 0 },
      { from: 0, to: length },
    ]
  }
  if (stride >= kept) {
    throw new TokenizerError(
      'VALUE',
      `truncation: stride is below the ${kept} tokens that are kept of a text (maxLength without special tokens and the other text), got ${stride}`,
    )
  }
  const ranges: TokenRange[] = []
  for (let done = 0; done < length; done += kept - stride) {
    const end = Math.min(done + kept, length)
    ranges.push(side === 'right' ? { from: done, to: end } : { from: length - end, to: length - done })
    if (end === length) break
  }
  return ranges
}
