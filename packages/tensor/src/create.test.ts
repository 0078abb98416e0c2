import { describe, expect, it } from 'vitest'
import {
  arange,
  declare,
  eye,
  fromBytes,
  full,
  linspace,
  nullDevice,
  ones,
  onesLike,
  referenceDevice,
  scalar,
  setDefaultDevice,
  sym,
  tensor,
  TensorError,
  zeros,
  zerosLike,
  type DType,
  type NestedValues,
} from './index.js'

setDefaultDevice(referenceDevice())

const errorOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    if (error instanceof TensorError) return `${error.code} ${error.message}`
    throw error
  }
  return 'nothing'
}

describe('tensor', () => {
  it('takes nested arrays, typed arrays, numbers and booleans', async () => {
    expect(
      await tensor([
        [1, 2],
        [3, 4],
      ]).toArray(),
    ).toEqual([
      [1, 2],
      [3, 4],
    ])
    expect(tensor([[[]], [[]]]).shape).toEqual([2, 1, 0])
    expect(tensor([]).shape).toEqual([0])
    expect(tensor(new Int32Array([1, 2])).dtype).toBe('i32')
    expect(await tensor([1, 2, 3, 4], { shape: [2, 2], dtype: 'u8' }).toArray()).toEqual([
      [1, 2],
      [3, 4],
    ])
    expect(await tensor([], { shape: [0, 3] }).toArray()).toEqual([])
    expect(await tensor(true).item()).toBe(1)
    expect(tensor([[true], [false]]).dtype).toBe('bool')
    expect(tensor([true, 2]).dtype).toBe('f32')
    expect(await tensor([true, 2]).toArray()).toEqual([1, 2])
    expect(await scalar(7, 'i32').item()).toBe(7)
  })

  it('takes every kind of typed array with its own dtype, and converts to any other', async () => {
    const arrays = {
      f64: new Float64Array([1, 300]),
      f32: new Float32Array([1, 300]),
      i32: new Int32Array([1, 300]),
      u32: new Uint32Array([1, 300]),
      i8: new Int8Array([1, 44]),
      u8: new Uint8Array([1, 44]),
    }
    for (const [dtype, array] of Object.entries(arrays)) {
      expect(tensor(array).dtype).toBe(dtype)
      for (const to of ['f64', 'f32', 'f16', 'bf16', 'i32', 'u32', 'i8', 'u8', 'bool'] satisfies DType[]) {
        const expected = to === 'bool' ? 1 : to === 'i8' ? Math.min(127, array[1]!) : to === 'u8' ? Math.min(255, array[1]!) : array[1]!
        expect(await tensor(array, { dtype: to }).toArray(), `${dtype} as ${to}`).toEqual([1, expected])
      }
    }
    expect(await tensor(new Int16Array([-3]), { dtype: 'i32' }).toArray()).toEqual([-3])
    expect(await tensor(new Uint8ClampedArray([3]), { dtype: 'f32' }).toArray()).toEqual([3])
    expect(await tensor(new Uint16Array([0x3c00]), { dtype: 'f16' }).toArray()).toEqual([1])
    expect(await tensor(new Uint16Array([0x3c00]), { dtype: 'f32' }).toArray()).toEqual([0x3c00])
  })

  it('casts numbers: saturating, NaN as 0, anything but 0 true', async () => {
    expect(await tensor([300, -5, NaN, 1.9], { dtype: 'u8' }).toArray()).toEqual([255, 0, 0, 1])
    expect(await tensor([2, 0, NaN, -1], { dtype: 'bool' }).toArray()).toEqual([1, 0, 1, 1])
    expect(await tensor(new Uint8Array([5, 0]), { dtype: 'bool' }).bytes()).toEqual(new Uint8Array([1, 0]))
  })

  it('copies unless told to adopt', async () => {
    const values = new Float32Array([1, 2])
    const [copied, adopted] = [tensor(values), tensor(values, { adopt: true })]
    values[0] = 9
    expect([...(await copied.data())]).toEqual([1, 2])
    expect([...(await adopted.data())]).toEqual([9, 2])
    const read = await copied.data()
    read[0] = 7
    expect([...(await copied.data())]).toEqual([1, 2])
  })

  it('says what is wrong with data', () => {
    expect(errorOf(() => tensor([[1, 2], [3]]))).toMatch(/SHAPE tensor: data\[1\] has shape \[1\], where others have \[2\]/)
    expect(errorOf(() => tensor([[1, 2], 3]))).toMatch(/SHAPE tensor: data\[1\] is a number, where others have shape \[2\]/)
    expect(errorOf(() => tensor([1, [2]]))).toMatch(/SHAPE tensor: data\[1\] has shape \[1\], where others have numbers/)
    expect(
      errorOf(() =>
        tensor([
          [[1], [2]],
          [[1], ['x' as never]],
        ]),
      ),
    ).toMatch(/VALUE tensor: data\[1\]\[1\]\[0\] is a string/)
    expect(errorOf(() => tensor(undefined as unknown as NestedValues))).toMatch(/VALUE tensor: data is undefined/)
    expect(errorOf(() => tensor([1n] as never))).toMatch(/VALUE tensor: data\[0\] is a bigint/)
    expect(errorOf(() => tensor([1, 2, 3], { shape: [2, 2] }))).toMatch(/3 values do not fill \[2, 2\]/)
    expect(errorOf(() => tensor([1, 2, 3], { shape: [1.5, 2] }))).toMatch(/SHAPE tensor: \[1.5, 2\] is not a shape/)
    expect(errorOf(() => tensor([1], { shape: [-1] }))).toMatch(/SHAPE tensor: \[-1\] is not a shape/)
    expect(errorOf(() => tensor([1, 2], { shape: [sym('n', { max: 2 })] }))).toMatch(/symbol n.*symbolic\(\)/)
    expect(errorOf(() => tensor(new Uint16Array(2)))).toMatch(/DTYPE tensor: the dtype of a Uint16Array must be said: f16 or bf16/)
    expect(errorOf(() => tensor(new Int16Array(2)))).toMatch(/DTYPE tensor: the dtype of a Int16Array must be said/)
    expect(errorOf(() => tensor(new BigInt64Array(2) as never))).toMatch(/DTYPE tensor: a BigInt64Array is not taken; convert/)
    expect(errorOf(() => tensor(new DataView(new ArrayBuffer(8)) as never))).toMatch(
      /DTYPE tensor: a DataView is not taken; pass bytes to fromBytes/,
    )
    expect(errorOf(() => fromBytes(new Uint8Array(3), { dtype: 'f32', shape: [1] }))).toMatch(/takes 4 bytes, got 3/)
    expect(errorOf(() => fromBytes(new Uint8Array([1, 2]), { dtype: 'bool', shape: [2] }))).toMatch(
      /VALUE fromBytes: bool is 0 or 1, got 2 at 1/,
    )
  })

  it('takes a million numbers without nesting anything', async () => {
    const many = Array.from({ length: 1_000_000 }, (_, i) => i)
    expect((await tensor(many).data())[999_999]).toBe(999_999)
  })
})

describe('lazy tensors', () => {
  it('are filled as their names say', async () => {
    expect(await full([2, 1], 3, 'i32').toArray()).toEqual([[3], [3]])
    expect(await full([2], 300, 'u8').toArray()).toEqual([255, 255])
    expect([await zeros([2]).toArray(), await ones([1], 'bool').toArray()]).toEqual([[0, 0], [1]])
    const x = tensor([[1, 2]], { dtype: 'f16' })
    expect([zerosLike(x).shape, onesLike(x).dtype]).toEqual([[1, 2], 'f16'])
    expect(await arange(3, { start: 2, step: 5 }).toArray()).toEqual([2, 7, 12])
    expect(await arange(3, { step: 0.5, dtype: 'f32' }).toArray()).toEqual([0, 0.5, 1])
    expect(await eye(2).toArray()).toEqual([
      [1, 0],
      [0, 1],
    ])
    for (const [a, b, n] of [
      [0, 1, 5],
      [-3, 7, 11],
      [2, 2, 3],
      [1, -1, 4],
      [0.1, 0.7, 24],
      [5, 9, 1],
    ] as const) {
      const got = await linspace(a, b, n).data()
      expect(got).toHaveLength(n)
      got.forEach((value, i) => expect(value).toBeCloseTo(n === 1 ? a : a + ((b - a) * i) / (n - 1), 6))
      if (n > 1) expect([got[0], got[n - 1]]).toEqual([Math.fround(a), Math.fround(b)])
    }
  })

  it('say what is wrong by their own name', () => {
    expect(errorOf(() => zeros([-1]))).toMatch(/^SHAPE zeros: /)
    expect(errorOf(() => ones([1.5]))).toMatch(/^SHAPE ones: /)
    expect(errorOf(() => full([NaN], 1))).toMatch(/^SHAPE full: /)
    expect(errorOf(() => arange(3, { step: 0.5 }))).toMatch(/^DTYPE arange: the number 0.5 cannot be held by i32/)
    expect(errorOf(() => arange(-3))).toMatch(/^SHAPE arange: /)
    expect(errorOf(() => linspace(0, 1, 0))).toMatch(/^VALUE linspace: /)
    expect(errorOf(() => linspace(0, 1, 3, 'i32'))).toMatch(/^DTYPE linspace: /)
    expect(errorOf(() => eye(-1))).toMatch(/^SHAPE eye: /)
  })
})

describe('declare', () => {
  it('plans on the null device, and computes nowhere', async () => {
    const device = nullDevice()
    const w = declare([4096, 4096])
    await w.matmul(declare([4096, 4096])).realize({ device })
    expect(device.memory().peakBytes).toBe(3 * 4096 * 4096 * 4)
    await expect(w.data()).rejects.toMatchObject({ code: 'DEVICE' })
    for (const run of [() => declare([2]).data(), () => declare([2]).add(1).data()])
      await expect(run()).rejects.toThrow(/declared without values.*tensor\(\) or fromBytes\(\)/)
  })
})
