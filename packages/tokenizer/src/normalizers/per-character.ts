import { isPairAt, type AlignedText } from '../text/aligned.js'

/**
 * Text with every character (code point) replaced by what `rewrite` makes of it, '' to remove it. What a character becomes has its range.
 */
export function rewriteCharacters(text: AlignedText, rewrite: (char: string, point: number) => string): AlignedText {
  const source = text.text
  // Most texts stay as they are for most of their length: copy stretches rather than characters.
  let rewritten = ''
  let kept = 0
  const changes: number[] = []
  let skipped = 0
  const tracked = text.tracked
  for (let at = 0; at < source.length;) {
    const units = isPairAt(source, at) ? 2 : 1
    const char = units === 1 ? source[at]! : source.slice(at, at + 2)
    const other = rewrite(char, units === 1 ? source.charCodeAt(at) : source.codePointAt(at)!)
    if (other !== char) {
      rewritten += source.slice(kept, at) + other
      kept = at + units
    }
    at += units
    if (other === '') {
      if (rewritten === '' && kept === at) skipped++
      else if (tracked) changes[changes.length - 1] = Math.min(changes.at(-1)!, 0) - 1
    } else if (tracked) pushChanges(changes, other)
  }
  if (kept === 0) return text
  return text.transformed(rewritten + source.slice(kept), () => changes, skipped)
}

function pushChanges(changes: number[], replacement: string): void {
  changes.push(0)
  for (let at = isPairAt(replacement, 0) ? 2 : 1; at < replacement.length; at += isPairAt(replacement, at) ? 2 : 1) changes.push(1)
}
