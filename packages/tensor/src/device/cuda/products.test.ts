/** Every edge of the tiles, blocks and splits that products are cut into for graphics processors, and rows and attention by workgroups; threads in random order, races and unwritten memory reported. */
import { afterAll, describe, expect, it } from 'vitest'
import { attention, jit, qmatmul, referenceDevice, tensor, type Tensor } from '../../index.js'
import { opTable } from '../../ops/table.js'
import { mismatch } from '../../testing/compare.js'
import { checkSample } from '../../testing/conformance.js'
import { openCuda } from './device.js'
import { emulatedDriver } from './testing/driver.js'

const device = openCuda(emulatedDriver({ order: 'random', checks: { global: true } }))
const reference = referenceDevice()
afterAll(() => device.dispose())

const numbers = (shape: readonly number[], step: number, dtype: 'f32' | 'f16' = 'f32'): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * step + 1)),
    { shape, dtype },
  )

async function agree(make: () => Promise<Tensor[]> | Tensor[], compute: (...inputs: Tensor[]) => Tensor): Promise<string | undefined> {
  const values: Awaited<ReturnType<Tensor['data']>>[] = []
  let dtype: Tensor['dtype'] = 'f32'
  for (const target of [device, reference]) {
    const inputs = await Promise.all((await make()).map((input) => input.to(target)))
    const run = jit(compute, { device: target })
    const out = await run(...inputs)
    dtype = out.dtype
    values.push(await out.data())
    out.dispose()
    run.dispose()
    inputs.forEach((input) => input.dispose())
  }
  return mismatch(dtype, values[0] as never, values[1] as never)
}

describe('products', () => {
  const sizes = [
    [5, 8, 9],
    [31, 7, 33],
    [32, 8, 32],
    [33, 9, 31],
    [64, 17, 40],
    [1, 128, 1],
    [1, 130, 3],
    [1, 256, 70],
    [2, 300, 5],
    [3, 129, 17],
    [4, 512, 12],
  ] as const
  it.each(sizes)('of %d rows, %d steps, %d columns', async (rows, inner, columns) => {
    for (const [transA, transB] of [
      [false, false],
      [false, true],
      [true, false],
      [true, true],
    ] as const) {
      const make = () => [
        numbers(transA ? [inner, rows] : [rows, inner], 0.37),
        numbers(transB ? [columns, inner] : [inner, columns], 0.71),
        numbers([columns], 0.2),
      ]
      expect(await agree(make, (a, b, bias) => a.matmul(b, { transA, transB }).add(bias).gelu())).toBeUndefined()
    }
  })

  it('side by side, in pairs, in batches and of halves', async () => {
    const side = (x: Tensor, a: Tensor, b: Tensor) => x.matmul(a).sum(-1).add(x.matmul(b).sum(-1))
    expect(await agree(() => [numbers([1, 256], 0.3), numbers([256, 24], 0.5), numbers([256, 10], 0.9)], side)).toBeUndefined()
    const pair = (x: Tensor, a: Tensor, b: Tensor) => x.matmul(a).silu().mul(x.matmul(b))
    expect(await agree(() => [numbers([2, 160], 0.3), numbers([160, 24], 0.5), numbers([160, 24], 0.9)], pair)).toBeUndefined()
    const plain = (a: Tensor, b: Tensor) => a.matmul(b)
    expect(await agree(() => [numbers([3, 2, 9, 20], 0.3), numbers([3, 1, 20, 33], 0.5)], plain)).toBeUndefined()
    expect(await agree(() => [numbers([9, 140], 0.3, 'f16'), numbers([140, 34], 0.5, 'f16')], plain)).toBeUndefined()
    expect(await agree(() => [numbers([1, 140], 0.3, 'f16'), numbers([140, 34], 0.5, 'f16')], plain)).toBeUndefined()
  })
})

describe('quantised products', () => {
  const row = opTable.get('qmatmul')!
  it.each(row.samples.map((sample) => [sample.name, sample] as const))('%s', async (_, sample) => {
    expect(await checkSample(row, sample, device)).toEqual([])
  })

  it.each([4, 8] as const)('of %d bits: as the decoded matrix, by few rows and by many', async (bits) => {
    for (const rows of [1, 3, 40]) {
      const make = (): Tensor[] => [
        numbers([rows, 256], 0.3),
        tensor(
          Uint8Array.from({ length: (37 * 256 * bits) / 8 }, (_, i) => (i * 37 + 11) % 256),
          { shape: [37, 8, 4 * bits], dtype: 'u8' },
        ),
        numbers([37, 8], 0.9),
        numbers([37, 8], 0.4),
      ]
      const product = (x: Tensor, packed: Tensor, scales: Tensor, mins: Tensor): Tensor => qmatmul(x, { packed, scales, mins, bits })
      expect(await agree(make, product)).toBeUndefined()
    }
  })
})

describe('rows and attention', () => {
  it.each([1, 31, 32, 33, 64, 65, 130, 1025])('of %d elements', async (size) => {
    expect(
      await agree(
        () => [numbers([3, size], 0.3)],
        (x) => x.mul(3).softmax(-1),
      ),
    ).toBeUndefined()
  })

  it.each([
    [1, 70, 8],
    [3, 64, 32],
    [5, 65, 66],
    [2, 130, 130],
  ])('of %d queries, %d keys and a width of %d', async (tokens, keys, width) => {
    const make = () => [numbers([1, 4, tokens, width], 0.3), numbers([1, 2, keys, width], 0.5), numbers([1, 2, keys, width], 0.7)]
    expect(await agree(make, (q, k, v) => attention(q, k, v, { causal: true }))).toBeUndefined()
    expect(await agree(make, (q, k, v) => attention(q, k, v, { softcap: 2 }))).toBeUndefined()
  })

  it.each(['f32', 'f16'] as const)('of few queries and many keys, in ranges, of %s', async (dtype) => {
    const make = () => [numbers([1, 2, 1, 8], 0.3, dtype), numbers([1, 1, 1100, 8], 0.5, dtype), numbers([1, 1, 1100, 8], 0.7, dtype)]
    expect(await agree(make, (q, k, v) => attention(q, k, v, { causal: true }))).toBeUndefined()
    // Ranges of which a query sees nothing.
    expect(await agree(make, (q, k, v) => attention(q, k, v, { causal: true, window: 3 }))).toBeUndefined()
    expect(await agree(make, (q, k, v) => attention(q, k, v, { length: 2 }))).toBeUndefined()
  })
})
