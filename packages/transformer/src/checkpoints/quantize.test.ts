import { dequantize, fromBytes, type Tensor } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { forward } from '../architectures/decoder.js'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import {
  checkWeights,
  disposeWeights,
  mapWeights,
  namedWeights,
  type AnyDecoderWeights,
  type DecoderWeights,
} from '../architectures/weights.js'
import { gpt2 } from '../architectures/gpt2.js'
import { modelMemory, packedLayout } from '../generate/memory.js'
import { createModel } from '../generate/model.js'
import { isPacked, quantizedWeight } from '../layers/packed.js'
import { rotaryTables } from '../layers/rotary.js'
import { quantize } from './quantize.js'

const sizes = { vocabSize: 96, width: 64, layers: 2, heads: 4, context: 32 }
const configs = { llama: llama({ ...sizes, kvHeads: 2, tied: true }), gpt2: gpt2(sizes) }
const ids = [3, 17, 95, 0, 42, 42, 8]

/** The same weights worked out as f32. */
const whole = (weights: AnyDecoderWeights): DecoderWeights => {
  const visit = (value: unknown): unknown =>
    isPacked(value)
      ? dequantize(quantizedWeight(value, (value.scales.shape[1] as number) * 32))
      : Array.isArray(value)
        ? value.map(visit)
        : Object.getPrototypeOf(value) === Object.prototype
          ? Object.fromEntries(Object.entries(value as object).map(([key, part]) => [key, visit(part)]))
          : value
  return visit(weights) as DecoderWeights
}

describe.each(Object.entries(configs))('%s with packed weights', (_, config) => {
  it.each(['q8_0', 'q4_0', 'q4_1'] as const)('%s gives the logits of the weights that it stands for', async (type) => {
    const progress: number[] = []
    const packed = await quantize(
      { config, weights: initWeights(config, { seed: 1 }) },
      { type, onProgress: (done) => progress.push(done) },
    )
    checkWeights(packed.weights, config)
    expect(progress).toEqual(Array.from(progress, (_, i) => i + 1))
    const rotary = config.positions === 'rotary' ? { rotary: rotaryTables(config) } : {}
    const input = fromBytes(new Uint8Array(Int32Array.from(ids).buffer), { dtype: 'i32', shape: [1, ids.length] })
    const expected = (await forward(whole(packed.weights), input, { config, ...rotary }).data()) as Float32Array
    // In blocks that are no constants of a program, sums are those of f32.
    const same = (await forward(packed.weights, input, { config, ...rotary }).data()) as Float32Array
    const off = (logits: Float32Array): number => Math.max(...logits.map((value, i) => Math.abs(value - expected[i]!)))
    expect(off(same)).toBeLessThan(1e-5)
    using model = await createModel(packed)
    // Constants are multiplied by inputs of 8 bits.
    const spread = Math.sqrt(expected.reduce((sum, value) => sum + value * value, 0) / expected.length)
    expect(off(await model.logits(ids))).toBeLessThan(0.08 * spread)
    expect((await model.generate(ids, { maxTokens: 4 })).ids).toHaveLength(4)
  })

  it('is multiplied by inputs of 16 bits where these are asked for: steps and prompts give the same then', async () => {
    const packed = await quantize({ config, weights: initWeights(config, { seed: 1 }) }, { type: 'q4_1' })
    const rotary = config.positions === 'rotary' ? { rotary: rotaryTables(config) } : {}
    const input = fromBytes(new Uint8Array(Int32Array.from(ids).buffer), { dtype: 'i32', shape: [1, ids.length] })
    const expected = (await forward(whole(packed.weights), input, { config, ...rotary }).data()) as Float32Array
    const spread = Math.sqrt(expected.reduce((sum, value) => sum + value * value, 0) / expected.length)
    const off = (logits: Float32Array): number =>
      Math.max(...logits.map((value, i) => Math.abs(value - expected[expected.length - logits.length + i]!)))
    using model = await createModel({ ...packed, activations: 'f32', prefixCache: false })
    expect(off(await model.logits(ids))).toBeLessThan(1e-3 * spread)
    using text = model.open(ids.slice(0, 1))
    let last = await text.next()
    for (const id of ids.slice(1)) {
      text.ids.push(id)
      last = await text.next()
    }
    expect(off(last)).toBeLessThan(1e-3 * spread)
  })
})

it('memory is counted as packed', async () => {
  const config = configs.llama
  const { weights } = await quantize({ config, weights: initWeights(config, { seed: 1 }) }, { type: 'q4_1' })
  const planned = modelMemory(config, { layout: packedLayout(4, { hasMins: true }) }).weights.filter(
    ({ name }) => !name.startsWith('rotary'),
  )
  const bytesOf = ({ size, dtype }: Tensor): number => size * (dtype === 'u8' ? 1 : 4)
  expect(Object.fromEntries(planned.map(({ name, bytes }) => [name, bytes]))).toEqual(
    Object.fromEntries([...namedWeights(weights)].map(([name, tensor]) => [name, bytesOf(tensor)])),
  )
  disposeWeights(weights)
})

describe('what does not fit', () => {
  const config = configs.llama
  const packed = async (): Promise<AnyDecoderWeights> =>
    (await quantize({ config, weights: initWeights(config, { seed: 1 }) }, { type: 'q8_0' })).weights

  it.each([
    ['embedding.weight.scales', [96, 3], 'expected f32 [96, 2], one for each block'],
    ['embedding.weight.packed', [96, 2, 33], "weight 'embedding.weight' is packed as u8 [96, 2, 33]"],
  ] as const)('%s %j', async (path, shape, message) => {
    const weights = await packed()
    const wrong = mapWeights(weights as DecoderWeights, (leaf, name) =>
      name === path
        ? fromBytes(new Uint8Array(shape.reduce((a, b) => a * b, leaf.dtype === 'u8' ? 1 : 4)), { dtype: leaf.dtype, shape })
        : leaf,
    )
    expect(() => checkWeights(wrong, config)).toThrow(message)
    disposeWeights(weights)
  })

  it('is another kind of inputs', async () => {
    const weights = initWeights(config, { seed: 1 })
    await expect(createModel({ config, weights, activations: 'f64' as 'f32' })).rejects.toThrow(
      "activations is 'rounded' or 'f32', got \"f64\"",
    )
    disposeWeights(weights)
  })

  it('is a type of another name', async () => {
    const weights = initWeights(config, { seed: 1 })
    await expect(quantize({ config, weights }, { type: 'q3' as 'q8_0' })).rejects.toThrow(
      "type is \"q3\"; expected one of 'q8_0', 'q4_0', 'q4_1'",
    )
    await expect(quantize({ config, weights }, { type: 'q8_0', signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })
})
