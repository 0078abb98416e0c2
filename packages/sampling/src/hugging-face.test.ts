/** Against what Hugging Face's logits processors make of the same logits: fixtures by tools/sampling/generate-hf-fixtures.py. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { distribution } from './__fixtures__/helpers.js'
import * as sampling from './index.js'
import { detectWatermark, guidance, type DetectOptions, type SamplerStep } from './index.js'

interface Case {
  readonly step: string
  readonly options: readonly unknown[]
  readonly ids: readonly number[]
  readonly logits: number
  readonly unconditional?: number
  readonly kept: number
  readonly logprobs: readonly (readonly [id: number, logprob: number])[]
}

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`./__fixtures__/${name}.json`, import.meta.url), 'utf8'))
const { inputs, cases } = read('hf-processors') as { inputs: number[][]; cases: Case[] }

function stepOf({ step, options, unconditional }: Case): SamplerStep {
  if (unconditional !== undefined) return guidance(options[0] as number, () => inputs[unconditional]!)
  return (sampling as unknown as Record<string, (...given: unknown[]) => SamplerStep>)[step]!(...options)
}

describe('Hugging Face’s processors', () => {
  it.each(cases.map((one) => [`${one.step} ${JSON.stringify(one.options)}, ${inputs[one.logits]!.length} tokens`, one] as const))(
    '%s',
    (_, one) => {
      const step = stepOf(one)
      for (const id of one.ids) step.accept?.(id)
      const found = distribution(inputs[one.logits]!, step)
      expect(found.size).toBe(one.kept)
      for (const [id, logprob] of one.logprobs) expect(Math.abs(Math.log(found.get(id)!) - logprob)).toBeLessThan(1e-5)
    },
  )
})

describe('Hugging Face’s watermark detector', () => {
  interface Detection {
    readonly options: DetectOptions
    readonly ids: readonly number[]
    readonly tokens: number
    readonly green: number
    readonly z: number
    readonly pValue: number
    readonly isMarked: boolean
  }
  it.each((read('hf-watermarks') as Detection[]).map((one, i) => [i, one] as const))(
    'text %d',
    (_, { options, ids, z, pValue, ...expected }) => {
      const found = detectWatermark(ids, options)
      expect(found).toMatchObject(expected)
      expect(found.z).toBeCloseTo(z, 10)
      expect(found.pValue / pValue).toBeCloseTo(1, 6)
    },
  )

  it('finds what was marked here, and nothing in other text', () => {
    const options = { vocabulary: 300, ratio: 0.25 }
    const marked = sampling.samplerChain([sampling.watermark({ ...options, bias: 3 })], { seed: 1 })
    const plain = sampling.samplerChain([], { seed: 1 })
    const text = (sampler: sampling.Sampler): number[] =>
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
