import type { EmbeddingModelLike } from '@tesserae/core'
import { createRag, documents, recursive, type AnswerResult, type Interval, type Rag } from '@tesserae/rag'
import type { Exam, Question } from './questions.js'
import { contains, shareOf, type Outcome } from './score.js'
import type { Setting } from './settings.js'

/** A row of the table. */
export interface Result {
  readonly name: string
  /** Fewer than there are when the model failed every time and was given up. */
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
  /** What the model or its provider said of the calls, such as that it has no tools, and how often. */
  readonly warnings: Readonly<Record<string, number>>
  readonly seconds: number
  /** The first thing that went wrong. */
  readonly problem?: string
}

/** A model that failed this often in a row and never answered is not asked another hundred times. */
const patience = 5

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
  const warned: Record<string, number> = {}
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
      failures++
      return 'failed'
    }
    for (const { verdict } of result.citations) citations[verdict] = (citations[verdict] ?? 0) + 1
    for (const { message } of result.warnings) warned[message] = (warned[message] ?? 0) + 1
    if (result.abstained) {
      answered++
      return 'abstained'
    }
    words += result.text.split(/\s+/).length
    answered++
    return contains(result.text, answers) ? 'correct' : 'wrong'
  }
  const hopeless = (): boolean => answered === 0 && failures >= patience
  const askEach = async (questions: readonly Question[]): Promise<Outcome[]> => {
    const seen: Outcome[] = []
    for (const question of questions) {
      if (hopeless()) break
      seen.push(await one(question))
    }
    return seen
  }
  const outcomes = await askEach(exam.answerable)
  const given = outcomes.filter((outcome) => outcome === 'correct' || outcome === 'wrong').length
  const meanWords = given === 0 ? 0 : words / given
  const without = retrieves ? await askEach(exam.unanswerable) : []
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
    warnings: warned,
    seconds: (performance.now() - start) / 1000,
    ...(problem === undefined ? {} : { problem }),
  }
}
