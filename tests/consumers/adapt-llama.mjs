// Generates under grammars with node-llama-cpp, in a project that installed it beside the packages. Prints the texts, and the ids that chains choose from all logits.
import { join } from 'node:path'
import { minP, penalties, samplerChain, temperature, topK, topP } from '@tesserae/sampling'
import { llamaGenerate, llamaVocabulary } from '@tesserae/sampling/adapters'
import { grammar, grammarStep } from '@tesserae/sampling/grammar'
import { grammars } from './adapt-grammars.mjs'

// Named by the caller: it is installed in the project alone.
const { getLlama } = await import(process.argv[3])
const chains = {
  topK: () => [penalties({ repeat: 1.2 }), topK(20), topP(0.9), temperature(0.8)],
  wide: () => [topK(60)],
  topP: () => [topP(0.9), temperature(1.5)],
  minP: () => [minP(0.1), temperature(0.7)],
}
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: 'error' })
const texts = []
for (const kind of ['byte-level', 'pieces']) {
  const model = await llama.loadModel({ modelPath: join(process.argv[2], `${kind}.gguf`) })
  const context = await model.createContext({ contextSize: 512, threads: 1 })
  const sequence = context.getSequence()
  const vocabulary = llamaVocabulary(model)
  const prompt = model.tokenize('12 "a')
  for (const [name, one] of Object.entries(grammars(grammar)))
    for (const [chain, steps] of Object.entries(chains)) {
      await sequence.clearHistory()
      const ids = []
      let evaluations = 0
      const counted = {
        get nextTokenIndex() {
          return sequence.nextTokenIndex
        },
        controlledEvaluate: (input) => (evaluations++, sequence.controlledEvaluate(input)),
        eraseContextTokenRanges: (ranges) => sequence.eraseContextTokenRanges(ranges),
      }
      const sampler = samplerChain(steps(), { seed: 7 })
      for await (const id of llamaGenerate(counted, prompt, { grammar: one, vocabulary, sampler, maxTokens: 100 })) ids.push(id)
      await sequence.clearHistory()
      const expected = await fromAll(sequence, prompt, one.matcher(vocabulary), steps())
      texts.push({ kind, name, chain, text: model.detokenize(ids), same: String(ids) === String(expected), count: ids.length, evaluations })
    }
  await model.dispose()
}
await llama.dispose()
console.log(JSON.stringify(texts))

async function fromAll(sequence, prompt, matcher, steps) {
  const sampler = samplerChain([grammarStep(matcher), ...steps], { seed: 7 })
  // Of the prompt only the sampler's other steps are told.
  for (const id of prompt) for (const step of steps) step.accept?.(id)
  const ids = []
  for (let fresh = prompt; ids.length < 100; fresh = ids.slice(-1)) {
    const input = fresh.map((token, i) => (i < fresh.length - 1 ? token : [token, { generateNext: { logits: true } }]))
    const { next } = (await sequence.controlledEvaluate(input)).at(-1)
    const logits = new Float32Array(next.logits.size)
    for (const [id, logit] of next.logits) logits[id] = logit
    const id = sampler.choose(logits)
    sampler.accept(id)
    if (matcher.isEnded) return ids
    ids.push(id)
  }
  return ids
}
