import { afterEach, describe, expect, it } from 'vitest'
import {
  jit,
  onWarning,
  realize,
  referenceDevice,
  scalar,
  setDefaultDevice,
  sym,
  tensor,
  TensorError,
  valueAndGrad,
  where,
  type Tensor,
} from '../index.js'

const device = referenceDevice()
setDefaultDevice(device)

const caught = async (run: () => Promise<unknown>): Promise<TensorError> => {
  try {
    await run()
  } catch (error) {
    if (error instanceof TensorError) return error
    throw error
  }
  throw new Error('expected an error')
}

let removeListener: (() => void) | undefined
afterEach(() => removeListener?.())

describe('jit', () => {
  it('compiles once per shape and says what differed', async () => {
    const reasons: string[] = []
    let traced = 0
    const double = jit(
      (x: Tensor) => {
        traced++
        return x.add(x)
      },
      { onRecompile: (reason) => reasons.push(reason) },
    )
    expect(Array.from(await (await double(tensor([1, 2]))).data())).toEqual([2, 4])
    expect(Array.from(await (await double(tensor([3, 4]))).data())).toEqual([6, 8])
    expect(traced).toBe(1)
    await double(tensor([1, 2, 3]))
    expect(traced).toBe(2)
    expect(reasons).toEqual(['argument 0: shape [2] → [3]'])
    await double(tensor(new Int32Array([1, 2, 3])))
    expect(reasons[1]).toBe('argument 0: dtype f32 → i32')
    expect(double.size).toBe(3)
  })

  it('takes numbers as scalars without recompiling', async () => {
    const scale = jit((x: Tensor, factor: Tensor) => x.mul(factor))
    const x = tensor([1, 2])
    expect(Array.from(await (await scale(x, 3)).data())).toEqual([3, 6])
    expect(Array.from(await (await scale(x, 5)).data())).toEqual([5, 10])
    expect(scale.size).toBe(1)
  })

  it('treats strings and booleans as static, functions only by declaration', async () => {
    const f = jit((x: Tensor, mode: string, deep: { readonly on: boolean }) => (mode === 'neg' ? x.neg() : deep.on ? x.mul(2) : x))
    const x = tensor([1])
    expect(await (await f(x, 'neg', { on: true })).item()).toBe(-1)
    expect(await (await f(x, 'pos', { on: true })).item()).toBe(2)
    const g = jit((t: Tensor, fn: (t: Tensor) => Tensor) => fn(t))
    expect((await caught(() => g(x, (t: Tensor) => t))).code).toBe('TRACE')
    const h = jit((t: Tensor, fn: (t: Tensor) => Tensor) => fn(t), { static: [1] })
    expect(await (await h(x, (t) => t.add(41))).item()).toBe(42)
  })

  it('reads captured tensors at each call and refuses disposed ones', async () => {
    const bias = tensor([10])
    const f = jit((x: Tensor) => x.add(bias))
    expect(await (await f(tensor([1]))).item()).toBe(11)
    bias.dispose()
    expect((await caught(() => f(tensor([1])))).code).toBe('DISPOSED')
  })

  it('refuses promises, reads and branches while tracing', async () => {
    const x = tensor([1])
    expect((await caught(() => jit(async (t: Tensor) => t)(x))).message).toMatch(/promise/)
    const branching = jit((t: Tensor) => (Number(t) > 0 ? t : t.neg()))
    expect((await caught(() => branching(x))).message).toMatch(/where/)
    const reading = jit((t: Tensor) => {
      void t.data().catch(() => undefined)
      return t.add(1)
    })
    expect((await caught(() => reading(x))).message).toMatch(/data\(\) was called inside 'function' while jit traces it/)
    expect((await caught(() => jit((t: Tensor) => ({ later: realize(t) }))(x))).message).toMatch(/realize\(\) was called inside/)
    const asynchronous = jit(async (t: Tensor) => (await t.item()) + 1)
    expect((await caught(() => asynchronous(x))).message).toMatch(/promise/) // and the promise's own failure stays its own
  })

  it('refuses jitted functions inside', async () => {
    const inner = jit((t: Tensor) => t.add(1), { name: 'inner' })
    const outer = jit(
      (t: Tensor) => {
        void inner(t)
        return t
      },
      { name: 'outer' },
    )
    expect((await caught(() => outer(tensor([1])))).message).toMatch(
      /jit inner was called while jit traces 'outer'.*call the function itself/,
    )
    expect(await (await inner(tensor([1]))).item()).toBe(2)
  })

  it('leaves no trace in force when the function throws', async () => {
    const f = jit((t: Tensor) => {
      if (t.rank === 1) throw new RangeError('no')
      return t
    })
    await expect(f(tensor([1]))).rejects.toThrow(RangeError)
    expect(await tensor([1]).add(1).item()).toBe(2)
    expect(await (await f(tensor([[1]]))).item()).toBe(1)
  })

  it('donates: the handle dies, memory stays constant', async () => {
    const update = jit((state: Tensor, row: Tensor) => state.updateSlice(row, [1, 0]), { donate: [0] })
    let state = tensor([
      [0, 0],
      [0, 0],
    ])
    const row = tensor([[5, 6]])
    const first = state
    state = await update(state, row)
    const before = device.memory().liveBytes
    for (let i = 0; i < 20; i++) state = await update(state, row)
    expect(device.memory().liveBytes).toBe(before)
    expect(await state.toArray()).toEqual([
      [0, 0],
      [5, 6],
    ])
    const error = await caught(() => first.data())
    expect(error.code).toBe('DONATED')
    expect((await caught(() => update(first, row))).code).toBe('DONATED')
  })

  it('refuses one buffer given twice', async () => {
    const f = jit((a: Tensor, b: Tensor) => a.add(b), { donate: [0] })
    const x = await tensor([1, 2]).realize()
    expect((await caught(() => f(x, x))).message).toMatch(/two places/)
    expect(Array.from(await x.data())).toEqual([1, 2])
  })

  it('splits the program when a donated value is read too late, and agrees with aliasing off', async () => {
    const run = async (alias: boolean): Promise<unknown> => {
      const f = jit((state: Tensor, row: Tensor) => ({ next: state.updateSlice(row, [0]), sum: state.sum() }), { donate: [0], alias })
      const { next, sum } = await f(tensor([1, 2, 3]), tensor([9]))
      return [await next.toArray(), await sum.item()]
    }
    expect(await run(true)).toEqual([[9, 2, 3], 6])
    expect(await run(false)).toEqual(await run(true))
  })

  it('hands a donated argument through', async () => {
    const f = jit((a: { x: Tensor; y: Tensor }) => ({ x: a.x, y: a.y.add(1) }), { donate: [0] })
    const out = await f({ x: tensor([1]), y: tensor([2]) })
    expect([await out.x.item(), await out.y.item()]).toEqual([1, 3])
  })

  it('runs one program for every value of a symbol', async () => {
    const length = sym('length', { max: 4 })
    const f = jit((x: Tensor) => x.slice(0, 0, length).sum())
    const x = tensor([1, 2, 3, 4])
    for (const [n, sum] of [
      [0, 0],
      [1, 1],
      [4, 10],
    ] as const)
      expect(await (await f.run([x], { symbols: new Map([[length, n]]) })).item()).toBe(sum)
    expect((await caught(() => f.run([x], { symbols: new Map([[length, 5]]) }))).message).toMatch(/from 0 to 4/)
    expect((await caught(() => f(x))).code).toBe('VALUE')
    expect(f.size).toBe(1)
  })

  it('shares one program among inputs of any length', async () => {
    const tokens = sym('tokens', { max: 8 })
    const f = jit((x: Tensor) => x.mul(2))
    for (const n of [1, 3, 8]) {
      using x = tensor(Array.from({ length: n }, (_, i) => i))
      using y = await f(x.symbolic(0, tokens))
      expect(Array.from(await y.data())).toEqual(Array.from({ length: n }, (_, i) => 2 * i))
    }
    expect(f.size).toBe(1)
  })

  it('trains: a jitted step with gradients inside', async () => {
    const loss = (params: { w: Tensor; b: Tensor }, x: Tensor, y: Tensor): Tensor => x.matmul(params.w).add(params.b).sub(y).square().mean()
    const step = jit(
      (params: { w: Tensor; b: Tensor }, x: Tensor, y: Tensor, lr: Tensor) => {
        const { value, grads } = valueAndGrad(loss)(params, x, y)
        return { params: { w: params.w.sub(grads.w.mul(lr)), b: params.b.sub(grads.b.mul(lr)) }, loss: value }
      },
      { donate: [0] },
    )
    const x = tensor([[0], [1], [2], [3]])
    const y = tensor([[1], [3], [5], [7]])
    let params = { w: tensor([[0]]), b: tensor([0]) }
    const rate = scalar(0.1)
    let last = Infinity
    for (let i = 0; i < 200; i++) {
      const out = await step(params, x, y, rate)
      params = out.params
      if (i === 199) last = await out.loss.item()
      out.loss.dispose()
    }
    expect(last).toBeLessThan(1e-3)
    expect(await params.w.item()).toBeCloseTo(2, 1)
  })

  it('warns when programs differ only in a constant', async () => {
    const warnings: string[] = []
    removeListener = onWarning((message) => warnings.push(message))
    const x = await tensor([1, 2]).realize()
    for (let i = 0; i < 9; i++)
      await where(x.gt(0), x, 0)
        .add(1000 + i)
        .data()
    expect(warnings.filter((message) => message.includes('scalar(x)'))).toHaveLength(1)
  })
})
