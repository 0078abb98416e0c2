// The chains whose speed and memory are measured: what users set, at the size of today's vocabularies.
import { random } from '@tesserae/core'
import { minP, samplerChain, samplerFromPreset, temperature, topK, topP, type Sampler } from '@tesserae/sampling'
import { grammar, grammarStep, Vocabulary } from '@tesserae/sampling/grammar'

export const VOCABULARY = 131_072
const STOP = 2

/** Everything that the preset has but top-H, behind which little is left to do. */
const everything = {
  seed: 1,
  logitBias: { 11: 1, 12: -1 },
  sequenceBias: [
    [[5, 6], -2],
    [[7], 1],
  ],
  repetitionPenalty: 1.1,
  noRepeatNgramSize: 3,
  badWords: [[100], [200, 201], [300, 301, 302]],
  minNewTokens: 16,
  stop: [STOP],
  suppress: [0, 1],
  temperature: 0.7,
  topP: 0.95,
  minP: 0.02,
  typicalP: 0.95,
  epsilonCutoff: 3e-4,
  etaCutoff: 3e-4,
} as const

export const chains: Readonly<Record<string, () => Sampler>> = {
  'default chain': () => samplerFromPreset('llamacpp', { seed: 1 }),
  'top-p alone': () => samplerChain([topP(0.95)], { seed: 1 }),
  'full Hugging Face preset': () => samplerFromPreset('hf', { ...everything, topH: 0.9, topK: 50 }),
  'full Hugging Face preset without top-H and top-k': () => samplerFromPreset('hf', { ...everything, topK: 0 }),
  'full llama.cpp preset': () =>
    samplerFromPreset('llamacpp', {
      seed: 1,
      logitBias: { 11: 1, 12: -1 },
      repeatPenalty: 1.1,
      frequencyPenalty: 0.1,
      presencePenalty: 0.1,
      dry: { multiplier: 0.8 },
      topNSigma: 3,
      typicalP: 0.95,
      xtc: { probability: 0.5, threshold: 0.05 },
      dynamicTemperature: { min: 0.5, max: 1.5 },
    }),
  'grammar and default chain': () => constrained(),
}

/** Any list of short strings and numbers, which never has to end. */
function constrained(): Sampler {
  const stream = random(3)
  const bytes = '[]",:{} 0123456789abcdefghijklmnopqrstuvwxyz'
  const token = (): Uint8Array => Uint8Array.from({ length: 1 + stream.int(6) }, () => bytes.charCodeAt(stream.int(bytes.length)))
  const tokens = Array.from({ length: VOCABULARY }, (_, id) =>
    id === STOP ? undefined : id < 3 + bytes.length ? Uint8Array.of(bytes.charCodeAt(Math.max(0, id - 3))) : token(),
  )
  const vocabulary = new Vocabulary(tokens, { end: [STOP] })
  const compiled = grammar.fromRegex('^\\[(?:"[a-z ]*"|[0-9]+)(?:,(?:"[a-z ]*"|[0-9]+))*\\]$')
  return samplerChain([grammarStep(compiled.matcher(vocabulary)), topK(40), topP(0.95), minP(0.05), temperature(0.8)], { seed: 1 })
}

/** Logits as a model gives them, a few of them likely. The end comes last of all. */
export function someLogits(count = 8): Float32Array[] {
  const stream = random(1)
  return Array.from({ length: count }, () =>
    Float32Array.from({ length: VOCABULARY }, (_, id) => (id === STOP ? -60 : stream.normal() * 3)),
  )
}
