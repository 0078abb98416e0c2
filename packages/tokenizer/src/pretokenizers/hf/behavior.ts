import type { AlignedText } from '../../text/aligned.js'

/** What happens to the stretches that a pattern matches: dropped, pieces of their own, joined to a neighbour, or joined to each other. */
export type SplitBehavior = 'Removed' | 'Isolated' | 'MergedWithPrevious' | 'MergedWithNext' | 'Contiguous'

export const splitBehaviors: readonly SplitBehavior[] = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous']

/**
 * Cuts a piece by the matches of a pattern and appends the parts to `out`; empty ones are left out.
 *
 * @param matches start and end of each match, one after another, in order and without overlap; they may be empty
 * @param inverted whether what lies between the matches counts as the match
 */
export function splitByMatches(
  piece: AlignedText,
  matches: readonly number[],
  behavior: SplitBehavior,
  out: AlignedText[],
  inverted = false,
): void {
  if (matches.length === 0 && !(inverted && behavior === 'Removed')) {
    if (piece.length > 0) out.push(piece)
    return
  }
  const add = (start: number, end: number): void => {
    if (start < end) out.push(piece.slice(start, end))
  }
  // The part that may still grow, and whether the stretch before was a match.
  let start = -1
  let end = 0
  let previous = false
  const stretch = (from: number, to: number, matched: boolean): void => {
    switch (behavior) {
      case 'Removed':
        if (!matched) add(from, to)
        return
      case 'Isolated':
        add(from, to)
        return
      case 'Contiguous':
      case 'MergedWithPrevious': {
        const joins = behavior === 'Contiguous' ? matched === previous : matched && !previous
        if (start >= 0 && !joins) add(start, end)
        if (start < 0 || !joins) start = from
        end = to
        break
      }
      case 'MergedWithNext':
        // A match joins what follows unless that is a match too.
        if (start >= 0 && (matched || !previous)) add(start, end)
        if (start < 0 || matched || !previous) start = from
        end = to
        break
      default:
        throw behavior satisfies never
    }
    previous = matched
  }
  let done = 0
  for (let i = 0; i < matches.length; i += 2) {
    if (matches[i]! > done) stretch(done, matches[i]!, inverted)
    stretch(matches[i]!, matches[i + 1]!, !inverted)
    done = matches[i + 1]!
  }
  if (done < piece.length) stretch(done, piece.length, inverted)
  if (start >= 0) add(start, end)
}
