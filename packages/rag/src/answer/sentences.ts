import type { Span } from '../document.js'

// After these a full stop does not end a sentence. Single letters (initials) and numbers before a stop are handled by rule.
const abbreviations = new Set(
  (
    'mr mrs ms dr prof sr jr st vs etc eg ie cf al fig figs eq no nos vol pp ed eds inc ltd co corp dept est approx ca ' +
    'jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun gen col lt sgt capt rep sen gov hon ' +
    'bzw usw vgl nr abs bd hrsg'
  ).split(' '),
)

const closers = /["'”’)\]»*_`]/
const blockStart = /^[ \t]*(?:#{1,6}[ \t]|[-*+•][ \t]|\d{1,3}[.)][ \t]|>|\||```|~~~)/

/**
 * The sentences of a text as spans without the white space and list marks around them. Blank lines, list items, table rows
 * and headings end a sentence whether or not there is a full stop; a line break alone does not. Rules for Latin scripts with
 * abbreviations, and the full-width stops of Chinese and Japanese.
 */
export function sentencesOf(text: string): Span[] {
  return blocksOf(text).flatMap((block) => sentencesOfBlock(text, block))
}

/** Paragraphs, list items, rows and headings. */
function blocksOf(text: string): Span[] {
  const blocks: Span[] = []
  let start = 0
  let end = 0
  let fenced = false
  const flush = (): void => {
    if (end > start) blocks.push({ start, end })
  }
  let heading = false
  for (const line of text.matchAll(/[^\n]*(?:\n|$)/g)) {
    if (line[0] === '') continue
    const after = line.index + line[0].length
    const fence = /^[ \t]*(?:```|~~~)/.test(line[0])
    if (fence) fenced = !fenced
    if (line[0].trim() === '' || fence || fenced) {
      flush() // code is never a sentence
      start = end = after
      heading = false
    } else if (heading || blockStart.test(line[0])) {
      flush()
      start = line.index
      end = after
      heading = /^[ \t]*(?:#{1,6}[ \t]|\|)/.test(line[0])
    } else {
      end = after
    }
  }
  flush()
  return blocks
}

function sentencesOfBlock(text: string, block: Span): Span[] {
  const spans: Span[] = []
  const mark = /^[ \t]*(?:(?:#{1,6}|[-*+•]|\d{1,3}[.)]|>)[ \t]+|>|\|)*/.exec(text.slice(block.start, block.end))![0].length
  let start = block.start + mark
  const push = (end: number): void => {
    let from = start
    let to = end
    while (from < to && /\s/.test(text[from]!)) from++
    while (to > from && /\s/.test(text[to - 1]!)) to--
    if (to > from) spans.push({ start: from, end: to })
    start = end
  }
  const stop = /[。！？.!?…]/g
  const inBlock = text.slice(0, block.end)
  for (let at = start; ; at++) {
    stop.lastIndex = at
    const found = stop.exec(inBlock)
    if (found === null) break
    at = found.index
    if ('。！？'.includes(text[at]!)) {
      push(at + 1)
    } else {
      let end = at + 1
      while (end < block.end && '.!?…'.includes(text[end]!)) end++
      while (end < block.end && closers.test(text[end]!)) end++
      if (endsSentence(text, { start, at, end, limit: block.end })) push(end)
      at = end - 1
    }
  }
  push(block.end)
  return spans
}

function endsSentence(text: string, { start, at, end, limit }: { start: number; at: number; end: number; limit: number }): boolean {
  if (end >= limit) return true
  if (!/\s/.test(text[end]!)) return false
  const next = /\S/.exec(text.slice(end, limit))
  if (next === null) return true
  // A small letter goes on with the sentence; anything else may begin one.
  if (/\p{Ll}/u.test(next[0])) return false
  if (text[at] !== '.' || end > at + 1) return true
  const word = /[\p{L}\p{N}.]*$/u.exec(text.slice(Math.max(start, at - 24), at))![0]
  if (/^\p{Lu}$/u.test(word) || /^(?:\p{L}\.)+\p{L}$/u.test(word)) return false // initials, e.g., U.S.
  if (/^\d{1,2}$/.test(word) && /\p{Lu}/u.test(next[0])) return !/^\s*\d{1,2}$/.test(text.slice(start, at)) // '1. Install' is an item
  return !abbreviations.has(word.toLowerCase())
}
