import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readHuggingFaceConfig } from '../checkpoints/hugging-face.js'
import { divisorsOf, isRopeScaling, ropeAngles, type RopeScaling } from './rope-scaling.js'

interface Case {
  readonly context: number
  readonly parameters: Readonly<Record<string, unknown>>
  readonly steps: readonly number[]
  readonly amplitude: number
}

// Made with transformers by tools/transformer/generate-rope-fixtures.py.
const cases = JSON.parse(readFileSync(new URL('__fixtures__/rope-scaling.json', import.meta.url), 'utf8')) as readonly Case[]

describe('angles of rotary positions', () => {
  it.each(cases)('stretched as transformers does: $parameters.rope_type, $context tokens', ({ context, parameters, steps, amplitude }) => {
    const { config } = readHuggingFaceConfig(
      {
        model_type: 'llama',
        vocab_size: 8,
        hidden_size: 64,
        intermediate_size: 64,
        num_hidden_layers: 1,
        num_attention_heads: 4,
        max_position_embeddings: context,
        rope_parameters: parameters,
      },
      'x',
    )
    const found = ropeAngles({ width: config.headWidth, base: config.ropeBase, context: config.context, scaling: config.ropeScaling })
    expect(found.steps).toHaveLength(steps.length)
    found.steps.forEach((step, i) => expect(Math.abs(step / steps[i]! - 1)).toBeLessThan(1e-5))
    expect(found.amplitude).toBeCloseTo(amplitude, 12)
  })

  it('are those of the paper without, and by divisors of their own', () => {
    const plain = ropeAngles({ width: 8, base: 100, context: 16 })
    expect([...plain.steps]).toEqual([1, 100 ** -0.25, 0.1, 100 ** -0.75])
    expect(plain.amplitude).toBe(1)
    const divided = ropeAngles({ width: 8, base: 100, context: 16, scaling: { kind: 'divided', divisors: [1, 2, 4, 8] } })
    expect([...divided.steps]).toEqual([...plain.steps].map((step, i) => step / 2 ** i))
  })

  it.each<RopeScaling>([
    { kind: 'llama3', factor: 8, lowFrequency: 1, highFrequency: 4, context: 64 },
    { kind: 'yarn', factor: 8, context: 64 },
  ])('lie between those unstretched and those divided by the factor: $kind', (scaling) => {
    for (const width of [4, 64, 128]) {
      const options = { width, base: 500_000, context: 512 }
      const [plain, found] = [ropeAngles(options).steps, ropeAngles({ ...options, scaling }).steps]
      found.forEach((step, i) => {
        expect(step).toBeLessThanOrEqual(plain[i]!)
        expect(step).toBeGreaterThanOrEqual(plain[i]! / 8 - 1e-15)
      })
      expect(found[0]).toBe(plain[0])
      expect(found.at(-1)! / plain.at(-1)!).toBeCloseTo(1 / 8, 12)
    }
  })
})

describe('what stretches angles', () => {
  it.each([
    [{ kind: 'linear', factor: 1 }, true],
    [{ kind: 'linear', factor: 0.5 }, false],
    [{ kind: 'linear', factor: NaN }, false],
    [{ kind: 'llama3', factor: 8, lowFrequency: 1, highFrequency: 4, context: 64 }, true],
    [{ kind: 'llama3', factor: 8, lowFrequency: 4, highFrequency: 4, context: 64 }, false],
    [{ kind: 'yarn', factor: 8, context: 64 }, true],
    [{ kind: 'yarn', factor: 8, context: 0 }, false],
    [{ kind: 'yarn', factor: 8, context: 64, betaFast: -1 }, false],
    [{ kind: 'yarn', factor: 8, context: 64, truncate: 1 }, false],
    [{ kind: 'longrope', short: [1], long: [2], context: 64, attentionFactor: 1 }, true],
    [{ kind: 'longrope', short: [1], long: [0], context: 64, attentionFactor: 1 }, false],
    [{ kind: 'longrope', short: [1], long: 'many', context: 64, attentionFactor: 1 }, false],
    [{ kind: 'divided', divisors: [1, Infinity] }, false],
    [{ kind: 'dynamic', factor: 2 }, false],
    [null, false],
    ['linear', false],
  ])('%j: %s', (value, isOne) => expect(isRopeScaling(value)).toBe(isOne))

  it('has divisors where each pair has its own', () => {
    expect(divisorsOf({ kind: 'linear', factor: 2 })).toEqual([])
    expect(divisorsOf({ kind: 'divided', divisors: [1, 2] })).toEqual([[1, 2]])
    expect(divisorsOf({ kind: 'longrope', short: [1], long: [2], context: 8, attentionFactor: 1 })).toEqual([[1], [2]])
  })
})
