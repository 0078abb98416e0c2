import { samplerChain } from '@tesserae/sampling'
import { describe, expect, it } from 'vitest'
import { isSampler, samplingSteps, type LmSampling } from './sampling.js'
import { tinyLm } from './testing/tiny-lm.js'

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

describe('the tiny model of tests', () => {
  it('answers, calls and keeps to a schema', async () => {
    const lm = await tinyLm()
    const plain = await lm.generate('the ', { maxTokens: 5, logprobs: 2 })
    expect(plain).toMatchObject({ finishReason: 'length', usage: { completionTokens: 5 } })
    expect(plain.logprobs).toHaveLength(5)
    const tools = [
      {
        name: 'look',
        parameters: { type: 'object', properties: { at: { enum: ['sea', 'sky'] } }, required: ['at'], additionalProperties: false },
      },
    ] as const
    const called = await lm.generate([{ role: 'user', content: 'where' }], { tools, toolChoice: 'required', parallelToolCalls: false })
    expect(called.toolCalls).toMatchObject([{ name: 'look' }])
    expect(called.finishReason).toBe('tool-calls')
    const kept = await lm.generate('x', { schema: { enum: [{ a: 1 }, { b: 2 }] } })
    expect([{ a: 1 }, { b: 2 }]).toContainEqual(kept.object)
    await lm.dispose()
  })
})
