import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { answer, promptOf } from './protocol.js'

const [path, what, context, folder] = process.argv.slice(2) as [string, 'decode' | 'prefill', string, string]
interface Sequence {
  evaluate(ids: readonly number[], options: object): AsyncGenerator<number>
  evaluateWithoutGeneratingNewTokens(ids: readonly number[]): Promise<void>
  clearHistory(): Promise<void>
}
interface Model {
  readonly trainContextSize: number
  createContext(options: object): Promise<{ getSequence(): Sequence }>
}
interface Library {
  getLlama(options: object): Promise<{ loadModel(options: object): Promise<Model> }>
}
const { getLlama } = (await import(
  pathToFileURL(createRequire(join(folder, 'package.json')).resolve('node-llama-cpp')).href
)) as unknown as Library
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 2, logLevel: 'error' })
const model = await llama.loadModel({ modelPath: path })
const sequence = (
  await model.createContext({ contextSize: Math.min(2304, model.trainContextSize), threads: 2, batchSize: 512 })
).getSequence()

let prompts = 0
let tokens: AsyncGenerator<number> | undefined

await answer({
  runtime: 'node-llama-cpp',
  async step() {
    if (what === 'prefill') {
      await sequence.clearHistory()
      await sequence.evaluateWithoutGeneratingNewTokens(promptOf(Number(context), prompts++))
      return
    }
    tokens ??= sequence.evaluate(promptOf(Number(context), prompts++), { temperature: 0, yieldEogToken: true })
    if ((await tokens.next()).done === true) tokens = sequence.evaluate([1000], { temperature: 0, yieldEogToken: true })
  },
})
