import { estimatedSpans, estimateTokenCount } from './tokens.js'

/** A chunk as it is embedded and analysed: the path of headings, then the text. */
export function passageText({ headings, text }: { readonly headings: readonly string[]; readonly text: string }): string {
  return headings.length === 0 ? text : `${headings.join(' > ')}\n\n${text}`
}

/** Counts tokens of parts of one text. */
export interface PassageCounter {
  ofSpan(start: number, end: number): number
  /** With the headings above it, as {@link passageText} puts them. */
  ofPassage(headings: readonly string[], start: number, end: number): number
}

export function passageCounter(text: string, count: (text: string) => number): PassageCounter {
  if (count !== estimateTokenCount)
    return {
      ofSpan: (start, end) => count(text.slice(start, end)),
      ofPassage: (headings, start, end) => count(passageText({ headings, text: text.slice(start, end) })),
    }
  // The estimate counts words, and white space lies between headings and text.
  const ofSpan = estimatedSpans(text)
  let above: { readonly headings: readonly string[]; readonly tokens: number } = { headings: [], tokens: 0 }
  return {
    ofSpan,
    ofPassage(headings, start, end) {
      if (headings !== above.headings) above = { headings, tokens: estimateTokenCount(headings.join(' > ')) }
      return above.tokens + ofSpan(start, end)
    },
  }
}
