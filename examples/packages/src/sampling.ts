// @tesserae/sampling: from logits to the next token, by steps that can be chained, seeded, saved and written anew.
import { sampler, samplerChain, temperature, topK, type Sampler, type SamplerStep } from '@tesserae/sampling'

const words = ['whale', 'ship', 'sea', 'captain', 'biscuit']
const logits = Float32Array.of(2.5, 2, 1.5, 0.5, -2)

/** How often each word comes up in 2,000 draws. */
function drawn(by: Sampler): string {
  const counts = words.map(() => 0)
  for (let i = 0; i < 2000; i++) counts[by.choose(logits)]!++
  return words.map((word, i) => `${word} ${(counts[i]! / 20).toFixed(0)} %`).join(', ')
}

console.log('as the model has it:', drawn(sampler({ seed: 1 })))
console.log('temperature 0.5:    ', drawn(sampler({ temperature: 0.5, seed: 1 })))
console.log('temperature 2:      ', drawn(sampler({ temperature: 2, seed: 1 })))
console.log('top-p 0.7:          ', drawn(sampler({ topP: 0.7, seed: 1 })))
console.log('greedy:             ', drawn(sampler({ temperature: 0 })))

// A step of one's own: no word twice in a row. It sees what is left, and is told what was taken.
function noRepeat(): SamplerStep {
  let last = -1
  return {
    name: 'noRepeat',
    apply: (candidates) => {
      for (let i = 0; i < candidates.size; i++) if (candidates.ids[i] === last) candidates.logits[i] = -Infinity
    },
    accept: (id) => {
      last = id
    },
    reset: () => {
      last = -1
    },
  }
}
const chain = samplerChain([noRepeat(), topK(3), temperature(0.8)], { seed: 'tale' })
const tale = Array.from({ length: 8 }, () => {
  const { id, logprob } = chain.sample(logits)
  chain.accept(id)
  return `${words[id]} (${logprob.toFixed(2)})`
})
console.log('never twice in a row:', tale.join(' '))

// The same seed, the same choices; a state saved on the way goes on the same.
const first = sampler({ temperature: 1, seed: 3 })
const second = sampler({ temperature: 1, seed: 3 })
for (let i = 0; i < 10; i++) first.choose(logits)
second.restore(first.state())
console.log(
  'goes on the same from a saved state:',
  Array.from({ length: 20 }, () => first.choose(logits)).join() === Array.from({ length: 20 }, () => second.choose(logits)).join(),
)
