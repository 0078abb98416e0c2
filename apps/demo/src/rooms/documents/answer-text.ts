import type { Citation } from '@tesserae/rag'

export type AnswerPiece = { readonly text: string } | { readonly citation: Citation }

/** An answer's text with its `[n]` as the citations they stand for: the k-th `[n]` belongs to the k-th citation of that number. */
export function piecesOf(text: string, citations: readonly Citation[]): AnswerPiece[] {
  const left = [...citations]
  return text.split(/(\[\d+\])/).flatMap((part): AnswerPiece[] => {
    const marker = /^\[(\d+)\]$/.exec(part)?.[1]
    if (marker === undefined) return part === '' ? [] : [{ text: part }]
    const at = left.findIndex((citation) => citation.marker === Number(marker))
    if (at < 0) return [{ text: part }]
    return [{ citation: left.splice(at, 1)[0]! }]
  })
}
