import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { jit, key, onWarning, referenceDevice, resolveDevice, scalar, setDefaultDevice, sym, tensor, where, type Tensor } from '../index.js'

const device = referenceDevice()
setDefaultDevice(device)
const cpu = await resolveDevice('cpu', { threads: 1 })
afterAll(() => cpu.dispose())
afterEach(() => setDefaultDevice(device))

describe('what a jitted function is compiled for', () => {
  it('says which component differed', async () => {
    const reasons: string[] = []
    type Options = { readonly mode: string | null; readonly deep: readonly (boolean | string)[] }
    const f = jit(
      (x: Tensor, options: Options, extra?: Tensor) => (options.mode === 'neg' ? x.neg() : extra === undefined ? x.add(1) : x.add(extra)),
      { onRecompile: (reason) => reasons.push(reason) },
    )
    const n = sym('n', { max: 8 })
    const x = tensor([1, 2])
    await f(x, { mode: 'neg', deep: [true] })
    await f(x, { mode: null, deep: [true] })
    await f(x, { mode: null, deep: [true, 'a'] })
    await f(x, { mode: null, deep: [false, 'a'] })
    await f(x, { deep: [false, 'a'], mode: null })
    await f(x, { deep: [false, 'a'], mode: null }, 3)
    await f(x.symbolic(0, n), { deep: [false, 'a'], mode: null }, 3)
    await f(await tensor([1, 2]).to(cpu), { deep: [false, 'a'], mode: null }, 3)
    await f(tensor([1, 2], { dtype: 'f16' }).freeze(), { deep: [false, 'a'], mode: null })
    expect(reasons).toEqual([
      'argument 1.mode: "neg" → null',
      'argument 1.deep: length 1 → 2',
      'argument 1.deep[0]: true → false',
      'argument 1: keys {mode, deep} → {deep, mode}',
      '2 arguments → 3',
      'argument 0: shape [2] → [n]',
      'argument 0: shape [n] → [2]',
      '3 arguments → 2',
    ])
    expect(f.size).toBe(9)
  })

  it('follows tensors to another device, and host tensors to where the others are', async () => {
    const reasons: string[] = []
    const f = jit((x: Tensor, y: Tensor) => x.add(y), { onRecompile: (reason) => reasons.push(reason) })
    expect((await f(tensor([1]), tensor([2]))).device).toBe(device)
    const there = await tensor([1]).to(cpu)
    const host = tensor([2])
    expect((await f(there, host)).device).toBe(cpu)
    expect(host.device).toBe(cpu)
    expect(reasons).toEqual(['argument 0: device reference → cpu'])
    expect((await f(await tensor([1]).to(device), tensor([2]))).device).toBe(device)
    expect(f.size).toBe(2)
    await expect(f(await tensor([1]).to(device), there)).rejects.toThrow(/one program cannot read tensors on two devices.*to\('/)
  })

  it('resolves the default device at the call, also when it has changed', async () => {
    const reasons: string[] = []
    const f = jit((x: Tensor) => x.add(1), { onRecompile: (reason) => reasons.push(reason) })
    const here = await f(tensor([1]))
    expect(here.device).toBe(device)
    setDefaultDevice(cpu)
    expect((await f(tensor([1]))).device).toBe(cpu)
    expect((await f(here)).device).toBe(device)
    expect((await f(tensor([1]).add(1))).device).toBe(cpu)
    expect(reasons).toEqual(['the default device'])
    const fixed = jit((x: Tensor) => x.add(1), { device })
    expect((await fixed(tensor([1]))).device).toBe(device)
  })

  it('takes lazy arguments where their own leaves are', async () => {
    const there = await tensor([1, 2]).to(cpu)
    const lazy = there.mul(3)
    const out = await jit((x: Tensor, y: Tensor) => x.add(y))(lazy, tensor([1, 1]))
    expect(out.device).toBe(cpu)
    expect(lazy.realized).toBe(true)
    expect([...(await out.data())]).toEqual([4, 7])
  })

  it('compares static arguments by value, down to functions and class instances', async () => {
    class Config {
      readonly factor: number
      constructor(factor: number) {
        this.factor = factor
      }
    }
    const f = jit(
      (x: Tensor, c: { readonly layers: number; readonly kind: Config; readonly act: (x: Tensor) => Tensor }) =>
        c.act(x.mul(c.layers * c.kind.factor)),
      { static: [1] },
    )
    const kind = new Config(2)
    const act = (x: Tensor): Tensor => x.neg()
    const x = tensor([1])
    expect(await (await f(x, { layers: 3, kind, act })).item()).toBe(-6)
    const same = { layers: 3, kind, act }
    await f(x, same)
    expect(f.size).toBe(1)
    same.layers = 4 // a changed configuration gets its own program
    expect(await (await f(x, same)).item()).toBe(-8)
    await f(x, { layers: 3, kind: new Config(2), act })
    await f(x, { layers: 3, kind, act: (t: Tensor) => t })
    expect(f.size).toBe(4)
  })

  it('keeps the 64 programs used last', async () => {
    let traced = 0
    const f = jit((x: Tensor, mode: string) => {
      traced++
      return mode === '' ? x : x.add(1)
    })
    const x = tensor([1])
    for (let i = 0; i < 64; i++) await f(x, `mode ${i}`)
    expect([f.size, traced]).toEqual([64, 64])
    await f(x, 'mode 0') // used again, so the next to go is mode 1
    await f(x, 'one more')
    await f(x, 'mode 0')
    expect([f.size, traced]).toEqual([64, 65])
    await f(x, 'mode 1')
    expect([f.size, traced]).toEqual([64, 66])
    f.dispose()
    expect(f.size).toBe(0)
  })

  it('traces once when first calls come together', async () => {
    let traced = 0
    const f = jit((x: Tensor, k: Tensor) => {
      traced++
      return x.mul(k)
    })
    const outs = await Promise.all([1, 2, 3, 4].map((k) => f(tensor([k]), 10)))
    expect(await Promise.all(outs.map((out) => out.item()))).toEqual([10, 20, 30, 40])
    const more = await Promise.all([1, 2].flatMap((k) => [f(tensor([k, k]), 10), f(tensor([[k]]), 10)]))
    expect(await Promise.all(more.map((out) => out.toArray()))).toEqual([[10, 10], [[10]], [20, 20], [[20]]])
    expect(traced).toBe(3)
  })

  it('compiles for every caller when the first of several fails', async () => {
    let tries = 0
    const f = jit((x: Tensor) => {
      if (tries++ === 0) throw new Error('not yet')
      return x.add(1)
    })
    expect(await Promise.allSettled([f(tensor([1])), f(tensor([2])).then((out) => out.item())])).toMatchObject([
      { reason: { message: 'not yet' } },
      { value: 3 },
    ])
  })

  it('reads captured tensors anew, with the symbols they carry', async () => {
    const n = sym('n', { max: 4 })
    const owner = tensor([1, 2, 3])
    const captured = owner.symbolic(0, n)
    const f = jit((x: Tensor) => x.mul(captured.sum()))
    expect(await (await f(tensor([2]))).item()).toBe(12)
    await expect(f.run([tensor([2])], { symbols: new Map([[n, 2]]) })).rejects.toThrow(/symbol 'n' is 2 and 3 in one call/)
    owner.dispose()
    await expect(f(tensor([2]))).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  it('keeps what it captured although nobody else does', async () => {
    const f = jit((x: Tensor) => x.add(tensor([40])))
    expect(await (await f(tensor([2]))).item()).toBe(42)
    expect(await (await f(tensor([3]))).item()).toBe(43)
  })

  it('gives lazy arguments the symbols of the call', async () => {
    const n = sym('n', { max: 4 })
    const f = jit((x: Tensor) => x.sum())
    const x = tensor([1, 2, 4, 8])
    expect(await (await f.run([x.slice(0, 0, n)], { symbols: new Map([[n, 3]]) })).item()).toBe(7)
  })

  it('computes nothing when nothing is asked for', async () => {
    for (const on of [device, cpu]) {
      expect(await jit((_x: Tensor) => ({ count: 3, name: 'three' }), { device: on })(tensor([1]))).toEqual({ count: 3, name: 'three' })
      expect(await (await jit((x: Tensor) => x, { donate: [0], device: on })(tensor([5]))).item()).toBe(5)
      expect(await (await jit((x: Tensor) => x, { device: on })(tensor([5]))).item()).toBe(5)
      const [a, b] = await jit(
        (x: Tensor) => {
          const y = x.add(1)
          return [y, y] as const
        },
        { device: on },
      )(tensor([5]))
      a.dispose()
      expect(await b.item()).toBe(6)
    }
  })

  it('does not compile again for another random key', async () => {
    const f = jit((k: Tensor) => k.sum())
    for (const seed of [1, 2, 3]) await f(key(seed))
    expect(f.size).toBe(1)
  })
})

describe.each([device, cpu])('frozen weights on $name', (on) => {
  it('end the programs over them when they are freed for writing', async () => {
    const w = tensor([
      [1, 2],
      [3, 4],
    ])
    const x = tensor([[1, 1]])
    const asArgument = jit((a: Tensor, b: Tensor) => a.matmul(b), { device: on })
    const captured = jit((a: Tensor) => a.matmul(w), { device: on })
    for (let round = 0; round < 3; round++) {
      w.freeze()
      for (const later of [asArgument(x, w), captured(x)]) expect(await (await later).toArray()).toEqual([[4, 6]])
      // Calls under way end well, and none after them finds the old programs.
      const running = [
        asArgument.run([x, w], { async: true }),
        captured.run([x], { async: true }),
        x.matmul(w).realize({ async: true, device: on }),
      ]
      w.unfreeze()
      for (const later of running) expect(await (await later).toArray()).toEqual([[4, 6]])
      expect(await (await captured(x)).toArray()).toEqual([[4, 6]])
    }
    expect(asArgument.size).toBeLessThanOrEqual(2)
    expect(captured.size).toBe(1)
  })

  it('compile once, whether they wait on the host or not', async () => {
    const w = tensor([
      [1, 2],
      [3, 4],
    ]).freeze()
    const x = await tensor([[1, 1]]).to(on)
    const before = on.memory().programs
    await x.matmul(w).data()
    await x.matmul(w).data()
    expect(on.memory().programs).toBe(before + 1)
    w.dispose()
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(on.memory().programs).toBe(before)
  })
})

describe('constants', () => {
  it('warns of programs that differ in one, and names the operation that reads it', async () => {
    const warnings: string[] = []
    const remove = onWarning((message) => warnings.push(message))
    const x = await tensor([1, 2]).realize()
    const run = (k: number | Tensor): Promise<unknown> => where(x.gt(0.5), x, 0.25).maximum(k).data()
    for (let i = 0; i < 7; i++) await run(1000 + i)
    await run(1000)
    expect(warnings).toEqual([])
    for (let i = 0; i < 4; i++) await run(2000 + i)
    for (let i = 0; i < 12; i++) await run(scalar(i))
    remove()
    expect(warnings).toEqual([
      expect.stringMatching(
        /^8 programs differ only in a constant, the last one read by 'max'; each is compiled anew. Pass the number as scalar\(x\)/,
      ),
    ])
  })
})
