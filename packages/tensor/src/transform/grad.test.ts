import { describe, expect, it } from 'vitest'
import {
  adamwStep,
  attendCached,
  cacheWrite,
  checkpoint,
  grad,
  referenceDevice,
  rope,
  scalar,
  setDefaultDevice,
  tensor,
  valueAndGrad,
  zeros,
  type Tensor,
  type TensorError,
} from '../index.js'
import { lower } from '../compile/lower.js'
import { topological } from '../graph/walk.js'

setDefaultDevice(referenceDevice())

describe('valueAndGrad', () => {
  it('differentiates nested records and hands extras through', async () => {
    const fn = (p: { a: Tensor; deep: { b: Tensor }[] }, x: Tensor) => {
      const y = p.a.mul(x).add(p.deep[0]!.b)
      return { loss: y.square().sum(), y }
    }
    const { value, grads } = valueAndGrad(fn)({ a: tensor([2, 3]), deep: [{ b: tensor([1, 1]) }] }, tensor([1, 2]))
    expect(Array.from(await value.y.data())).toEqual([3, 7])
    expect(await value.loss.item()).toBe(58)
    expect(Array.from(await grads.a.data())).toEqual([6, 28])
    expect(Array.from(await grads.deep[0]!.b.data())).toEqual([6, 14])
  })

  it('gives second derivatives', async () => {
    const cube = (x: Tensor): Tensor => x.mul(x).mul(x).sum()
    const second = grad((x: Tensor) => grad(cube)(x).sum())
    expect(Array.from(await second(tensor([1, 2, -3])).data())).toEqual([6, 12, -18])
  })

  it('gives a tensor passed twice two gradients, and an unused one zeros', async () => {
    const w = tensor([3])
    const { grads } = valueAndGrad((p: { a: Tensor; b: Tensor; c: Tensor }) => p.a.mul(p.b).sum())({ a: w, b: w, c: tensor([1, 2]) })
    expect([await grads.a.item(), await grads.b.item()]).toEqual([3, 3])
    expect(Array.from(await grads.c.data())).toEqual([0, 0])
  })

  it('stops at stopGradient, comparisons and integers', async () => {
    const { grads } = valueAndGrad((x: Tensor) => x.stopGradient().mul(x).add(x.gt(0).cast('f32')).sum())(tensor([2, -1]))
    expect(Array.from(await grads.data())).toEqual([2, -1])
  })

  it('gives zeros where the loss depends on nothing', async () => {
    const { value, grads } = valueAndGrad((_p: { a: Tensor; b: Tensor }) => tensor(3))({
      a: tensor([1, 2]),
      b: tensor([[1]], { dtype: 'f16' }),
    })
    expect(await value.item()).toBe(3)
    expect([await grads.a.toArray(), await grads.b.toArray(), grads.b.dtype]).toEqual([[0, 0], [[0]], 'f16'])
    expect(valueAndGrad((_p: Record<string, Tensor>) => tensor(3))({}).grads).toEqual({})
  })

  it('keeps results of equal paths apart', async () => {
    const fn = (p: Tensor) => ({ loss: p.sum(), 'a.b': p.mul(2), a: { b: p.mul(3) } })
    const { value } = valueAndGrad(fn)(tensor([1]))
    expect([await value['a.b'].item(), await value.a.b.item()]).toEqual([2, 3])
  })

  it('visits only what lies between the loss and what is asked for', () => {
    const frozen = tensor([
      [1, 2],
      [3, 4],
    ])
    const adapter = tensor([[1], [0]])
    const deep = (h: Tensor): Tensor => h.matmul(frozen).tanh().matmul(frozen).tanh()
    const loss = (p: Tensor): Tensor =>
      deep(tensor([[1, 1]]))
        .matmul(p)
        .add(deep(tensor([[1, 2]])).sum())
        .sum()
    const gradient = grad(loss)(adapter)
    // The adapter's gradient is one product with the activations before it: the way back ends there.
    const ops = topological(lower([gradient.value], referenceDevice()).outputs).map(({ op }) => op)
    expect(ops.filter((op) => op === 'matmul')).toHaveLength(3)
  })

  it('names what is wrong', () => {
    const code = (run: () => unknown): string => {
      try {
        run()
      } catch (error) {
        return `${(error as TensorError).code}: ${(error as TensorError).message}`
      }
      return 'nothing'
    }
    expect(code(() => grad((x: Tensor) => x)(tensor([1, 2])))).toMatch(/^GRADIENT: .*scalar.*sum\(\)/)
    expect(code(() => grad((x: Tensor) => x.argMax())(tensor([1, 2])))).toMatch(
      /^GRADIENT: .*the loss must be floating point, got argMax : i32/,
    )
    expect(code(() => grad((p: { ids: Tensor }) => p.ids.cast('f32').sum())({ ids: tensor(new Int32Array([1])) }))).toMatch(
      /'ids' of the first argument is i32\[1\]; only floating-point/,
    )
    expect(code(() => grad((x: Tensor) => x.cast('f32').sum())(tensor(new Int32Array([1]))))).toMatch(/: the first argument is i32\[1\]/)
    expect(code(() => grad((p: { bias?: Tensor | undefined; w: Tensor }) => p.w.sum())({ w: tensor([1]), bias: undefined }))).toMatch(
      /'bias' of the first argument is undefined/,
    )
    expect(code(() => grad((p: { rate: unknown; w: Tensor }) => p.w.sum())({ w: tensor([1]), rate: 3 }))).toMatch(
      /'rate' of the first argument is a number/,
    )
    for (const result of [undefined, null, {}, { loss: 3 }, 4])
      expect(code(() => valueAndGrad((() => result) as never)(tensor([1]) as never))).toMatch(
        /^GRADIENT: .*must return a scalar tensor, or a record whose loss is one/,
      )
    expect(code(() => valueAndGrad((async (x: Tensor) => x.sum()) as never)(tensor([1])))).toMatch(/promise/)
    expect(code(() => valueAndGrad((async () => Promise.reject(new Error('late'))) as never)(tensor([1])))).toMatch(/promise/)
  })

  it('names the operation that has no derivative', () => {
    const of =
      (fn: (x: Tensor) => Tensor, x = tensor([1, 2], { shape: [1, 1, 1, 2] })): (() => unknown) =>
      () =>
        grad(fn)(x)
    const cache = zeros([1, 1, 4, 2])
    expect(of((x) => cacheWrite(cache, x, 0).sum())).toThrow(
      /grad: cacheWrite has no derivative; move it out of the loss, or cut the gradient before it with stopGradient\(\)/,
    )
    expect(of((x) => attendCached(x, x, x, { k: cache, v: cache, position: 0 }).out.sum())).toThrow(/attendCached has no derivative/)
    expect(of((x) => adamwStep({ parameter: x, m: x, v: x }, x, scalar(1), scalar(1)).parameter.sum())).toThrow(
      /adamwStep has no derivative/,
    )
    expect(
      of((x) =>
        rope(
          tensor([1, 2], { shape: [1, 1, 1, 2] }),
          { cos: x.reshape(1, 2).slice(1, 0, 1), sin: x.reshape(1, 2).slice(1, 0, 1) },
          tensor(new Int32Array([0])),
        ).sum(),
      ),
    ).toThrow(/rope has no derivative by its input 1.*stopGradient/)
    // Those that give whole numbers end the path silently.
    expect(of((x) => x.argMax().cast('f32').sum().add(x.sum()))).not.toThrow()
    expect(of((x) => cacheWrite(cache, x.stopGradient(), 0).sum())).not.toThrow()
  })
})

describe('checkpoint', () => {
  const block = (x: Tensor, w: Tensor): Tensor => x.matmul(w).tanh()

  it('leaves values and gradients as they are, captured tensors included', async () => {
    const x = tensor([
      [0.1, 0.2],
      [0.3, -0.4],
    ])
    const w = tensor([
      [1, 2],
      [3, 4],
    ])
    const captured = tensor([[0.5, 0.5]])
    const plain = valueAndGrad((p: { x: Tensor; w: Tensor; c: Tensor }) => block(block(p.x, p.w).mul(p.c), p.w).sum())
    const kept = valueAndGrad((p: { x: Tensor; w: Tensor; c: Tensor }) =>
      checkpoint((h: Tensor) => block(block(h, p.w).mul(p.c), p.w))(p.x).sum(),
    )
    const [a, b] = [plain({ x, w, c: captured }), kept({ x, w, c: captured })]
    expect(await b.value.item()).toBe(await a.value.item())
    for (const name of ['x', 'w', 'c'] as const)
      expect(Array.from(await b.grads[name].data())).toEqual(Array.from(await a.grads[name].data()))
  })

  it('computes the region again in the backward pass', () => {
    const x = tensor([[0.1, 0.2]])
    const w = tensor([
      [1, 2],
      [3, 4],
    ])
    const count = (fn: (x: Tensor, w: Tensor) => Tensor): number => {
      const { value, grads } = valueAndGrad((p: { x: Tensor; w: Tensor }) => fn(fn(p.x, p.w), p.w).sum())({ x, w })
      return topological(lower([value.value, grads.x.value, grads.w.value], referenceDevice()).outputs).filter((node) => node.op === 'tanh')
        .length
    }
    expect(count(block)).toBe(2)
    expect(count((h, v) => checkpoint(block)(h, v))).toBe(4)
  })
})
