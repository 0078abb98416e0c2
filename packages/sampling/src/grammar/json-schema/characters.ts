/** Characters and texts as they stand in JSON strings: in one way each, as `JSON.stringify` writes them. */
import { ByteSet, LAST_POINT, type Range } from '../bytes.js'
import type { Node, Nodes } from '../nodes.js'

export const QUOTE = 0x22
export const BACKSLASH = 0x5c
const SHORT: Readonly<Record<number, string>> = { 8: 'b', 9: 't', 10: 'n', 12: 'f', 13: 'r' }

/** A character of some ranges of code points, as it stands between quotes. */
export function writtenCharacter(nodes: Nodes, ranges: readonly Range[]): Node {
  const plain: Range[] = []
  /** What stands behind a backslash: one character, or `u00`, a digit, and another one of those kept by it. */
  const short = new ByteSet()
  const hexadecimal = new Map<string, ByteSet>()
  for (const [low, high] of ranges) {
    for (let point = low; point <= Math.min(high, 0x1f); point++) {
      if (SHORT[point] !== undefined) short.add(SHORT[point]!.charCodeAt(0))
      else {
        const [first, second] = point.toString(16).padStart(2, '0') as unknown as readonly [string, string]
        const set = hexadecimal.get(first) ?? new ByteSet()
        set.add(second.charCodeAt(0))
        hexadecimal.set(first, set)
      }
    }
    for (const special of [QUOTE, BACKSLASH]) if (low <= special && special <= high) short.add(special)
    const bounds = [0x1f, QUOTE, BACKSLASH, LAST_POINT + 1]
    for (let i = 0; i + 1 < bounds.length; i++) plain.push([Math.max(low, bounds[i]! + 1), Math.min(high, bounds[i + 1]! - 1)])
  }
  const long = [...hexadecimal].map(([first, set]) => nodes.sequence(nodes.literal(first), nodes.bytes(set)))
  const escape = nodes.choice(nodes.bytes(short), nodes.sequence(nodes.literal('u00'), nodes.choice(...long)))
  return nodes.character(nodes.characters(plain), nodes.sequence(nodes.literal('\\'), escape))
}

/** A text without its quotes. */
export const writtenText = (text: string): string => JSON.stringify(text).slice(1, -1)
