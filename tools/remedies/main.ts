// `npm run remedies`: asks questions of XQuAD with one remedy against invention after another, and prints how many answers were correct, wrong and
// withheld. Without a model that follows instructions it runs the extractive rows and says which it left out. Exit code 0; 1 when a row got no
// answer at all, or something failed; 2 for a command line that cannot work.
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { EmbeddingModelLike, LanguageModelLike } from '@tesserae/core'
import { askAll } from './ask.js'
import { endpointModel } from './endpoint.js'
import { exportedModel } from './model-file.js'
import { readOptions, usage, type Options } from './options.js'
import { drawExam, readSquad } from './questions.js'
import { extractiveSettings, modelRows, modelSettings } from './settings.js'
import { remarksOf, tableOf } from './table.js'
import { UsageError } from './usage-error.js'

process.exitCode = await main().catch((error: unknown) => {
  console.error(`remedies: ${error instanceof Error ? error.message : String(error)}`)
  if (!(error instanceof UsageError)) return 1
  console.error('See npm run remedies -- --help')
  return 2
})

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), process.env)
  if (options.help) {
    console.log(usage)
    return 0
  }
  const { questions, seed, budget, json } = options
  const folder = process.env['TESSERAE_DATA'] ?? join(import.meta.dirname, '../../../shared/data')
  const path = resolve(options.data ?? join(folder, 'xquad/xquad.en.json'))
  const squad = readSquad(path)
  if (squad === undefined) {
    if (options.data !== undefined) throw new UsageError(`--data: there is no file ${path}`)
    console.log(
      `Skipped: there are no questions at ${path}. Give a file in SQuAD's format with --data; XQuAD is at github.com/google-deepmind/xquad`,
    )
    return 0
  }
  const exam = drawExam(squad, { answerable: questions, unanswerable: Math.ceil(questions / 2), seed })
  const model = await languageModel(options)
  const embedder =
    options.embedder === undefined
      ? undefined
      : await exportedModel<EmbeddingModelLike>(options.embedder, { option: '--embedder', name: 'embedder', method: 'doEmbed' })
  console.log(
    `${exam.answerable.length} questions whose paragraph is among the ${exam.documents.length} indexed, ` +
      `${exam.unanswerable.length} more whose paragraph is not. ${model === undefined ? 'No model' : `Model: ${model.provider}/${model.modelId}`}; ` +
      `retrieval by ${embedder === undefined ? 'BM25' : `BM25 and ${embedder.provider}/${embedder.modelId}`}.\n`,
  )
  const settings = [
    ...extractiveSettings,
    ...(model === undefined ? [] : modelSettings(model, budget === undefined ? {} : { tokenBudget: budget })),
  ]
  const results = await askAll(exam, settings, {
    ...(embedder === undefined ? {} : { embedder }),
    log: (line) => console.error(`  ${line}`),
  })
  console.log(`\n${tableOf(results)}\n`)
  console.log('Shares of the questions with 95 % bootstrap intervals. Correct: the answer contains the right one as whole words.')
  if (model !== undefined) console.log(`Temperature is 1 for ${modelRows[0]}, and 0 for the other rows with a model.`)
  const remarks = remarksOf(results)
  if (remarks !== '') console.log(`\n${remarks}`)
  if (model === undefined)
    console.log(
      `Left out, for want of a model that follows instructions: ${modelRows.join('; ')}.\n` +
        'To run them: npm run remedies -- --model ./my-model.mjs, a module such as\n' +
        "  import { anthropic } from '@ai-sdk/anthropic'\n  export default anthropic('…')\n" +
        'or npm run remedies -- --endpoint http://localhost:8080/v1 --model-id NAME',
    )
  if (json !== undefined)
    writeFileSync(json, `${JSON.stringify({ seed, data: path, skipped: model === undefined ? modelRows : [], results }, null, 2)}\n`)
  return results.some(({ correct, wrong, abstained }) => correct.mean + wrong.mean + abstained.mean === 0) ? 1 : 0
}

async function languageModel({ model, endpoint }: Options): Promise<LanguageModelLike | undefined> {
  if (model !== undefined) return await exportedModel<LanguageModelLike>(model, { option: '--model', name: 'model', method: 'doStream' })
  return endpoint === undefined ? undefined : endpointModel(endpoint)
}
