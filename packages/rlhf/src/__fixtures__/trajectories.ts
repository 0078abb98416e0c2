/** What tools/goldens/trajectories.py trains on, by the same formulas: weights, examples, pairs, and PPO's rollouts with their scores. */
import { tensor, type Tensor } from '@tesserae/tensor'
import { gpt2, llama, mapWeights, weightSpecs, type DecoderConfig, type DecoderWeights } from '@tesserae/transformer'
import type { RenderedPair } from '../data/prepare.js'
import type { Rendered } from '../data/template.js'
import type { ScalarHead } from '../rewards/model.js'
import type { Rollout } from '../rollouts/rollout.js'

const vocabulary = 23
const sizes = { vocabSize: vocabulary, width: 16, layers: 2, heads: 4, context: 24 }
export const gpt2Config: DecoderConfig = gpt2(sizes)
export const llamaConfig: DecoderConfig = llama({ ...sizes, kvHeads: 2, headWidth: 4, hidden: 32 })

const noise = (n: number): number => ((n * n * 7 + n * 7919 + 104729) % 10007) % 10000

function tensorOf(name: string, shape: readonly number[], variant: number): Tensor {
  const phase = [...name].reduce((sum, character) => sum + character.charCodeAt(0), 1000 * variant)
  const base = name.includes('orm.weight') ? 1 : 0
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => base + 0.3 * (noise(phase + i) / 5000 - 1))
  return tensor(values, { shape, adopt: true })
}

/** @param variant 0 for what is trained, 1 for what it is held to */
export const decoderWeights = (config: DecoderConfig, variant = 0): DecoderWeights =>
  mapWeights(weightSpecs(config), ({ shape }, name) => tensorOf(name, shape, variant))

export const scalarHead = (): ScalarHead => ({
  weight: tensorOf('scalar.weight', [1, sizes.width], 0),
  bias: tensorOf('scalar.bias', [1], 0),
})

function sequence(n: number): { readonly prompt: number[]; readonly answer: number[] } {
  const prompt = Array.from({ length: 3 + (noise(n) % 3) }, (_, i) => 1 + (noise(31 * n + i) % (vocabulary - 1)))
  const answer: number[] = []
  let last = prompt.at(-1)!
  for (let i = 0; i < 4 + (noise(n + 500) % 9); i++) answer.push((last = (last * 2 + 1) % vocabulary))
  return { prompt, answer }
}

/** @param alsoLearnt tokens of the prompt that are learnt too, from its end */
function rendered(prompt: readonly number[], answer: readonly number[], alsoLearnt = 0): Rendered {
  const ids = Int32Array.from([...prompt, ...answer])
  return { ids, mask: Uint8Array.from(ids, (_, i) => (i < prompt.length - alsoLearnt ? 0 : 1)) }
}

export function exampleOf(n: number, alsoLearnt = 0): Rendered {
  const { prompt, answer } = sequence(n)
  return rendered(prompt, answer, alsoLearnt)
}

export function pairOf(n: number): Required<RenderedPair> {
  const { prompt, answer } = sequence(n)
  const rejected = Array.from({ length: 3 + (noise(n + 900) % 8) }, (_, i) => noise(n * 13 + i + 77) % vocabulary)
  return { chosen: rendered(prompt, answer), rejected: rendered(prompt, rejected), margin: (noise(n) % 5) / 10 }
}

export const ppoRows = 8
/** Taken off the score of a completion that was cut off. */
export const cutOffPenalty = 0.5

/** What a step of PPO is given: completions as if sampled, and their scores. The log-probabilities it was sampled with are the trainer's to find. */
export function rolloutOf(step: number): { readonly rollout: Rollout; readonly scores: (number | null)[] } {
  const length = sizes.context
  const ids = new Int32Array(ppoRows * length)
  const mask = new Float32Array(ppoRows * (length - 1))
  const ends = new Int32Array(ppoRows)
  const scores: (number | null)[] = []
  const samples = Array.from({ length: ppoRows }, (_, row) => {
    const n = step * ppoRows + row
    const { prompt, answer } = sequence(1000 + n)
    ids.set([...prompt, ...answer], row * length)
    const end = prompt.length - 1 + answer.length
    mask.fill(1, row * (length - 1) + prompt.length - 1, row * (length - 1) + end)
    ends[row] = end
    scores.push(step === 1 && row === 3 ? null : noise(n + 40) / 5000 - 1)
    return { index: row, prompt, completion: answer, finishReason: n % 3 === 0 ? ('length' as const) : ('stop' as const) }
  })
  return { rollout: { rows: ppoRows, length, ids, mask, logprobs: new Float32Array(mask.length), ends, samples }, scores }
}
