// Microseconds a token at a vocabulary of 131,072:
//   npx tsx --conditions=@tesserae/source packages/sampling/bench/sample.mts
import { random } from '@tesserae/core'
import { greedy, minP, samplerChain, temperature, topK, topP, type SamplerStep } from '@tesserae/sampling'

const stream = random(1)
const logits = Array.from({ length: 8 }, () => Float32Array.from({ length: 131_072 }, () => stream.normal() * 3))

const chains: Record<string, SamplerStep[]> = {
  greedy: [greedy()],
  'top-k 40': [topK(40)],
  'top-k 40, top-p 0.95, min-p 0.05, temperature 0.8': [topK(40), topP(0.95), minP(0.05), temperature(0.8)],
  'top-k 1000': [topK(1000)],
  'top-p 0.95': [topP(0.95)],
  'min-p 0.05': [minP(0.05)],
  'temperature 0.8': [temperature(0.8)],
  'no steps': [],
}
const rows: Record<string, { choose: number; 'sample with 5 logprobs': number }> = {}
for (const [name, steps] of Object.entries(chains)) {
  const sampler = samplerChain(steps, { seed: 1 })
  const time = (run: (values: Float32Array) => unknown) => {
    for (const values of logits) run(values)
    const started = performance.now()
    for (let i = 0; i < 40; i++) run(logits[i % logits.length]!)
    return Math.round(((performance.now() - started) / 40) * 1000)
  }
  rows[name] = {
    choose: time((values) => sampler.choose(values)),
    'sample with 5 logprobs': time((values) => sampler.sample(values, { logprobs: 5 })),
  }
}
console.log('µs a token, vocabulary 131,072')
console.table(rows)
