import { referenceDevice, resolveDevice, tensor, valueAndGrad, type DeviceName, type Tensor } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import type { DecoderConfig } from '../architectures/config.js'
import { gpt2 } from '../architectures/gpt2.js'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { mapWeights, type DecoderWeights } from '../architectures/weights.js'
import { rotaryTables } from '../layers/rotary.js'
import { contrastiveLoss, encodeTexts } from './encode.js'

const sizes = { vocabSize: 11, width: 8, layers: 2, heads: 2, context: 8, tied: true }
const configs: [string, DecoderConfig][] = [
  ['learned positions', gpt2(sizes)],
  ['rotary positions', llama({ ...sizes, kvHeads: 1, hidden: 12 })],
]
const strong = (config: DecoderConfig): DecoderWeights =>
  mapWeights(initWeights(config, { seed: 3 }), (weight: Tensor) => (weight.rank === 2 ? weight.mul(15) : weight))
const input = (ids: number[][], lengths: number[]) => ({
  ids: tensor(ids, { dtype: 'i32' }),
  lengths: tensor(lengths, { dtype: 'i32' }),
})

describe.each<DeviceName>(['reference', 'cpu'])('encodeTexts on %s', (name) => {
  it.each(configs)('ignores filling and sees both directions, with %s', async (_, config) => {
    const device = await resolveDevice(name)
    const weights = strong(config)
    const options = { config, ...(config.positions === 'rotary' ? { rotary: rotaryTables(config) } : {}) }
    const encode = async (ids: number[][], lengths: number[]) =>
      Array.from(await encodeTexts(weights, input(ids, lengths), options).data({ device }))
    const alone = await encode([[1, 2, 3]], [3])
    expect(Math.hypot(...alone)).toBeCloseTo(1, 5)
    const among = await encode(
      [
        [1, 2, 3, 0, 0, 0],
        [4, 5, 6, 7, 8, 9],
      ],
      [3, 6],
    )
    expect(difference(among.slice(0, 8), alone)).toBeLessThan(1e-5)
    const otherFilling = await encode([[1, 2, 3, 9, 9, 9]], [3])
    expect(difference(otherFilling, alone)).toBeLessThan(1e-5)
    // Averaging hides order unless attention sees it; and the first token must hear of the last.
    expect(difference(await encode([[3, 2, 1]], [3]), alone)).toBeGreaterThan(1e-3)
    expect(difference(await encode([[1, 2, 4]], [3]), alone)).toBeGreaterThan(1e-3)
  })
})

describe('contrastiveLoss', () => {
  const left = [
    [0.6, 0.8],
    [1, 0],
    [0, -1],
  ]
  const right = [
    [0.8, 0.6],
    [0.28, 0.96],
    [-0.6, -0.8],
  ]

  it('is InfoNCE in both directions', async () => {
    const scores = left.map((a) => right.map((b) => (a[0]! * b[0]! + a[1]! * b[1]!) / 0.5))
    const missed = (row: number[], own: number): number => Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[own]!
    const rows = scores.map((row, i) => missed(row, i))
    const columns = scores.map((_, i) =>
      missed(
        scores.map((row) => row[i]!),
        i,
      ),
    )
    const expected = [...rows, ...columns].reduce((a, b) => a + b, 0) / 6
    expect(await contrastiveLoss(tensor(left), tensor(right), { temperature: 0.5 }).item()).toBeCloseTo(expected, 5)
  })

  it('is log B for vectors that tell nothing, and has the gradient of its differences', async () => {
    const same = tensor([
      [1, 0],
      [1, 0],
      [1, 0],
    ])
    expect(await contrastiveLoss(same, same).item()).toBeCloseTo(Math.log(3), 5)
    const device = referenceDevice()
    const other = tensor(right, { dtype: 'f64' })
    const at = (shift: number) => tensor([[0.6 + shift, 0.8], ...left.slice(1)], { dtype: 'f64' })
    const loss = (x: Tensor) => contrastiveLoss(x, other, { temperature: 0.5 })
    const { grads } = valueAndGrad(loss)(at(0))
    const measured = ((await loss(at(1e-5)).item({ device })) - (await loss(at(-1e-5)).item({ device }))) / 2e-5
    expect((await grads.data({ device }))[0]).toBeCloseTo(measured, 6)
  })
})

const difference = (a: readonly number[], b: readonly number[]): number => Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))
