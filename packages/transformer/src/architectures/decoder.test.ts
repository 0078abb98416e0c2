import { key, jit, referenceDevice, sym, tensor, valueAndGrad, type Tensor } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { FixedCache } from '../cache/fixed.js'
import type { LayerCache } from '../layers/attention.js'
import { rotaryTables } from '../layers/rotary.js'
import { summedLoss } from '../train/loss.js'
import type { DecoderConfig } from './config.js'
import { forward, forwardCached, type ModelOptions } from './decoder.js'
import { gpt2 } from './gpt2.js'
import { initWeights } from './initialize.js'
import { llama } from './llama.js'
import { mapWeights, namedWeights, type DecoderWeights } from './weights.js'

const sizes = { vocabSize: 7, width: 8, layers: 2, heads: 4, context: 8 }
const configs: [string, DecoderConfig][] = [
  ['GPT-2', gpt2(sizes)],
  ['GPT-2 without biases, tanh GELU, own head', gpt2({ ...sizes, bias: false, activation: 'geluTanh', tied: false })],
  ['Llama, grouped heads', llama({ ...sizes, headWidth: 4, kvHeads: 2, hidden: 12 })],
  [
    'Llama, neighbouring pairs, one key head, biases',
    llama({ ...sizes, headWidth: 4, kvHeads: 1, hidden: 12, ropeInterleaved: true, bias: true, tied: true }),
  ],
]

const optionsFor = (config: DecoderConfig, dtype: 'f32' | 'f64' = 'f32'): ModelOptions => ({
  config,
  ...(config.positions === 'rotary' ? { rotary: rotaryTables(config, { dtype }) } : {}),
})
const idsOf = (...rows: number[][]): Tensor => tensor(rows, { dtype: 'i32' })

/** Weights large enough that every part of the model matters. */
const strong = (config: DecoderConfig): DecoderWeights =>
  mapWeights(initWeights(config, { seed: 3 }), (weight: Tensor) =>
    weight.rank === 2 ? weight.mul(20) : weight.add(weight.mul(0).add(0.1)),
  )

describe.each(configs)('%s', (_, config) => {
  const device = referenceDevice()
  const options = optionsFor(config)

  it('sees the past and not the future', async () => {
    const weights = strong(config)
    const a = (await forward(weights, idsOf([1, 2, 3, 4, 5]), options).data({ device })) as Float32Array
    const b = (await forward(weights, idsOf([1, 2, 3, 6, 5]), options).data({ device })) as Float32Array
    expect(a.slice(0, 21)).toEqual(b.slice(0, 21))
    for (const t of [3, 4]) expect(a.slice(7 * t, 7 * t + 7)).not.toEqual(b.slice(7 * t, 7 * t + 7))
  })

  it('gives every row of a batch what it gets alone', async () => {
    const weights = strong(config)
    const both = (await forward(weights, idsOf([1, 2, 3], [6, 5, 4]), options).data({ device })) as Float32Array
    const second = (await forward(weights, idsOf([6, 5, 4]), options).data({ device })) as Float32Array
    expect(maxDifference(both.slice(21), second)).toBeLessThan(1e-5)
  })

  it('gives the same logits with a cache, in any pieces', async () => {
    const weights = strong(config)
    const ids = [1, 2, 3, 4, 5, 6, 0, 1]
    const whole = (await forward(weights, idsOf(ids), options).data({ device })) as Float32Array
    const position = sym('position', { max: 8 })
    const step = jit((layers: FixedCache['layers'], piece: Tensor) => forwardCached(weights, piece, layers, { ...options, position }), {
      donate: [0],
      device,
    })
    for (const pieces of [[8], [1, 1, 1, 1, 1, 1, 1, 1], [3, 1, 4], [5, 2, 1]]) {
      using cache = new FixedCache(config)
      const logits: number[] = []
      for (const count of pieces) {
        cache.reserve(count)
        const result = await step.run([cache.layers, idsOf(ids.slice(cache.position, cache.position + count))], {
          symbols: new Map([[position, cache.position]]),
        })
        cache.replace(result.cache, count)
        logits.push(...(await result.logits.data()))
      }
      expect(maxDifference(logits, whole)).toBeLessThan(2e-5)
    }
    step.dispose()
  })

  it('gives rows with caches of their own, at positions of their own, what each gets alone', async () => {
    const weights = strong(config)
    const texts = [
      [1, 2, 3, 4, 5],
      [6, 0],
      [3, 3, 3, 1],
    ]
    const caches = texts.map(() => new FixedCache(config))
    const position = sym('position', { max: 8 })
    const one = jit((layers: FixedCache['layers'], piece: Tensor) => forwardCached(weights, piece, layers, { ...options, position }), {
      donate: [0],
      device,
    })
    for (const [i, cache] of caches.entries()) {
      const before = texts[i]!.slice(0, -1)
      const { cache: written } = await one.run([cache.layers, idsOf(before)], { symbols: new Map([[position, 0]]) })
      cache.replace(written, before.length)
    }
    const step = jit(
      (layers: readonly (readonly LayerCache[])[], piece: Tensor, at: Tensor) =>
        forwardCached(weights, piece, layers, { ...options, position: at }),
      { donate: [0], device },
    )
    const byLayer = caches[0]!.layers.map((_, layer) => caches.map((cache) => cache.layers[layer]!))
    const at = tensor(Int32Array.from(caches, (cache) => cache.position))
    const result = await step(byLayer, idsOf(...texts.map((text) => [text.at(-1)!])), at)
    const logits = (await result.logits.data()) as Float32Array
    for (const [i, text] of texts.entries()) {
      const whole = (await forward(weights, idsOf(text), options).data({ device })) as Float32Array
      expect(maxDifference(logits.slice(7 * i, 7 * i + 7), whole.slice(-7))).toBeLessThan(2e-5)
    }
    one.dispose()
    step.dispose()
  })

  it('has the gradient of its loss in every weight', async () => {
    // In double precision, so that differences are exact to about 1e-9; each weight moves along a direction of its own.
    const weights = mapWeights(strong(config), (weight: Tensor) => weight.cast('f64'))
    const batch = { ids: idsOf([1, 2, 3, 4], [5, 6, 0, 1]), targets: idsOf([2, 3, 4, 5], [6, 0, -1, 2]) }
    const model = { ...optionsFor(config, 'f64'), masked: true }
    const loss = (moved: DecoderWeights): Tensor => summedLoss(moved, batch, model)
    const { grads } = valueAndGrad(loss)(weights)
    const step = 1e-5
    for (const [name, grad] of namedWeights(grads)) {
      const direction = Float64Array.from({ length: grad.size }, (__, i) => Math.sin(3 * i + 1))
      const along = (distance: number): Promise<number> =>
        loss(
          mapWeights(weights, (weight: Tensor, path) =>
            path === name
              ? weight.add(
                  tensor(
                    direction.map((x) => x * distance),
                    { shape: weight.shape, dtype: 'f64' },
                  ),
                )
              : weight,
          ),
        ).item({ device })
      const measured = ((await along(step)) - (await along(-step))) / (2 * step)
      const computed = Array.from(await grad.data({ device })).reduce((sum, value, i) => sum + value * direction[i]!, 0)
      expect(Math.abs(computed - measured), `${name}: gradient ${computed}, difference ${measured}`).toBeLessThan(
        1e-5 * (1 + Math.abs(measured)),
      )
    }
  })
})

describe('forward', () => {
  const config = gpt2({ ...sizes, dropout: 0.3 })
  const device = referenceDevice()

  it('drops only when training, by the key', async () => {
    const weights = strong(config)
    const run = (options: object): Promise<ArrayLike<number>> => forward(weights, idsOf([1, 2, 3]), { config, ...options }).data({ device })
    const plain = await run({})
    expect(await run({ key: key(1) })).toEqual(plain)
    const dropped = await run({ train: true, key: key(1) })
    expect(dropped).not.toEqual(plain)
    expect(await run({ train: true, key: key(1) })).toEqual(dropped)
    expect(await run({ train: true, key: key(2) })).not.toEqual(dropped)
  })

  it('attends as usual when the dropped share is nothing', async () => {
    // The spelled-out attention of training against the fused one, grouped heads included.
    const grouped = llama({ ...sizes, headWidth: 4, kvHeads: 2, hidden: 12 })
    const weights = strong(grouped)
    const options = optionsFor(grouped)
    const usual = await forward(weights, idsOf([1, 2, 3, 4]), options).data({ device })
    const spelled = await forward(weights, idsOf([1, 2, 3, 4]), {
      ...options,
      config: { ...grouped, dropout: 1e-9 },
      train: true,
      key: key(1),
    }).data({ device })
    expect(maxDifference(usual, spelled)).toBeLessThan(1e-5)
  })

  it('says what is wrong with its arguments', () => {
    const weights = initWeights(config, { seed: 1 })
    expect(() => forward(weights, tensor([1, 2], { dtype: 'i32' }), { config })).toThrow('ids must be [batch, tokens]')
    expect(() => forward(weights, tensor([[1, 2]]), { config })).toThrow('ids must be i32 or u32, got f32')
    expect(() => forward(weights, idsOf([0, 0, 0, 0, 0, 0, 0, 0, 0]), { config })).toThrow("9 tokens were given, the model's context is 8")
    expect(() => forward(weights, idsOf([1]), { config, train: true })).toThrow('needs a key')
    const rotary = llama(sizes)
    expect(() => forward(initWeights(rotary, { seed: 1 }), idsOf([1]), { config: rotary })).toThrow('pass rotary: rotaryTables(config)')
  })
})

const maxDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length)
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)))
}
