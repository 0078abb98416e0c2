// Runs a GGUF file by node-llama-cpp, in a process of its own: node llama-cpp.mjs FOLDER-WITH-THE-PACKAGE QUESTION.json. Prints an answer as one line of JSON.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, question] = process.argv.slice(2)
const {
  model: modelPath,
  threads,
  capacity,
  texts = [],
  maxTokens = 0,
  prefill = [],
  decode = [],
} = JSON.parse(readFileSync(question, 'utf8'))
const { getLlama } = await import(pathToFileURL(createRequire(join(folder, 'package.json')).resolve('node-llama-cpp')).href)

const seconds = (from) => (performance.now() - from) / 1000
const before = process.memoryUsage().rss
const start = performance.now()
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: 'error' })
const model = await llama.loadModel({ modelPath, gpuLayers: 0 })
const context = await model.createContext({ contextSize: capacity, threads, batchSize: 512, sequences: 1 })
const sequence = context.getSequence()
const load = seconds(start)

/** @returns the ids of the text, and as many of the most likely ones after it, however it ends */
async function answer(text) {
  await sequence.clearHistory()
  const bos = model.tokens.bos
  const prompt = [...(model.tokens.shouldPrependBosToken && bos !== null ? [bos] : []), ...model.tokenize(text, false)]
  const ids = []
  for await (const id of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) if (ids.push(id) >= maxTokens) break
  return { prompt, ids }
}

const answers = []
for (const text of texts) answers.push(await answer(text))

/** Some ids that a prompt may have: what they are makes no difference to the time. */
const some = (count) => Array.from({ length: count }, (_, i) => 1000 + ((i * 37) % 500))

const prefills = []
for (const { tokens, turns } of prefill)
  for (let turn = 0; turn < turns; turn++) {
    await sequence.clearHistory()
    const from = performance.now()
    await sequence.evaluateWithoutGeneratingNewTokens(some(tokens))
    prefills.push({ tokens, seconds: seconds(from) })
  }

const decodes = []
for (const { context: length, tokens, turns } of decode) {
  await sequence.clearHistory()
  await sequence.evaluateWithoutGeneratingNewTokens(some(length))
  for (let turn = 0; turn < turns; turn++) {
    let count = 0
    let from = 0
    // The first token pays for the prompt's end; the rest is decoding alone.
    for await (const _ of sequence.evaluate([1000], { temperature: 0, yieldEogToken: true })) {
      if (count === 0) from = performance.now()
      if (count++ >= tokens) break
    }
    decodes.push({ context: length, tokens, seconds: seconds(from) })
  }
}

console.log(JSON.stringify({ load, answers, prefills, decodes, rss: before, peak: process.resourceUsage().maxRSS * 1024 }))
process.exit(0)
