import type { Document, Heading, Span } from '../document.js'

/** A part of a document under one heading, and the headings above it, its own included. */
export interface Section extends Span {
  readonly headings: readonly string[]
}

/** The sections of a document, without gaps. A heading with nothing below it belongs to the section after it. */
export function sectionsOf({ text, structure }: Document): Section[] {
  const headings = structure?.headings ?? []
  const sections: Section[] = []
  const path: Heading[] = []
  let start = 0
  let bodyStart = 0
  const close = (end: number) => {
    const empty = text.slice(bodyStart, end).trim() === ''
    if (empty && end < text.length) return false
    if (end > start) sections.push({ start, end, headings: path.map((heading) => heading.text).filter((name) => name !== '') })
    return true
  }
  for (const heading of headings) {
    if (close(heading.start)) start = heading.start
    while (path.length > 0 && path.at(-1)!.depth >= heading.depth) path.pop()
    path.push(heading)
    bodyStart = heading.end
  }
  close(text.length)
  return sections
}

/** Where a text may be split, by how willingly: at blocks, lines, sentences, words. Each list ascends and stays inside the span. */
export type Boundaries = (level: number, span: Span) => number[]

/** How many kinds of borders there are before single characters. */
export const boundaryLevels = 4
export const sentenceLevel = 2
export const wordLevel = 3

/** How many of the ascending numbers at(from) … at(to − 1) are at most `limit`. */
export function countUpTo(
  limit: number,
  { from, to, at }: { readonly from: number; readonly to: number; readonly at: (i: number) => number },
): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >> 1
    if (at(middle) <= limit) low = middle + 1
    else high = middle
  }
  return low - from
}

export function boundariesOf({ text, structure }: Document, sentenceStarts: (text: string) => number[]): Boundaries {
  // Blocks and lines are found once for the whole text; sentences and words are rarely needed, and then for little of it.
  let blocks: readonly number[] | undefined
  let lines: readonly number[] | undefined
  const inside = (positions: readonly number[], { start, end }: Span): number[] => {
    const upTo = (limit: number) => countUpTo(limit, { from: 0, to: positions.length, at: (i) => positions[i]! })
    return positions.slice(upTo(start), upTo(end - 1))
  }
  return (level, span) => {
    if (level === 0) return inside((blocks ??= structure?.blocks.map(({ start }) => start) ?? endsOf(text, /\n[ \t\r]*\n\s*/g)), span)
    if (level === 1) return inside((lines ??= endsOf(text, /\n/g)), span)
    const { start, end } = span
    const part = text.slice(start, end)
    return (level === sentenceLevel ? sentenceStarts(part) : endsOf(part, /\s+/g))
      .map((position) => start + position)
      .filter((position) => position > start && position < end)
  }
}

function endsOf(text: string, expression: RegExp): number[] {
  const ends: number[] = []
  while (expression.exec(text) !== null) ends.push(expression.lastIndex)
  return ends
}
