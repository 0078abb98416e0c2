import type { Document } from '../document.js'

/** Where the collection lies beside the repository. */
export const cranfieldFolder = new URL('../../../../../shared/data/cranfield/', import.meta.url)

export interface Cranfield {
  readonly documents: readonly Document[]
  readonly questions: readonly { readonly id: string; readonly query: string; readonly relevant: Readonly<Record<string, number>> }[]
}

/**
 * The Cranfield collection (C. Cleverdon, 1967): abstracts on aerodynamics, questions and which abstracts answer them. Every judged abstract counts
 * as relevant alike: the four codes of the judgements run from best to least, and published figures take them as one.
 *
 * @param files contents of `cran.all`, `cran.qry` and `cran.qrel`; a judgement names a question by its place, not by its `.I`
 */
export function readCranfield(files: { readonly documents: string; readonly queries: string; readonly judgements: string }): Cranfield {
  const relevant = new Map<string, Record<string, number>>()
  for (const line of files.judgements.split('\n')) {
    const [question, document, code] = line.trim().split(/\s+/)
    if (question === undefined || document === undefined || !(Number(code) > 0)) continue
    relevant.set(question, { ...relevant.get(question), [document]: 1 })
  }
  return {
    // The text of an abstract begins with its title.
    documents: recordsOf(files.documents).map(({ I: id = '', T: title = '', W: text = '' }) => ({
      id: id.trim(),
      text,
      title: title.replace(/\s+/g, ' ').trim(),
    })),
    questions: recordsOf(files.queries).map(({ W: query = '' }, i) => ({
      id: String(i + 1),
      query: query.replace(/\s+/g, ' ').trim(),
      relevant: relevant.get(String(i + 1)) ?? {},
    })),
  }
}

/** Records that begin with `.I id`, their fields with a line `.T`, `.A`, `.B` or `.W`. */
function recordsOf(text: string): Partial<Record<string, string>>[] {
  return text
    .split(/^\.I /m)
    .slice(1)
    .map((record) => {
      const [id, ...fields] = record.split(/^\.([TABW])[ \t\r]*\n/m)
      return Object.fromEntries([
        ['I', id],
        ...Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i]!, fields[2 * i + 1]!]),
      ]) as Partial<Record<string, string>>
    })
}
