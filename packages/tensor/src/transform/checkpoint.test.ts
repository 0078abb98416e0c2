import { afterAll, describe, expect, it } from 'vitest'
import {
  checkpoint,
  dropout,
  foldKey,
  grad,
  jit,
  key,
  referenceDevice,
  resolveDevice,
  setDefaultDevice,
  tensor,
  valueAndGrad,
  type Tensor,
} from '../index.js'
import { lower } from '../compile/lower.js'
import { topological } from '../graph/walk.js'

setDefaultDevice(referenceDevice())
const cpu = await resolveDevice('cpu', { threads: 1 })
afterAll(() => cpu.dispose())

const values = async (t: Tensor): Promise<number[]> => [...(await t.data())]
const countOf = (op: string, tensors: readonly Tensor[]): number =>
  topological(
    lower(
      tensors.map((t) => t.value),
      { name: 'null', supports: () => true },
    ).outputs,
  ).filter((node) => node.op === op).length
const x = tensor([
  [0.1, 0.2],
  [0.3, -0.4],
])
const w = tensor([
  [1, 2],
  [3, 4],
])

describe('checkpoint', () => {
  it.each([[referenceDevice()], [cpu]])('repeats the masks of dropout inside jit', async (device) => {
    const layer = (h: Tensor, p: Tensor, k: Tensor): Tensor => dropout(h.matmul(p).tanh(), 0.5, { key: foldKey(k, 'site'), train: true })
    const loss = (wrap: typeof checkpoint) => (p: Tensor, h: Tensor, k: Tensor) => {
      const one = wrap((t: Tensor) => layer(t, p, foldKey(k, 'one')))(h)
      return wrap((t: Tensor) => layer(t, p, foldKey(k, 'two')))(one)
        .square()
        .sum()
    }
    const plain = jit(valueAndGrad(loss((fn) => fn)), { device })
    const kept = jit(valueAndGrad(loss(checkpoint)), { device })
    const seen = new Set<string>()
    for (let seed = 0; seed < 8; seed++) {
      const [a, b] = [await plain(w, x, key(seed)), await kept(w, x, key(seed))]
      expect(await b.value.item()).toBe(await a.value.item())
      const [g, h] = [await values(a.grads), await values(b.grads)]
      g.forEach((value, i) => expect(h[i]).toBeCloseTo(value, 5))
      seen.add(g.join())
    }
    expect(seen.size).toBeGreaterThan(4) // the masks differ from key to key
    expect(kept.size).toBe(1)
  })

  it('goes back once through a region with several results', async () => {
    const region = (h: Tensor) => {
      const trunk = h.matmul(w).tanh()
      return { a: trunk.sin(), b: trunk.cos(), whole: trunk.argMax(-1) }
    }
    const loss = (wrap: typeof checkpoint) => (h: Tensor) => {
      const { a, b, whole } = wrap(region)(h)
      return { loss: a.mul(b).sum(), whole }
    }
    const [plain, kept] = [valueAndGrad(loss((fn) => fn))(x), valueAndGrad(loss(checkpoint))(x)]
    // Forward, forward again, and one way back through the product.
    expect(countOf('matmul', [kept.value.loss, kept.grads])).toBe(countOf('matmul', [plain.value.loss, plain.grads]) + 1)
    expect(await values(kept.grads)).toEqual(await values(plain.grads))
    expect(await values(kept.value.whole)).toEqual(await values(plain.value.whole))
  })

  it('holds regions in regions, and gradients of gradients', async () => {
    const f =
      (wrap: typeof checkpoint) =>
      (h: Tensor): Tensor =>
        wrap((t: Tensor) => wrap((u: Tensor) => u.mul(u).sin())(t).mul(t))(h).sum()
    const plain = (fn: (...args: never[]) => unknown): never => fn as never
    const second = (wrap: typeof checkpoint) => grad((t: Tensor) => grad(f(wrap))(t).square().sum())
    expect(await values(grad(f(checkpoint))(x))).toEqual(await values(grad(f(plain))(x)))
    const [a, b] = [await values(second(checkpoint)(x)), await values(second(plain)(x))]
    a.forEach((value, i) => expect(value).toBeCloseTo(b[i]!, 4))
  })

  it('holds a gradient inside, which is differentiated like anything else', async () => {
    const energy = (h: Tensor): Tensor => h.mul(h).mul(h).sum()
    const force = (h: Tensor): Tensor => valueAndGrad(energy)(h).grads
    const loss =
      (wrap: typeof checkpoint) =>
      (h: Tensor): Tensor =>
        wrap(force)(h).square().sum()
    // The force is 3h², its square 9h⁴, the gradient of that 36h³.
    const grads = await values(grad(loss(checkpoint))(tensor([1, 2, -1])))
    expect(grads).toEqual([36, 288, -36])
    expect(await values(grad(loss((fn) => fn))(tensor([1, 2, -1])))).toEqual(grads)
  })

  it('hands through what it is given, and what is no tensor', async () => {
    const out = checkpoint((h: Tensor) => ({ h, twice: h.mul(2), name: 'n' }))(x)
    expect(out.name).toBe('n')
    expect(await values(out.h)).toEqual(await values(x))
    const g = grad((h: Tensor) => checkpoint((t: Tensor) => t)(h).sum())(x)
    expect(await values(g)).toEqual([1, 1, 1, 1])
    expect(checkpoint(() => 3)()).toBe(3)
  })

  it('refuses promises, whose failures stay their own', () => {
    expect(() => checkpoint(async () => Promise.reject(new Error('late')))()).toThrow(/checkpoint: the function returned a promise/)
  })
})
