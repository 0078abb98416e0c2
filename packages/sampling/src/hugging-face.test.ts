import { describe, expect, it } from 'vitest'
import { processorCases, watermarkCases } from './__fixtures__/hugging-face.js'
import { detectWatermark, samplerChain, watermark, type Sampler } from './index.js'

it.each(processorCases)('gives what Hugging Face’s processor does: $name', ({ deviation }) => {
  expect(deviation()).toBeLessThan(1e-5)
})

describe('Hugging Face’s watermark detector', () => {
  it.each(watermarkCases)('$name', ({ expected: { z, pValue, ...counts }, found }) => {
    const evidence = found()
    expect(evidence).toMatchObject(counts)
    expect(evidence.z).toBeCloseTo(z, 10)
    expect(evidence.pValue / pValue).toBeCloseTo(1, 6)
  })

  it('finds what was marked here, and nothing in other text', () => {
    const options = { vocabulary: 300, ratio: 0.25 }
    const marked = samplerChain([watermark({ ...options, bias: 3 })], { seed: 1 })
    const plain = samplerChain([], { seed: 1 })
    const text = (sampler: Sampler): number[] =>
      Array.from({ length: 120 }, () => {
        const id = sampler.choose(new Float32Array(300))
        sampler.accept(id)
        return id
      })
    const evidence = detectWatermark(text(marked), options)
    expect(evidence.isMarked).toBe(true)
    expect(evidence.pValue).toBeLessThan(1e-6)
    expect(detectWatermark(text(plain), options).isMarked).toBe(false)
  })
})
