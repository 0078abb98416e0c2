import { existsSync, readFileSync } from 'node:fs'
import { jit, referenceDevice, tensor, valueAndGrad, type Tensor } from '@tesserae/tensor'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { forward } from '../architectures/decoder.js'
import { gpt2 } from '../architectures/gpt2.js'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { disposeWeights, mapWeights, namedWeights, type DecoderWeights } from '../architectures/weights.js'
import { rotaryTables } from '../layers/rotary.js'
import { summedLoss } from '../train/loss.js'
import { disposeLora, initLora, loraConfig, loraScale, loraTargets, mergeLora, unmergeLora, withLora, type Lora } from './lora.js'

const config = llama({ vocabSize: 11, width: 8, layers: 2, heads: 2, kvHeads: 1, hidden: 12, context: 6 })
const rotary = rotaryTables(config)
const device = referenceDevice()

const ids = (): Tensor =>
  tensor(
    [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ],
    { dtype: 'i32' },
  )
const logits = async (weights: DecoderWeights): Promise<number[]> =>
  Array.from((await (await forward(weights, ids(), { config, rotary }).realize({ device })).data()) as Float32Array)

/** An adapter as after some training: B is no longer zero. */
function trained(options: Parameters<typeof initLora>[1]): Lora {
  const lora = initLora(config, options)
  const weights = Object.fromEntries(
    Object.entries(lora.weights).map(([name, { a, b }]) => {
      const values = Float32Array.from({ length: b.size as number }, (_, i) => 0.3 * Math.sin(i + name.length))
      return [name, { a, b: tensor(values, { shape: b.shape as number[] }) }]
    }),
  )
  return { config: lora.config, weights }
}

const furthest = (a: readonly number[], b: readonly number[]): number => Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))

describe('withLora', () => {
  const path = new URL('../../../../../shared/parity/rlhf-losses.json', import.meta.url)
  it("gives the reference library's values for one layer, and others with another scale", async ({ skip }) => {
    skip(!existsSync(path), 'needs ../shared/parity/rlhf-losses.json, which is not part of the repository')
    const golden = (JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>)['F16_lora'] as {
      readonly alpha: number
      readonly r: number
      readonly y: number[][]
      readonly y_rslora: number[][]
      readonly merged: number[][]
    }
    const wave = (rate: number, rows: number, columns: number): Tensor =>
      tensor(
        Float64Array.from({ length: rows * columns }, (_, i) => 2 * Math.sin(rate * (i + 1))),
        { shape: [rows, columns] },
      )
    // A record with one matrix is enough of a model here.
    const weights = { embedding: { weight: wave(0.7, 3, 4) } } as unknown as DecoderWeights
    const lora = (options: { alpha?: number; rankStabilized?: boolean }): Lora => ({
      config: loraConfig({ rank: golden.r, alpha: golden.alpha, ...options }),
      weights: { 'embedding.weight': { a: wave(1.1, 2, 4), b: wave(0.9, 3, 2) } },
    })
    const matrix = (options: object): Tensor => withLora(weights, lora(options)).embedding.weight
    const y = (options: object): Promise<unknown> =>
      wave(0.5, 2, 4)
        .matmul(matrix(options), { transB: true })
        .realize({ device })
        .then((t) => t.toArray())
    const flat = (value: unknown): number[] => (value as number[][]).flat()
    const relative = (value: unknown, expected: number[][]): number =>
      Math.max(...flat(value).map((one, i) => Math.abs(one / expected.flat()[i]! - 1)))
    expect(relative(await (await matrix({}).realize({ device })).toArray(), golden.merged)).toBeLessThan(1e-12)
    expect(relative(await y({}), golden.y)).toBeLessThan(1e-12)
    expect(relative(await y({ rankStabilized: true }), golden.y_rslora)).toBeLessThan(1e-12)
    expect(relative(await y({ alpha: golden.alpha + 1 }), golden.y)).toBeGreaterThan(1e-3)
    expect(relative(await y({ rankStabilized: true }), golden.y)).toBeGreaterThan(1e-3)
  })

  it('changes nothing before training, and merged equals unmerged after it', async () => {
    const weights = initWeights(config, { seed: 3 })
    const plain = await logits(weights)
    expect(await logits(withLora(weights, initLora(config, { seed: 1 })))).toEqual(plain)
    const lora = trained({ seed: 1, rank: 3, targets: ['attention', 'feedForward', 'head'] })
    const adapted = await logits(withLora(weights, lora))
    expect(furthest(adapted, plain)).toBeGreaterThan(1e-2)
    const merged = await mergeLora(weights, lora)
    expect(furthest(await logits(merged), adapted)).toBeLessThan(1e-6)
    const back = await unmergeLora(merged, lora)
    expect(furthest(await logits(back), plain)).toBeLessThan(1e-6)
    // The results are tensors of their own.
    disposeWeights(merged)
    disposeLora(lora.weights)
    expect(await logits(weights)).toEqual(plain)
  })

  it('holds for any rank, scale and choice of targets', async () => {
    const weights = initWeights(config, { seed: 3 })
    const parts = ['query', 'attention.output', 'feedForward.down', 'embedding', 'blocks.1', 'head.weight']
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.nat(),
          rank: fc.integer({ min: 1, max: 9 }),
          alpha: fc.double({ min: 0.1, max: 4, noNaN: true }),
          rankStabilized: fc.boolean(),
          targets: fc.subarray(parts, { minLength: 1 }),
        }),
        async (options) => {
          const lora = trained(options)
          expect(Object.keys(lora.weights)).toEqual(loraTargets(config, options.targets))
          const merged = await mergeLora(weights, lora)
          const adapted = namedWeights(withLora(weights, lora))
          for (const [name, weight] of namedWeights(merged)) {
            const other = (await (await adapted.get(name)!.clone()).data()) as Float32Array
            expect(furthest(Array.from((await weight.data()) as Float32Array), Array.from(other))).toBeLessThan(1e-6)
          }
        },
      ),
      { numRuns: 12 },
    )
  }, 60_000)

  it('is differentiable by the adapter alone, exactly as the chain rule says', async () => {
    const weights = initWeights(config, { seed: 3 })
    const lora = trained({ seed: 1, rank: 2, targets: ['attention.key'] })
    const batch = {
      ids: ids(),
      targets: tensor(
        [
          [2, 3, 4, 5],
          [6, 7, 8, 9],
        ],
        { dtype: 'i32' },
      ),
    }
    const options = { config, rotary, masked: false }
    using step = jit(
      (pairs: Lora['weights'], base: DecoderWeights) => ({
        pair: valueAndGrad((p: Lora['weights']) => summedLoss(withLora(base, { config: lora.config, weights: p }), batch, options))(pairs)
          .grads,
        whole: valueAndGrad((w: DecoderWeights) => summedLoss(w, batch, options))(withLora(base, { config: lora.config, weights: pairs }))
          .grads,
      }),
      { device },
    )
    const { pair, whole } = await step(lora.weights, weights)
    const names = ['blocks.0.attention.key.weight', 'blocks.1.attention.key.weight']
    expect(Object.keys(pair)).toEqual(names)
    for (const name of names) {
      const gradient = namedWeights(whole).get(name)!
      const { a, b } = lora.weights[name]!
      const scale = loraScale(lora.config)
      const wanted = [gradient.matmul(a, { transB: true, alpha: scale }), b.matmul(gradient, { transA: true, alpha: scale })]
      for (const [i, got] of [pair[name]!.b, pair[name]!.a].entries())
        expect(
          furthest(Array.from((await got.data()) as Float32Array), Array.from((await (await wanted[i]!.realize()).data()) as Float32Array)),
        ).toBeLessThan(1e-6)
    }
  })
})

describe('initLora', () => {
  it('draws A uniformly within 1/√in and starts B at zero, from the seed alone', async () => {
    const wide = gpt2({ vocabSize: 11, width: 64, layers: 1, heads: 2, context: 6 })
    const values = async (seed: number): Promise<Float32Array> =>
      (await initLora(wide, { seed }).weights['blocks.0.attention.query.weight']!.a.data()) as Float32Array
    const first = await values(5)
    expect(first).toHaveLength(8 * 64)
    expect(await values(5)).toEqual(first)
    expect(await values(6)).not.toEqual(first)
    expect(Math.max(...first)).toBeLessThanOrEqual(1 / 8)
    expect(Math.max(...first)).toBeGreaterThan(0.95 / 8)
    // Variance of a uniform within ±c is c²/3.
    expect(first.reduce((sum, x) => sum + x * x, 0) / first.length).toBeCloseTo(1 / 64 / 3, 2)
    const { weights } = initLora(wide, { seed: 5 })
    for (const { b } of Object.values(weights)) expect(new Set((await b.data()) as Float32Array)).toEqual(new Set([0]))
    expect(Object.keys(weights)).toEqual(['blocks.0.attention.query.weight', 'blocks.0.attention.value.weight'])
  })

  it('refuses options that make no adapter, naming them', () => {
    expect(() => initLora(config, { seed: 1, rank: 0 })).toThrow('lora: rank is 0; expected a positive integer')
    expect(() => initLora(config, { seed: 1, alpha: NaN })).toThrow('alpha is null; expected a number other than 0')
    expect(() => initLora(config, { seed: 1, targets: [] })).toThrow('targets is []; expected at least one name')
    expect(() => initLora(config, { seed: 1, targets: ['quer'] })).toThrow(
      'target "quer" selects no matrix of this model; it has embedding.weight, blocks.0.attention.query.weight',
    )
    const other = initLora(gpt2({ vocabSize: 11, width: 16, layers: 2, heads: 2, context: 6 }), { seed: 1 })
    expect(() => withLora(initWeights(config, { seed: 1 }), other)).toThrow("does not fit 'blocks.0.attention.query.weight'")
    expect(() =>
      withLora(
        mapWeights(initWeights(config, { seed: 1 }), (w: Tensor) => w),
        { ...other, weights: { none: Object.values(other.weights)[0]! } },
      ),
    ).toThrow("the adapter changes 'none', which these weights do not have")
  })
})
