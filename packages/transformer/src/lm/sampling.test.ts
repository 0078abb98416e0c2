import { samplerChain } from '@tesserae/sampling'
import { describe, expect, it } from 'vitest'
import { isSampler, samplingSteps, type LmSampling } from './sampling.js'

const choose = (settings: LmSampling, logits: readonly number[], accepted: readonly number[], promptTokens: number): number => {
  const sampler = samplerChain(samplingSteps({ ...settings, temperature: 0 }, promptTokens))
  for (const id of accepted) sampler.accept(id)
  return sampler.choose(Float32Array.from(logits))
}

describe('samplingSteps', () => {
  it('penalises what was generated, by frequency and presence, and everything by repetition', () => {
    expect(choose({}, [2, 3, 1], [1, 1], 1)).toBe(1)
    expect(choose({ presencePenalty: 1.5 }, [2, 3, 1], [1], 0)).toBe(0)
    expect(choose({ presencePenalty: 1.5 }, [2, 3, 1], [1], 1)).toBe(1)
    expect(choose({ frequencyPenalty: 0.6 }, [2, 3, 1], [1, 1], 0)).toBe(0)
    expect(choose({ frequencyPenalty: 0.6 }, [2, 3, 1], [1, 1], 1)).toBe(1)
    expect(choose({ repetitionPenalty: 2 }, [2, 3, 1], [1], 1)).toBe(0)
  })

  it('biases by id and refuses what is out of range', () => {
    expect(choose({ logitBias: { 2: 5 } }, [2, 3, 1], [], 0)).toBe(2)
    expect(() => samplingSteps({ temperature: -1 }, 0)).toThrow(expect.objectContaining({ code: 'VALUE' }))
  })

  it('tells settings from what chooses', () => {
    expect(isSampler({ temperature: 1 })).toBe(false)
    expect(isSampler(samplerChain([]))).toBe(true)
  })
})
