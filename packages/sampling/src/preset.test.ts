import { describe, expect, it } from 'vitest'
import { codeOf } from './__fixtures__/helpers.js'
import { dry, minP, penalties, samplerChain, samplerFromPreset, temperature, topK, topP, type Sampler } from './index.js'

const logits = Float32Array.from({ length: 200 }, (_, i) => Math.sin(i * i) * 5)
const ids = (sampler: Sampler, prompt: number[] = []): number[] => {
  for (const id of prompt) sampler.accept(id)
  return Array.from({ length: 60 }, () => {
    const id = sampler.choose(logits)
    sampler.accept(id)
    return id
  })
}

describe('samplerFromPreset', () => {
  it('has each program’s order and defaults', () => {
    const seed = 4
    expect(ids(samplerFromPreset('llamacpp', { seed }))).toEqual(
      ids(samplerChain([topK(40), topP(0.95), minP(0.05), temperature(0.8)], { seed })),
    )
    expect(ids(samplerFromPreset('hf', { temperature: 1.7, topP: 0.8, seed }))).toEqual(
      ids(samplerChain([temperature(1.7), topK(50), topP(0.8)], { seed })),
    )
    expect(ids(samplerFromPreset('vllm', { temperature: 1.7, topK: 20, minP: 0.1, seed }))).toEqual(
      ids(samplerChain([temperature(1.7), minP(0.1), topK(20)], { seed })),
    )
    expect(ids(samplerFromPreset('openai', { temperature: 1.7, topP: 0.8, seed }))).toEqual(
      ids(samplerChain([temperature(1.7), topP(0.8)], { seed })),
    )
    expect(ids(samplerFromPreset('llamacpp', { repeatPenalty: 1.2, dry: {}, seed }))).toEqual(
      ids(samplerChain([penalties({ repeat: 1.2 }), dry(), topK(40), topP(0.95), minP(0.05), temperature(0.8)], { seed })),
    )
  })

  it('does not count the prompt where the program does not', () => {
    const prompt = [1, 2, 3, 3, 3]
    const options = { frequencyPenalty: 0.7, presencePenalty: 0.3, seed: 1 }
    expect(ids(samplerFromPreset('openai', { ...options, prompt: 5 }), prompt)).toEqual(ids(samplerFromPreset('openai', options)))
    expect(ids(samplerFromPreset('vllm', { ...options, prompt: 5 }), prompt)).toEqual(ids(samplerFromPreset('vllm', options)))
  })

  it('refuses presets and options that there are not', () => {
    expect(codeOf(() => samplerFromPreset('gpt' as 'hf'))).toBe('VALUE')
    expect(() => samplerFromPreset('openai', { topK: 3 } as never)).toThrow(
      'The preset openai has no option topK; it has seed, temperature',
    )
    expect(codeOf(() => samplerFromPreset('hf', { minNewTokens: 3 }))).toBe('VALUE')
    expect(codeOf(() => samplerFromPreset('llamacpp', { temperature: -1 }))).toBe('VALUE')
  })

  it('takes Mirostat in place of truncation', () => {
    for (const version of [1, 2] as const)
      expect(new Set(ids(samplerFromPreset('llamacpp', { mirostat: { version, tau: 2 }, seed: 2 }))).size).toBeLessThan(40)
  })
})
