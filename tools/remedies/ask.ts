import type { EmbeddingModelLike } from '@tesserae/core'
import { createRag, documents, recursive, type AnswerResult, type Interval, type Rag } from '@tesserae/rag'
import type { Exam, Question } from './questions.js'
import { contains, shareOf, type Outcome } from './score.js'
import type { Setting } from './settings.js'

/** A row of the table. */
export interface Result {
  readonly name: string
  readonly asked: number
  readonly correct: Interval
  readonly wrong: Interval
  readonly abstained: Interval
  /** Of the questions whose paragraph was left out, how many were not answered; absent where nothing is looked up. */
  readonly rightlyAbstained?: Interval
  readonly failed: number
  /** Mean length of the answers in words: a long answer contains the right one more easily. */
  readonly words: number
  /** Citations by verdict. */
  readonly citations: Readonly<Record<string, number>>
  readonly seconds: number
  /** The first thing that went wrong. */
  readonly problem?: string
}

export interface AskOptions {
  readonly embedder?: EmbeddingModelLike
  readonly log: (line: string) => void
}

/** Asks every question in every setting; indexes are shared between settings with the same chunks. */
export async function askAll(exam: Exam, settings: readonly Setting[], { embedder, log }: AskOptions): Promise<Result[]> {
  const indexes = new Map<number, Rag>()
  try {
    const results: Result[] = []
    for (const setting of settings) {
      let rag = indexes.get(setting.chunk)
      if (rag === undefined) {
        rag = await createRag({ chunker: recursive({ maxTokens: setting.chunk }), ...(embedder === undefined ? {} : { embedder }) })
        await rag.sync(documents(exam.documents))
        indexes.set(setting.chunk, rag)
      }
      const result = await ask(rag, exam, setting)
      log(
        `${setting.name}: ${result.seconds.toFixed(1)} s${result.problem === undefined ? '' : `, ${result.failed} failed: ${result.problem}`}`,
      )
      results.push(result)
    }
    return results
  } finally {
    for (const rag of indexes.values()) await rag.close()
  }
}

async function ask(rag: Rag, exam: Exam, { name, options, retrieves }: Setting): Promise<Result> {
  const start = performance.now()
  const citations: Record<string, number> = {}
  let words = 0
  let answered = 0
  let failures = 0
  let problem: string | undefined
  const one = async ({ text, answers }: Question): Promise<Outcome> => {
    let result: AnswerResult
    try {
      result = await rag.answer(text, options).result()
    } catch (error) {
      problem ??= error instanceof Error ? error.message : String(error)
      // One refused call is an outcome; a model that never works is not asked another two hundred times.
      if (++failures >= 5 && answered === 0) throw error
      return 'failed'
    }
    for (const { verdict } of result.citations) citations[verdict] = (citations[verdict] ?? 0) + 1
    if (result.abstained) {
      answered++
      return 'abstained'
    }
    words += result.text.split(/\s+/).length
    answered++
    return contains(result.text, answers) ? 'correct' : 'wrong'
  }
  const outcomes: Outcome[] = []
  for (const question of exam.answerable) outcomes.push(await one(question))
  const given = outcomes.filter((outcome) => outcome === 'correct' || outcome === 'wrong').length
  const meanWords = given === 0 ? 0 : words / given
  const without: Outcome[] = []
  if (retrieves) for (const question of exam.unanswerable) without.push(await one(question))
  const share = (wanted: Outcome, among: readonly Outcome[] = outcomes): Interval => shareOf(among.map((outcome) => outcome === wanted))
  return {
    name,
    asked: outcomes.length,
    correct: share('correct'),
    wrong: share('wrong'),
    abstained: share('abstained'),
    ...(without.length === 0 ? {} : { rightlyAbstained: share('abstained', without) }),
    failed: failures,
    words: meanWords,
    citations,
    seconds: (performance.now() - start) / 1000,
    ...(problem === undefined ? {} : { problem }),
  }
}
