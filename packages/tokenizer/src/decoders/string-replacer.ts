import type { DecoderRun } from '../pipeline/components.js'

/**
 * Replaces a string in a text that comes in fragments, from left to right without overlap, and holds back only what may be its beginning.
 *
 * Source: D. Knuth, J. Morris, V. Pratt, "Fast pattern matching in strings", SIAM J. Comput. 6 (1977).
 */
export function stringReplacer(pattern: string, replacement: string): DecoderRun {
  // borders[i]: the length of the longest proper prefix of pattern[0, i] that is its suffix too.
  const borders = new Int32Array(pattern.length)
  for (let i = 1, length = 0; i < pattern.length; i++) {
    while (length > 0 && pattern[i] !== pattern[length]) length = borders[length - 1]!
    if (pattern[i] === pattern[length]) length++
    borders[i] = length
  }
  let matched = 0
  return {
    push(fragment) {
      if (matched === 0 && !fragment.includes(pattern[0]!)) return [fragment]
      let out = ''
      for (const unit of unitsOf(fragment)) {
        while (matched > 0 && unit !== pattern[matched]) {
          const shorter = borders[matched - 1]!
          out += pattern.slice(0, matched - shorter)
          matched = shorter
        }
        if (unit !== pattern[matched]) out += unit
        else if (++matched === pattern.length) {
          out += replacement
          matched = 0
        }
      }
      return out === '' ? [] : [out]
    },
    end: () => (matched === 0 ? [] : [pattern.slice(0, matched)]),
  }
}

function* unitsOf(text: string): Generator<string> {
  for (let i = 0; i < text.length; i++) yield text[i]!
}
