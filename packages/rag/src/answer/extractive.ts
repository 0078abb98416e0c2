import { throwIfAborted } from '@tesserae/core'
import type { Span } from '../document.js'
import { sentencesOf } from './sentences.js'
import type { AnswerBackend, AnswerOptions, Citation, Passage } from './types.js'
import { isNumber, wordsOf } from './words.js'

/** A sentence of a passage with how much of the question it covers. */
interface Candidate {
  readonly passage: number // its index
  readonly span: Span // in the passage's text
  readonly text: string
  readonly terms: ReadonlySet<string>
  readonly support: number // 0 to 1
  score: number
}

/** What was found: sentences in the order in which the answer gives them. */
export interface Extract {
  readonly citations: readonly Citation[]
  readonly confidence: number
}

// Shares of the score. They were chosen by reasoning about what each can mean, not fitted to a data set: the words of the question decide,
// what stands around a sentence helps half as much as what it says itself, the search's ranking breaks ties.
const weights = { context: 0.5, kind: 0.15, rank: 0.1, meaning: 0.4, length: 0.3 } as const

/**
 * The sentences of `passages` that answer `question` best. A sentence's support is the share of the question's terms that it
 * has, each weighted by its rarity (idf as in BM25), terms that only stand around it (headings, the sentence before) counting
 * half; where there is an embedder, a share of it is the cosine to the question. The order also takes into account whether a sentence has what
 * the question asks for (a number, a name), its length, and the rank of its passage.
 */
export async function extract(
  question: string,
  passages: readonly Passage[],
  { backend, sentences, signal }: { readonly backend: AnswerBackend; readonly sentences: number } & Pick<AnswerOptions, 'signal'>,
): Promise<Extract> {
  const asked = [...new Set(backend.terms(question))]
  const idf = await rarity(asked, passages, backend)
  const total = sum(asked.map((term) => idf.get(term)!))
  const candidates: Candidate[] = []
  for (const [index, passage] of passages.entries()) {
    let around = new Set(backend.terms([passage.title ?? '', ...(passage.headings ?? [])].join('\n')))
    const above = around
    for (const span of sentencesOf(passage.text)) {
      const text = passage.text.slice(span.start, span.end)
      const terms = new Set(backend.terms(text))
      if (terms.size < 2) continue // a heading, a stray number
      const covered = sum(asked.map((term) => (terms.has(term) ? idf.get(term)! : around.has(term) ? weights.context * idf.get(term)! : 0)))
      if (!isHeading(passage.text, span))
        candidates.push({ passage: index, span, text, terms, support: total === 0 ? 0 : covered / total, score: 0 })
      around = new Set([...above, ...terms])
    }
  }
  if (candidates.length === 0) return { citations: [], confidence: 0 }
  const meaning = await meanings(question, candidates, backend, signal)
  throwIfAborted(signal, 'Answering')
  const average = sum(candidates.map(({ terms }) => terms.size)) / candidates.length
  const best = Math.max(...passages.map(({ score }) => score))
  const wants = kindOf(question)
  const inQuestion = new Set(wordsOf(question).map(({ form }) => form))
  const supports = candidates.map(({ support }, i) =>
    meaning === undefined ? support : (1 - weights.meaning) * support + weights.meaning * Math.max(0, meaning[i]!),
  )
  for (const [i, candidate] of candidates.entries()) {
    const length = 1 - weights.length + weights.length * (candidate.terms.size / average)
    const rank = best > 0 ? passages[candidate.passage]!.score / best : 0
    const kind = wants !== undefined && has(wants, candidate.text, inQuestion) ? weights.kind : 0
    candidate.score = supports[i]! / Math.sqrt(Math.max(length, 0.5)) + kind * supports[i]! + weights.rank * rank
  }
  const order = candidates.map((_, i) => i).sort((a, b) => candidates[b]!.score - candidates[a]!.score || a - b)
  const first = order[0]!
  const chosen = [first]
  for (const i of order.slice(1)) {
    if (chosen.length >= sentences || candidates[i]!.score < 0.6 * candidates[first]!.score) break
    // The same sentence comes twice where chunks overlap or documents repeat themselves.
    if (!chosen.some((other) => candidates[other]!.text === candidates[i]!.text)) chosen.push(i)
  }
  return {
    citations: chosen.map((i) => cite(candidates[i]!, passages)),
    confidence: Math.min(1, Math.max(...chosen.map((i) => supports[i]!))),
  }
}

function cite({ passage: index, span, text }: Candidate, passages: readonly Passage[]): Citation {
  const passage = passages[index]!
  return {
    marker: index + 1,
    chunkId: passage.chunkId,
    sourceId: passage.sourceId,
    span: { start: passage.span.start + span.start, end: passage.span.start + span.end },
    quote: text,
    verdict: 'verbatim',
    claim: text,
    quoted: false,
    similarity: 1,
  }
}

/** ln(1 + (N − n + ½) / (n + ½)) over the chunks of the index, or over the passages where the index does not say. */
async function rarity(terms: readonly string[], passages: readonly Passage[], backend: AnswerBackend): Promise<Map<string, number>> {
  const counted = await backend.frequencies?.(terms)
  const chunks = counted?.chunks ?? passages.length
  const sets = counted === undefined ? passages.map(({ text }) => new Set(backend.terms(text))) : []
  const containing = (term: string): number => counted?.containing.get(term) ?? sets.filter((set) => set.has(term)).length
  return new Map(terms.map((term) => [term, Math.log(1 + (Math.max(chunks - containing(term), 0) + 0.5) / (containing(term) + 0.5))]))
}

/** Cosines of the sentences with the question, for the most promising sentences only: embedding all would take longer than the search. */
async function meanings(
  question: string,
  candidates: readonly Candidate[],
  backend: AnswerBackend,
  signal: AbortSignal | undefined,
): Promise<number[] | undefined> {
  if (backend.embed === undefined) return undefined
  const order = candidates.map((_, i) => i).sort((a, b) => candidates[b]!.support - candidates[a]!.support || a - b)
  const tried = order.slice(0, 32)
  const vectors = await backend.embed(
    question,
    tried.map((i) => candidates[i]!.text),
    signal,
  )
  const query = vectors[0]!
  const cosines = new Array<number>(candidates.length).fill(0)
  tried.forEach((i, at) => (cosines[i] = dot(query, vectors[at + 1]!)))
  return cosines
}

type Kind = 'number' | 'name'

/** What a question in English or German asks for, where its first words say so. */
function kindOf(question: string): Kind | undefined {
  if (
    /\b(?:how (?:many|much|long|old|far|large|big|tall|often)|when|(?:what|which) (?:year|date|percentage|number|day)|wie ?viele?|wann)\b/i.test(
      question,
    )
  )
    return 'number'
  if (/\b(?:who|whom|whose|where|wer|wen|wem|wo)\b/i.test(question)) return 'name'
  return undefined
}

/** Whether a sentence has something of that kind which the question does not have itself. */
function has(kind: Kind, sentence: string, inQuestion: ReadonlySet<string>): boolean {
  const words = wordsOf(sentence)
  if (kind === 'number') return words.some(({ form }) => isNumber(form) && !inQuestion.has(form))
  return words.slice(1).some(({ form, start }) => /\p{Lu}/u.test(sentence[start]!) && !inQuestion.has(form))
}

function isHeading(text: string, { start }: Span): boolean {
  return /^[ \t]*#{1,6}[ \t]/.test(text.slice(text.lastIndexOf('\n', start - 1) + 1))
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!
  return total
}
