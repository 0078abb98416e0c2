import { existsSync, readFileSync } from 'node:fs'
import { random } from '@tesserae/core'
import type { Document } from '@tesserae/rag'

export interface Question {
  readonly id: string
  readonly text: string
  /** Any of them is right. */
  readonly answers: readonly string[]
}

/** What is asked, and what may be looked into. */
export interface Exam {
  /** One per paragraph; those of `unanswerable` are not among them. */
  readonly documents: readonly Document[]
  readonly answerable: readonly Question[]
  /** Their paragraphs were left out, those beside them in the same article were not: only abstaining is right. */
  readonly unanswerable: readonly Question[]
}

/** SQuAD's format, which XQuAD shares. */
interface Squad {
  readonly data: readonly {
    readonly title: string
    readonly paragraphs: readonly {
      readonly context: string
      readonly qas: readonly { readonly id: string; readonly question: string; readonly answers: readonly { readonly text: string }[] }[]
    }[]
  }[]
}

export interface ExamSize {
  readonly answerable: number
  readonly unanswerable: number
  readonly seed: number
}

/** Reads a file in SQuAD's format; undefined when it is not there. */
export function readSquad(path: string): Squad | undefined {
  if (!existsSync(path)) return undefined
  const parsed = JSON.parse(readFileSync(path, 'utf8')) as Partial<Squad>
  if (!Array.isArray(parsed.data)) throw new Error(`${path} is not in SQuAD's format: it has no array 'data'`)
  return parsed as Squad
}

/** Draws questions; every second article loses one paragraph, and the unanswerable questions are those of the lost ones. */
export function drawExam({ data }: Squad, { answerable, unanswerable, seed }: ExamSize): Exam {
  const stream = random(seed).stream('exam')
  const documents: Document[] = []
  const kept: Question[] = []
  const lost: Question[] = []
  for (const [a, { title, paragraphs }] of data.entries()) {
    const leftOut = a % 2 === 0 ? stream.int(paragraphs.length) : -1
    for (const [p, { context, qas }] of paragraphs.entries()) {
      const questions = qas.map(({ id, question, answers }) => ({ id, text: question, answers: answers.map(({ text }) => text) }))
      if (p === leftOut) {
        lost.push(...questions)
      } else {
        kept.push(...questions)
        documents.push({ id: `${title}/${p}`, title: title.replaceAll('_', ' '), text: context })
      }
    }
  }
  const draw = (questions: readonly Question[], count: number): Question[] =>
    Array.from(stream.permutation(questions.length).slice(0, count), (i) => questions[i]!)
  return { documents, answerable: draw(kept, answerable), unanswerable: draw(lost, unanswerable) }
}
