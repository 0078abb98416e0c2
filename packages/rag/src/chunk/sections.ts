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

export function boundariesOf({ text, structure }: Document, sentenceStarts: (text: string) => number[]): Boundaries {
  const blockStarts = structure?.blocks.map(({ start }) => start)
  return (level, { start, end }) => {
    const part = text.slice(start, end)
    const found =
      level === 0
        ? (blockStarts ?? [...part.matchAll(/\n[ \t\r]*\n\s*/g)].map((match) => start + match.index + match[0].length))
        : level === 1
          ? [...part.matchAll(/\n/g)].map((match) => start + match.index + 1)
          : level === sentenceLevel
            ? sentenceStarts(part).map((position) => start + position)
            : [...part.matchAll(/\s+/g)].map((match) => start + match.index + match[0].length)
    return found.filter((position) => position > start && position < end)
  }
}
