import { describe, expect, it } from 'vitest'
import { arange, concat, fromBytes, full, logSumExp, oneHot, realize, referenceDevice, scalar, setDefaultDevice, stack, tensor, TensorError, tril, where, zeros } from './index.js'

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

describe('making tensors', () => {
  it('takes nested arrays, typed arrays and numbers', async () => {
    expect(await tensor([[1, 2], [3, 4]]).toArray()).toEqual([[1, 2], [3, 4]])
    expect(tensor(new Int32Array([1, 2])).dtype).toBe('i32')
    expect(await tensor([1, 2, 3, 4], { shape: [2, 2], dtype: 'u8' }).toArray()).toEqual([[1, 2], [3, 4]])
    expect(await tensor([300, -5, NaN], { dtype: 'u8' }).toArray()).toEqual([255, 0, 0])
    expect(await scalar(7, 'i32').item()).toBe(7)
    expect(await tensor([], { shape: [0, 3] }).toArray()).toEqual([])
  })

  it('copies unless told to adopt', async () => {
    const values = new Float32Array([1, 2])
    const copied = tensor(values)
    values[0] = 9
    expect(Array.from(await copied.data())).toEqual([1, 2])
  })

  it('stores halves as bits', async () => {
    const x = tensor([1, 65504, 1e-8, 0.1], { dtype: 'f16' })
    expect((await x.bytes()).byteLength).toBe(8)
    expect(Array.from(await x.data())).toEqual([1, 65504, 0, 0.0999755859375])
    expect(Array.from(await tensor(new Uint16Array([0x3f80]), { dtype: 'bf16' }).data())).toEqual([1])
  })

  it('says what is wrong with data', () => {
    expect(errorOf(() => tensor([[1, 2], [3]])).message).toMatch(/data\[1\] has shape \[1\]/)
    expect(errorOf(() => tensor([1, 2, 3], { shape: [2, 2] })).message).toMatch(/3 values do not fill \[2, 2\]/)
    expect(errorOf(() => tensor(new Uint16Array(2))).code).toBe('DTYPE')
    expect(errorOf(() => fromBytes(new Uint8Array(3), { dtype: 'f32', shape: [1] })).message).toMatch(/takes 4 bytes, got 3/)
  })
})

describe('operations', () => {
  const x = tensor([[1, -2, 3], [4, 5, -6]])

  it('follow NumPy', async () => {
    expect(await x.add(tensor([10, 20, 30])).toArray()).toEqual([[11, 18, 33], [14, 25, 24]])
    expect(await x.max().item()).toBe(5)
    expect(await x.min(1).toArray()).toEqual([-2, -6])
    expect(await tensor(new Uint32Array([5, 0, 4294967295])).min().item()).toBe(0)
    expect(await tensor(new Int32Array([-2147483648, 3])).min().item()).toBe(-2147483648)
    expect(await x.mean(0).toArray()).toEqual([2.5, 1.5, -1.5])
    expect(await tensor([1, 2, 3, 4]).variance(0, { correction: 1 }).item()).toBeCloseTo(5 / 3, 6)
    expect(await x.transpose().toArray()).toEqual([[1, 4], [-2, 5], [3, -6]])
    expect(await x.slice(1, -2).toArray()).toEqual([[-2, 3], [5, -6]])
    expect(await x.reshape(3, -1).toArray()).toEqual([[1, -2], [3, 4], [5, -6]])
    expect(await x.argMax().toArray()).toEqual([2, 1])
    expect(await x.ge(3).toArray()).toEqual([[0, 0, 1], [1, 1, 0]])
    expect(await x.clip(-1, 2).toArray()).toEqual([[1, -1, 2], [2, 2, -1]])
    expect(await tensor([2, 3]).pow(5).toArray()).toEqual([32, 243])
    expect(await tensor([2, 4]).pow(-1).toArray()).toEqual([0.5, 0.25])
    expect(await where(x.gt(0), x, 0).toArray()).toEqual([[1, 0, 3], [4, 5, 0]])
    expect(await concat([x, x.neg()], 1).toArray()).toEqual([[1, -2, 3, -1, 2, -3], [4, 5, -6, -4, -5, 6]])
    expect(await stack([tensor([1, 2]), tensor([3, 4])], 1).toArray()).toEqual([[1, 3], [2, 4]])
    expect(await tensor([1, 2]).matmul(tensor([[1, 2], [3, 4]])).toArray()).toEqual([7, 10])
    expect(await tensor([1, 2]).matmul(tensor([3, 4])).item()).toBe(11)
    expect(await arange(3, { start: 2, step: 5 }).toArray()).toEqual([2, 7, 12])
    expect(await oneHot(tensor(new Int32Array([2, 0])), 3).toArray()).toEqual([[0, 0, 1], [1, 0, 0]])
    expect(await tril(2, 3).toArray()).toEqual([[1, 0, 0], [1, 1, 0]])
    expect(await full([2], 3, 'i32').add(zeros([2], 'i32')).toArray()).toEqual([3, 3])
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
