import { describe, expect, it } from 'vitest'
import {
  arange,
  concat,
  crossEntropy,
  embedding,
  full,
  logSumExp,
  oneHot,
  realize,
  referenceDevice,
  setDefaultDevice,
  stack,
  sym,
  tensor,
  TensorError,
  tokenLogprob,
  tril,
  triu,
  where,
  zeros,
  type Tensor,
} from './index.js'

const device = referenceDevice()
setDefaultDevice(device)

const errorOf = (run: () => unknown): TensorError => {
  try {
    run()
  } catch (error) {
    if (error instanceof TensorError) return error
  }
  throw new Error('expected a TensorError')
}

describe('operations', () => {
  it('stores halves as bits', async () => {
    const x = tensor([1, 65504, 1e-8, 0.1], { dtype: 'f16' })
    expect((await x.bytes()).byteLength).toBe(8)
    expect(Array.from(await x.data())).toEqual([1, 65504, 0, 0.0999755859375])
    expect(Array.from(await tensor(new Uint16Array([0x3f80]), { dtype: 'bf16' }).data())).toEqual([1])
  })

  const x = tensor([
    [1, -2, 3],
    [4, 5, -6],
  ])

  it('follow NumPy', async () => {
    expect(await x.add(tensor([10, 20, 30])).toArray()).toEqual([
      [11, 18, 33],
      [14, 25, 24],
    ])
    expect(await x.max().item()).toBe(5)
    expect(await x.min(1).toArray()).toEqual([-2, -6])
    expect(
      await tensor(new Uint32Array([5, 0, 4294967295]))
        .min()
        .item(),
    ).toBe(0)
    expect(
      await tensor(new Int32Array([-2147483648, 3]))
        .min()
        .item(),
    ).toBe(-2147483648)
    expect(await x.mean(0).toArray()).toEqual([2.5, 1.5, -1.5])
    expect(await tensor([1, 2, 3, 4]).variance(0, { correction: 1 }).item()).toBeCloseTo(5 / 3, 6)
    expect(await x.transpose().toArray()).toEqual([
      [1, 4],
      [-2, 5],
      [3, -6],
    ])
    expect(await x.slice(1, -2).toArray()).toEqual([
      [-2, 3],
      [5, -6],
    ])
    expect(await x.reshape(3, -1).toArray()).toEqual([
      [1, -2],
      [3, 4],
      [5, -6],
    ])
    expect(await x.argMax().toArray()).toEqual([2, 1])
    expect(await x.ge(3).toArray()).toEqual([
      [0, 0, 1],
      [1, 1, 0],
    ])
    expect(await x.clip(-1, 2).toArray()).toEqual([
      [1, -1, 2],
      [2, 2, -1],
    ])
    expect(await tensor([2, 3]).pow(5).toArray()).toEqual([32, 243])
    expect(await tensor([2, 4]).pow(-1).toArray()).toEqual([0.5, 0.25])
    expect(await where(x.gt(0), x, 0).toArray()).toEqual([
      [1, 0, 3],
      [4, 5, 0],
    ])
    expect(await concat([x, x.neg()], 1).toArray()).toEqual([
      [1, -2, 3, -1, 2, -3],
      [4, 5, -6, -4, -5, 6],
    ])
    expect(await stack([tensor([1, 2]), tensor([3, 4])], 1).toArray()).toEqual([
      [1, 3],
      [2, 4],
    ])
    expect(
      await tensor([1, 2])
        .matmul(
          tensor([
            [1, 2],
            [3, 4],
          ]),
        )
        .toArray(),
    ).toEqual([7, 10])
    expect(
      await tensor([1, 2])
        .matmul(tensor([3, 4]))
        .item(),
    ).toBe(11)
    expect(await arange(3, { start: 2, step: 5 }).toArray()).toEqual([2, 7, 12])
    expect(await oneHot(tensor(new Int32Array([2, 0])), 3).toArray()).toEqual([
      [0, 0, 1],
      [1, 0, 0],
    ])
    expect(await tril(2, 3).toArray()).toEqual([
      [1, 0, 0],
      [1, 1, 0],
    ])
    expect(
      await full([2], 3, 'i32')
        .add(zeros([2], 'i32'))
        .toArray(),
    ).toEqual([3, 3])
  })

  it('counts axes from the end everywhere', async () => {
    const y = tensor([
      [3, 1, 2],
      [6, 5, 4],
    ])
    const same = async (a: Tensor, b: Tensor): Promise<void> => expect([a.shape, await a.toArray()]).toEqual([b.shape, await b.toArray()])
    const index = tensor([2, 0], { dtype: 'i32' })
    const along = tensor([[2], [0]], { dtype: 'i32' })
    const pairs: [(axis: number) => Tensor, string][] = [
      [(axis) => concat([y, y], axis), 'concat'],
      [(axis) => y.flip(axis), 'flip'],
      [(axis) => y.sum(axis), 'sum'],
      [(axis) => y.sum([axis, 0]), 'sum of two'],
      [(axis) => y.mean(axis), 'mean'],
      [(axis) => y.max(axis), 'max'],
      [(axis) => y.min(axis, { keepDims: true }), 'min'],
      [(axis) => y.variance(axis), 'variance'],
      [(axis) => y.std(axis, { correction: 1 }), 'std'],
      [(axis) => y.any(axis), 'any'],
      [(axis) => y.all(axis), 'all'],
      [(axis) => y.argMax(axis), 'argMax'],
      [(axis) => y.argMin(axis), 'argMin'],
      [(axis) => y.cumsum(axis), 'cumsum'],
      [(axis) => y.gather(index, axis), 'gather'],
      [
        (axis) =>
          y.scatterAdd(
            index,
            tensor([
              [1, 2],
              [3, 4],
            ]),
            axis,
          ),
        'scatterAdd',
      ],
      [(axis) => y.gatherAlong(along, axis), 'gatherAlong'],
      [(axis) => y.scatterAddAlong(along, tensor([[1], [2]]), axis), 'scatterAddAlong'],
      [(axis) => y.sort(axis).values, 'sort'],
      [(axis) => y.sort(axis).indices, 'sort indices'],
      [(axis) => y.topK(2, axis).values, 'topK'],
      [(axis) => y.softmax(axis), 'softmax'],
      [(axis) => y.logSoftmax(axis), 'logSoftmax'],
      [(axis) => logSumExp(y, axis), 'logSumExp'],
      [(axis) => y.slice(axis, 1), 'slice'],
      [(axis) => y.split(2, axis)[1]!, 'split'],
      [(axis) => y.transpose(axis, 0), 'transpose'],
      [(axis) => y.permute(axis, 0), 'permute'],
      [(axis) => y.flatten(0, axis), 'flatten'],
    ]
    for (const [method, name] of pairs) {
      await same(method(-1), method(1))
      for (const axis of [2, -3, 0.5])
        expect(errorOf(() => method(axis)).message, name).toMatch(/axis .* is out of range for rank 2; expected -2 to 1/)
    }
    await same(stack([y, y], -1), stack([y, y], 2))
    await same(y.unsqueeze(-1), y.unsqueeze(2))
    await same(y.unsqueeze(-3), y.unsqueeze(0))
    await same(y.slice(0, 1).squeeze(-2), y.slice(0, 1).squeeze(0))
    const heads = tensor(
      Array.from({ length: 8 }, (_, i) => i),
      { shape: [1, 2, 2, 2] },
    )
    await same(heads.transpose(), heads.permute(0, 1, 3, 2))
    await same(heads.transpose(1, 2), heads.permute(0, -2, 1, -1))
  })

  it('reduce', async () => {
    const ints = tensor(
      [
        [-2147483648, 5],
        [7, 2147483647],
      ],
      { dtype: 'i32' },
    )
    expect([await ints.min().item(), await ints.argMin(-1).toArray(), await ints.argMin(0).toArray()]).toEqual([
      -2147483648,
      [0, 0],
      [0, 0],
    ])
    expect(await tensor([3, 255, 0], { dtype: 'u8' }).argMin().item()).toBe(2)
    expect(await tensor([3, NaN, 0]).argMin().item()).toBe(1)
    expect(await tensor([1, 2, 3, 4]).std().item()).toBeCloseTo(Math.sqrt(1.25), 6)
    expect(await tensor([1, 2, 3, 4]).std(0, { correction: 1, keepDims: true }).toArray()).toEqual([expect.closeTo(Math.sqrt(5 / 3), 6)])
    expect([
      await tensor([
        [0, 2],
        [0, 0],
      ])
        .any(1)
        .toArray(),
      await tensor([
        [0, 2],
        [1, 1],
      ])
        .all(1)
        .toArray(),
    ]).toEqual([
      [1, 0],
      [0, 1],
    ])
    const empty = zeros([0, 2])
    expect([
      await empty.any().item(),
      await empty.all().item(),
      await empty.sum().item(),
      await empty.max(0).toArray(),
      await empty.min(0).toArray(),
    ]).toEqual([0, 1, 0, [-Infinity, -Infinity], [Infinity, Infinity]])
    expect(await tensor([true, false]).any().item()).toBe(1)
    expect(await empty.mean().item()).toBeNaN()
  })

  it('average half types without rounding or overflow on the way', async () => {
    const many = full([70000], 2, 'f16')
    expect(await many.mean().item()).toBe(2)
    expect(many.mean().dtype).toBe('f16')
    expect(await tensor([300, 300, -300, -300], { dtype: 'f16' }).variance().item()).toBe(Infinity) // 90000, as f16 holds it
    expect(await tensor([300, 300, -300, -300], { dtype: 'f16' }).std().item()).toBe(300)
    expect(await logSumExp(full([4096], 0, 'bf16')).item()).toBe(8.3125)
  })

  it('move', async () => {
    const z = tensor([
      [1, 2],
      [3, 4],
    ])
    expect(await z.repeat(2, 1).toArray()).toEqual([
      [1, 2],
      [3, 4],
      [1, 2],
      [3, 4],
    ])
    expect(await z.repeat(1, 2).toArray()).toEqual([
      [1, 2, 1, 2],
      [3, 4, 3, 4],
    ])
    expect(await z.repeat(2, 0, 3).toArray()).toEqual([[], []])
    expect(await z.repeat(2, 1, 1).toArray()).toEqual([
      [
        [1, 2],
        [3, 4],
      ],
      [
        [1, 2],
        [3, 4],
      ],
    ])
    expect(errorOf(() => z.repeat(2)).message).toMatch(/^repeat: expected a count/)
    expect(await z.flip().toArray()).toEqual([
      [4, 3],
      [2, 1],
    ])
    expect(await z.flip(0).toArray()).toEqual([
      [3, 4],
      [1, 2],
    ])
    expect([z.flatten().shape, tensor(3).flatten().shape, zeros([2, 3, 4, 5]).flatten(1, -2).shape]).toEqual([[4], [1], [2, 12, 5]])
    expect(errorOf(() => z.flatten(1, 0)).message).toMatch(/^flatten: axis 1 comes after axis 0/)
    const parts = arange(5).split(2)
    expect(await Promise.all(parts.map((part) => part.toArray()))).toEqual([[0, 1], [2, 3], [4]])
    expect(
      await Promise.all(
        arange(5)
          .split([1, 0, 4])
          .map((part) => part.toArray()),
      ),
    ).toEqual([[0], [], [1, 2, 3, 4]])
    expect(errorOf(() => arange(5).split([1, 3])).message).toMatch(/^split: pieces of \[1, 3\] do not make up axis 0 of \[5\]/)
    expect(errorOf(() => arange(5).split(0)).message).toMatch(/^split: expected pieces/)
    expect(errorOf(() => arange(5).slice(0, -6)).message).toMatch(/^slice: -6 counts back past the start of axis 0 of \[5\]/)
    expect(errorOf(() => stack([])).message).toMatch(/^stack: expected at least one tensor/)
    expect(errorOf(() => stack([z, z.flatten()])).message).toMatch(/^stack: expected tensors of one shape/)
    expect(errorOf(() => stack([z, z.slice(0, 1)])).message).toMatch(/^stack: /)
    expect(await triu(2, 3).toArray()).toEqual([
      [1, 1, 1],
      [0, 1, 1],
    ])
    expect(await triu(2, 3, 1).toArray()).toEqual([
      [0, 1, 1],
      [0, 0, 1],
    ])
    expect(await tril(2, 3, 1).toArray()).toEqual([
      [1, 1, 0],
      [1, 1, 1],
    ])
  })

  it('multiply vectors, transposed or not', async () => {
    const m = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ])
    expect(await m.matmul(tensor([1, 1, 1])).toArray()).toEqual([6, 15])
    expect(await m.matmul(tensor([1, 1]), { transA: true }).toArray()).toEqual([5, 7, 9])
    expect(await m.matmul(tensor([1, 1, 1]), { transB: true }).toArray()).toEqual([6, 15])
    expect(await tensor([1, 1]).matmul(m, { transA: true }).toArray()).toEqual([5, 7, 9])
    expect(await tensor([1, 1, 1]).matmul(m, { transB: true }).toArray()).toEqual([6, 15])
  })

  it('check indices that wait on the host', async () => {
    const ids = (...values: number[]): Tensor => tensor(values, { dtype: 'i32' })
    const table = tensor([
      [1, 2],
      [3, 4],
    ])
    expect(errorOf(() => table.gather(ids(0, 2))).message).toBe('gather: index 2 at position 1 of i32[2] is out of range; expected 0 to 1')
    expect(errorOf(() => table.gather(ids(-1), 1)).code).toBe('VALUE')
    expect(errorOf(() => embedding(table, ids(1, 0, 7))).message).toMatch(/^embedding: index 7 at position 2/)
    expect(errorOf(() => crossEntropy(table, ids(1, 2))).message).toMatch(/^crossEntropy: index 2/)
    expect(await crossEntropy(table, ids(1, -100), { ignoreIndex: -100 }).sum().item()).toBeCloseTo(Math.log(1 + Math.exp(-1)), 5)
    expect(errorOf(() => tokenLogprob(table, table, ids(1, 2))).message).toMatch(/^tokenLogprob: index 2/)
    expect(errorOf(() => zeros([0, 2]).gather(ids(0))).message).toMatch(/the axis is empty/)
    for (const method of ['gatherAlong', 'scatterAdd', 'scatterAddAlong'] as const)
      expect(
        errorOf(() =>
          method === 'gatherAlong'
            ? table.gatherAlong(tensor([[5, 0]], { dtype: 'i32' }), 0)
            : table[method](method === 'scatterAdd' ? ids(5) : tensor([[5, 0]], { dtype: 'i32' }), tensor([[1, 1]]), 0),
        ).message,
      ).toMatch(new RegExp(`^${method}: index 5`))
    // On a device they are clamped, so that no program reads what is not its own.
    const there = await ids(0, 2, -1).to(device)
    expect(await table.gather(there).toArray()).toEqual([
      [1, 2],
      [3, 4],
      [1, 2],
    ])
  })

  it('suggest a mask where a symbol would have to be computed with', async () => {
    const n = sym('n', { max: 4 })
    const m = sym('n', { max: 4 })
    const s = tensor([
      [1, 2],
      [3, 4],
      [5, 6],
    ]).symbolic(0, n)
    const other = tensor([
      [1, 2],
      [3, 4],
      [5, 6],
    ]).symbolic(0, m)
    expect(s.add(s).shape).toEqual([n, 2])
    for (const run of [
      () => s.reshape(-1),
      () => s.reshape(8),
      () => s.reshape(3, 2),
      () => s.flatten(),
      () => concat([s, s]),
      () =>
        s.pad([
          [1, 0],
          [0, 0],
        ]),
      () => s.repeat(2, 1),
      () => s.mean(0),
      () => s.split(2),
      () => s.add(other),
      () =>
        s.add(
          tensor([
            [1, 2],
            [3, 4],
            [5, 6],
          ]),
        ),
      () => s.slice(0, 1),
      () => tensor([[1, 1, 1]]).matmul(s),
    ])
      expect(errorOf(run).message, String(run)).toMatch(/mask/)
  })

  it('keeps logSumExp finite', async () => {
    expect(await logSumExp(tensor([1000, 1000])).item()).toBeCloseTo(1000 + Math.log(2), 3)
    expect(await logSumExp(tensor([-Infinity, -Infinity])).item()).toBe(-Infinity)
    expect(await logSumExp(tensor([1, Infinity])).item()).toBe(Infinity)
  })

  it('names the op, both shapes and the axis', () => {
    expect(errorOf(() => x.add(tensor([1, 2]))).message).toMatch(/add: shapes \[2, 3\] and \[2\].*axis -1 is 3 in one and 2 in the other/)
    expect(errorOf(() => x.matmul(x)).message).toMatch(/matmul.*\[2, 3\].*\[2, 3\]/)
    expect(errorOf(() => x.add(tensor(new Int32Array([1, 2, 3])))).code).toBe('DTYPE')
    expect(errorOf(() => x.sum(2)).message).toMatch(/axis 2 is out of range for rank 2/)
    expect(errorOf(() => tensor(new Int32Array([1])).add(0.5)).message).toMatch(/0.5 cannot be held by i32/)
    expect(errorOf(() => x.reshape(4, -1)).code).toBe('SHAPE')
  })
})

describe('ownership', () => {
  it('computes shared work once and keeps what was asked for', async () => {
    const x = tensor([1, 2])
    const y = x.exp()
    const z = y.add(1)
    await realize([y, z])
    expect(y.realized && z.realized).toBe(true)
    const before = device.memory().liveBuffers
    await z.data()
    expect(device.memory().liveBuffers).toBe(before)
  })

  it('frees with dispose and refuses later use', async () => {
    const before = device.memory().liveBytes
    const x = await tensor([1, 2, 3]).add(1).realize()
    expect(device.memory().liveBytes).toBeGreaterThan(before)
    x.dispose()
    x.dispose()
    expect(errorOf(() => x.add(1)).code).toBe('DISPOSED')
    const y = await tensor([5]).realize()
    const lazy = y.add(1)
    y.dispose()
    await expect(lazy.data()).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  it('has no numeric value', () => {
    expect(errorOf(() => Number(tensor([1]))).code).toBe('TRACE')
    expect(`${tensor([[1]])}`).toBe('Tensor(f32[1, 1])')
  })

  it('refuses programs over two devices, and moves with to()', async () => {
    const other = referenceDevice()
    const a = await tensor([1]).to(device)
    const b = await tensor([2]).to(other)
    await expect(a.add(b).data()).rejects.toThrow(/two devices/)
    expect(await a.add(await b.to(device)).item()).toBe(3)
  })
})
