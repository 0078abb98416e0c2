/**
 * A folder of Markdown becomes an index, and questions about it are answered with citations that were checked against the files.
 *
 *   npx tsx --conditions=@tesserae/source examples/rag/src/main.ts [--folder DIR] [--index DIR] [--model FILE] [question …]
 *
 * Without --index the index is in memory; with it, in PostgreSQL (PGlite) in that directory, and the next run embeds and writes only what changed.
 * Without --model answers are sentences of the files; with a module that exports a model of the AI SDK, that model answers.
 */
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { LanguageModelLike } from '@tesserae/core'
import { createRag, memoryStore, type AnswerResult, type SyncResult } from '@tesserae/rag'
import { directory } from '@tesserae/rag/node'
import { pglite } from '@tesserae/rag/pglite'

export const sampleFolder = join(import.meta.dirname, '../documents')
export const sampleQuestions = [
  'How high is the tower?',
  'Who was the last keeper?',
  'When can dogs visit?',
  'Which engine drives the ferry?',
]

export interface AskOptions {
  /** Markdown and text files below it are indexed. */
  readonly folder: string
  readonly questions: readonly string[]
  /** Directory of the index; default in memory. */
  readonly index?: string
  readonly model?: LanguageModelLike
  readonly log?: (line: string) => void
}

/** Indexes the folder and answers the questions. */
export async function askFolder({
  folder,
  questions,
  index,
  model,
  log = () => {},
}: AskOptions): Promise<{ readonly synced: SyncResult; readonly answers: readonly AnswerResult[] }> {
  await using rag = await createRag({ store: index === undefined ? memoryStore() : pglite({ dir: index }) })

  // 1. Sync: files that changed are indexed again, those that are gone are deleted. Each file is written whole or not at all.
  const synced = await rag.sync(directory(folder), { mode: 'full' })
  log(`${folder}: ${synced.added} added, ${synced.changed} changed, ${synced.unchanged} unchanged, ${synced.deleted} deleted`)

  const answers: AnswerResult[] = []
  for (const question of questions) {
    log(`\n? ${question}`)
    // 2. Search, to look at what an answer will rest on.
    const { hits } = await rag.search(question, { k: 3 })
    for (const { chunk, score } of hits) log(`  ${score.toFixed(2)}  ${chunk.sourceId} > ${chunk.headings.join(' > ')}`)

    // 3. Answer, streamed. A citation comes as soon as it is checked.
    const answer = rag.answer(question, { sentences: 1, ...(model === undefined ? {} : { model, temperature: 0 }) })
    let text = ''
    for await (const part of answer.stream()) {
      if (part.type === 'text') text += part.text
      else if (part.type === 'citation') {
        const { marker, sourceId, span, verdict } = part.citation
        log(`  [${marker}] ${verdict}: ${sourceId ?? 'no such source'}${span === null ? '' : `, characters ${span.start} to ${span.end}`}`)
      }
    }
    log(`= ${text}`)
    answers.push(await answer.result())
  }
  return { synced, answers }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { folder: { type: 'string', default: sampleFolder }, index: { type: 'string' }, model: { type: 'string' } },
  })
  const model =
    values.model === undefined
      ? undefined
      : ((await import(pathToFileURL(resolve(values.model)).href)) as { readonly default: LanguageModelLike }).default
  await askFolder({
    folder: values.folder,
    questions: positionals.length === 0 ? sampleQuestions : positionals,
    ...(values.index === undefined ? {} : { index: values.index }),
    ...(model === undefined ? {} : { model }),
    log: (line) => console.log(line),
  })
}
