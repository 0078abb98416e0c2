// Goes on with texts by node-llama-cpp, in a process of its own: node greedy-llama.mjs FOLDER-WITH-THE-PACKAGE QUESTION.json. Prints an answer as one line of JSON.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, question] = process.argv.slice(2)
const { model: modelPath, capacity, texts, maxTokens } = JSON.parse(readFileSync(question, 'utf8'))
const { getLlama } = await import(pathToFileURL(createRequire(join(folder, 'package.json')).resolve('node-llama-cpp')).href)

const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 2, logLevel: 'error' })
const model = await llama.loadModel({ modelPath, gpuLayers: 0 })
const context = await model.createContext({ contextSize: capacity, threads: 2, batchSize: 512, sequences: 1 })
const sequence = context.getSequence()

const answers = []
for (const text of texts) {
  await sequence.clearHistory()
  const { bos, shouldPrependBosToken } = model.tokens
  const prompt = Array.isArray(text) ? text : [...(shouldPrependBosToken && bos !== null ? [bos] : []), ...model.tokenize(text, false)]
  const ids = []
  for await (const id of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) if (ids.push(id) >= maxTokens) break
  answers.push({ prompt, ids })
}
console.log(JSON.stringify(answers))
process.exit(0)
