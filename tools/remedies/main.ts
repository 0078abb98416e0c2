// `npm run remedies`: asks questions of XQuAD with one remedy against invention after another, and prints how many answers were correct, wrong and
// withheld. Without a model that follows instructions it runs the extractive rows and says which it left out.
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { EmbeddingModelLike, LanguageModelLike } from '@tesserae/core'
import { askAll } from './ask.js'
import { endpointModel } from './endpoint.js'
import { drawExam, readSquad } from './questions.js'
import { extractiveSettings, modelRows, modelSettings } from './settings.js'
import { tableOf } from './table.js'

const usage = `Usage: npm run remedies -- [options]
  --model FILE         a module that exports a model of the AI SDK (or any LanguageModelLike) as default or 'model'
  --endpoint URL       an OpenAI-compatible server instead, such as http://localhost:8080/v1
  --model-id ID        its model; default 'default'
  --key-variable NAME  the environment variable that holds the server's key
  --embedder FILE      a module that exports an embedding model: retrieval becomes hybrid
  --data FILE          questions in SQuAD's format; default ../shared/data/xquad/xquad.en.json
  --questions N        default 100; half as many more have their paragraph left out
  --seed N             which questions; default 1
  --json FILE          writes the results there too`

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    endpoint: { type: 'string' },
    'model-id': { type: 'string', default: 'default' },
    'key-variable': { type: 'string' },
    embedder: { type: 'string' },
    data: { type: 'string' },
    questions: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

process.exitCode = await main()

async function main(): Promise<number> {
  if (values.help) {
    console.log(usage)
    return 0
  }
  const [count, seed] = [Number(values.questions), Number(values.seed)]
  if (!Number.isInteger(count) || count < 1 || !Number.isInteger(seed)) {
    console.error(`--questions and --seed are integers, got ${values.questions} and ${values.seed}\n${usage}`)
    return 2
  }
  const folder = process.env['TESSERAE_DATA'] ?? join(import.meta.dirname, '../../../shared/data')
  const path = resolve(values.data ?? join(folder, 'xquad/xquad.en.json'))
  const squad = readSquad(path)
  if (squad === undefined) {
    console.log(
      `Skipped: there are no questions at ${path}. Give a file in SQuAD's format with --data; XQuAD is at github.com/google-deepmind/xquad`,
    )
    return 0
  }
  const exam = drawExam(squad, { answerable: count, unanswerable: Math.ceil(count / 2), seed })
  const model = await languageModel()
  const embedder = values.embedder === undefined ? undefined : await exported<EmbeddingModelLike>(values.embedder, ['embedder'], 'doEmbed')
  console.log(
    `${exam.answerable.length} questions whose paragraph is among the ${exam.documents.length} indexed, ` +
      `${exam.unanswerable.length} more whose paragraph is not. ${model === undefined ? 'No model' : `Model: ${model.provider}/${model.modelId}`}; ` +
      `retrieval by ${embedder === undefined ? 'BM25' : `BM25 and ${embedder.provider}/${embedder.modelId}`}.\n`,
  )
  const settings = [...extractiveSettings, ...(model === undefined ? [] : modelSettings(model))]
  const results = await askAll(exam, settings, {
    ...(embedder === undefined ? {} : { embedder }),
    log: (line) => console.error(`  ${line}`),
  })
  console.log(`\n${tableOf(results)}\n`)
  console.log('Shares of the questions with 95 % bootstrap intervals. Correct: the answer contains the right one as whole words.')
  if (model === undefined)
    console.log(
      `Left out, for want of a model that follows instructions: ${modelRows.join('; ')}.\n` +
        'To run them: npm run remedies -- --model ./my-model.mjs, a module such as\n' +
        "  import { anthropic } from '@ai-sdk/anthropic'\n  export default anthropic('…')\n" +
        'or npm run remedies -- --endpoint http://localhost:8080/v1 --model-id NAME',
    )
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ seed, data: path, skipped: model === undefined ? modelRows : [], results }, null, 2)}\n`)
  return 0
}

async function languageModel(): Promise<LanguageModelLike | undefined> {
  if (values.model !== undefined) return await exported<LanguageModelLike>(values.model, ['model'], 'doStream')
  if (values.endpoint === undefined) return undefined
  const variable = values['key-variable']
  const key = variable === undefined ? undefined : process.env[variable]
  return endpointModel({ url: values.endpoint, modelId: values['model-id'], ...(key === undefined ? {} : { key }) })
}

/** What a module exports by default or under one of the names, if it has `method`. */
async function exported<Model>(path: string, names: readonly string[], method: string): Promise<Model> {
  const module = (await import(pathToFileURL(resolve(path)).href)) as Record<string, unknown>
  for (const name of ['default', ...names]) {
    const value = module[name] as Record<string, unknown> | undefined
    if (typeof value?.[method] === 'function') return value as Model
  }
  throw new Error(`${path} exports no object with ${method}() as default or '${names.join("', '")}'`)
}
