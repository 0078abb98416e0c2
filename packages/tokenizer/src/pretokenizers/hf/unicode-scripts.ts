import type { ComponentJson, PieceSplitter } from '../../pipeline/components.js'
import { isPairAt, type AlignedText } from '../../text/aligned.js'
import { hfScriptRuns } from '../../unicode/generated/hf-scripts.js'

let starts: Uint32Array | undefined
let scripts: Uint8Array | undefined

/** The number of a character's script, 0 for none. */
function scriptOf(point: number): number {
  if (starts === undefined || scripts === undefined) {
    const words = hfScriptRuns.split(/[ \n]/)
    starts = new Uint32Array(words.length / 2 + 1)
    // One more than the runs, for all that lies behind them.
    scripts = new Uint8Array(words.length / 2 + 1)
    for (let i = 0; i < words.length; i += 2) {
      scripts[i / 2] = parseInt(words[i]!, 36)
      starts[i / 2 + 1] = starts[i / 2]! + parseInt(words[i + 1]!, 36)
    }
  }
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (starts[middle]! <= point) low = middle
    else high = middle - 1
  }
  return scripts[low]!
}

/**
 * Cuts where the script changes. Characters without a script (blanks and unassigned ones) stay with what is before them; those that begin a
 * piece are lost, as in Hugging Face's.
 */
export class UnicodeScripts implements PieceSplitter {
  split(pieces: readonly AlignedText[]): readonly AlignedText[] {
    const out: AlignedText[] = []
    for (const piece of pieces) {
      const { text } = piece
      let start = -1
      let last = 0
      for (let at = 0; at < text.length; at += isPairAt(text, at) ? 2 : 1) {
        const script = scriptOf(text.codePointAt(at)!)
        if (script === 0) continue
        if (script !== last) {
          if (start >= 0) out.push(piece.slice(start, at))
          start = at
        }
        last = script
      }
      if (start >= 0) out.push(piece.slice(start, text.length))
    }
    return out
  }

  toJSON(): ComponentJson {
    return { type: 'UnicodeScripts' }
  }
}
