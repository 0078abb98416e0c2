import { isPairAt, type AlignedText } from '../../text/aligned.js'
import { splitByMatches, type SplitBehavior } from './behavior.js'

/** Cuts a piece at the characters (code points) that `matches` holds of. */
export function splitByCharacters(
  piece: AlignedText,
  matches: (point: number) => boolean,
  behavior: SplitBehavior,
  out: AlignedText[],
): void {
  const { text } = piece
  const found: number[] = []
  for (let at = 0; at < text.length;) {
    const pair = isPairAt(text, at)
    const end = at + (pair ? 2 : 1)
    if (matches(pair ? text.codePointAt(at)! : text.charCodeAt(at))) found.push(at, end)
    at = end
  }
  splitByMatches(piece, found, behavior, out)
}
