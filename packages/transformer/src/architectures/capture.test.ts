import { jit, resolveDevice, tensor, toOnnx, type DeviceName, type Tensor } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { createModel } from '../generate/model.js'
import { rotaryTables } from '../layers/rotary.js'
import type { DecoderConfig } from './config.js'
import { forward } from './decoder.js'
import { gpt2 } from './gpt2.js'
import { initWeights } from './initialize.js'
import { llama } from './llama.js'
import { mapWeights, type DecoderWeights } from './weights.js'

const sizes = { vocabSize: 11, width: 16, layers: 2, heads: 4, context: 32 }
const configs: [string, DecoderConfig][] = [
  ['GPT-2', gpt2(sizes)],
  ['Llama with grouped heads', llama({ ...sizes, kvHeads: 2, hidden: 24 })],
]
const ids = [
  [1, 2, 3, 4, 5, 6],
  [6, 9, 10, 3, 0, 1],
]

/** Weights large enough that attention is far from even. */
const strong = (config: DecoderConfig): DecoderWeights =>
  mapWeights(initWeights(config, { seed: 3 }), (weight: Tensor) => (weight.rank === 2 ? weight.mul(12) : weight))

describe.each(configs)('capture of %s', (_, config) => {
  const options = { config, ...(config.positions === 'rotary' ? { rotary: rotaryTables(config) } : {}) }

  it.each<DeviceName>(['reference', 'cpu'])('shows attention and leaves the logits as they are on %s', async (name) => {
    const device = await resolveDevice(name)
    const weights = strong(config)
    const input = tensor(ids, { dtype: 'i32' })
    const fused = await forward(weights, input, options).data({ device })
    const { logits, attention } = forward(weights, input, { ...options, capture: ['attention'] })
    expect(attention.map(({ shape }) => shape)).toEqual([
      [2, 4, 6, 6],
      [2, 4, 6, 6],
    ])
    expect(await logits.data({ device })).toEqual(fused)
    for (const layer of attention) {
      const values = await layer.data({ device })
      let spread = 0
      for (let row = 0; row < values.length / 6; row++) {
        const own = Array.from({ length: 6 }, (__, key) => values[6 * row + key]!)
        expect(own.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5)
        expect(own.slice((row % 6) + 1).every((share) => share === 0)).toBe(true) // nothing of the future
        if (row % 6 > 0) spread = Math.max(spread, Math.max(...own) - 1 / ((row % 6) + 1))
      }
      expect(spread).toBeGreaterThan(0.05)
    }
  })

  it('gives a model’s attention of a sequence, whatever its length is filled up to', async () => {
    const weights = strong(config)
    const { attention } = forward(weights, tensor(ids.slice(0, 1), { dtype: 'i32' }), { ...options, capture: ['attention'] })
    const expected = await Promise.all(attention.map((layer) => layer.data()))
    using model = await createModel({ config, weights })
    const found = await model.attention(ids[0]!)
    expect(found).toHaveLength(config.layers)
    found.forEach((layer, i) => expect(largestDifference(layer, expected[i]!)).toBeLessThan(1e-6))
    await expect(model.attention(new Array<number>(33).fill(1))).rejects.toThrow("33 ids were given, the model's context is 32")
  })

  it('leaves the fused kernel in place, which long sequences take', async () => {
    const long = { ...config, context: 400, headWidth: 8, heads: 2, kvHeads: config.kvHeads === config.heads ? 2 : 1, layers: 1 }
    const model = { config: long, ...(long.positions === 'rotary' ? { rotary: rotaryTables(long) } : {}) }
    const weights = strong(long)
    const input = tensor(
      Int32Array.from({ length: 400 }, (__, i) => (7 * i + (i >> 3)) % 11),
      { shape: [1, 400] },
    )
    const device = await resolveDevice('cpu')
    const usual = forward(weights, input, model)
    const { logits } = forward(weights, input, { ...model, capture: ['attention'] })
    expect(Buffer.from(await toOnnx([usual])).includes('GroupQueryAttention')).toBe(true)
    expect(await logits.data({ device })).toEqual(await usual.data({ device }))
  })

  it('works inside jit', async () => {
    const weights = strong(config)
    using looks = jit((input: Tensor) => forward(weights, input, { ...options, capture: ['attention'] }))
    const { logits, attention } = await looks(tensor(ids, { dtype: 'i32' }))
    expect(logits.shape).toEqual([2, 6, 11])
    expect(attention).toHaveLength(2)
    for (const result of [logits, ...attention]) result.dispose()
  })
})

it('names what cannot be captured', () => {
  const config = gpt2(sizes)
  const capture = ['values' as 'attention']
  expect(() => forward(initWeights(config, { seed: 1 }), tensor(ids, { dtype: 'i32' }), { config, capture })).toThrow(
    'nothing called "values" can be captured',
  )
})

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length)
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)))
}
