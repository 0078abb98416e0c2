import { describe, expect, it } from 'vitest'
import { checkpoint, grad, referenceDevice, setDefaultDevice, tensor, TensorError, valueAndGrad, type Tensor } from '../index.js'
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
    expect(code(() => grad((p: { ids: Tensor }) => p.ids.cast('f32').sum())({ ids: tensor(new Int32Array([1])) }))).toMatch(/'ids'.*i32\[1\]/)
    expect(code(() => valueAndGrad((async (x: Tensor) => x.sum()) as never)(tensor([1])))).toMatch(/promise/)
  })
})

describe('checkpoint', () => {
  const block = (x: Tensor, w: Tensor): Tensor => x.matmul(w).tanh()

  it('leaves values and gradients as they are, captured tensors included', async () => {
    const x = tensor([[0.1, 0.2], [0.3, -0.4]])
    const w = tensor([[1, 2], [3, 4]])
    const captured = tensor([[0.5, 0.5]])
    const plain = valueAndGrad((p: { x: Tensor; w: Tensor; c: Tensor }) => block(block(p.x, p.w).mul(p.c), p.w).sum())
    const kept = valueAndGrad((p: { x: Tensor; w: Tensor; c: Tensor }) => checkpoint((h: Tensor) => block(block(h, p.w).mul(p.c), p.w))(p.x).sum())
    const [a, b] = [plain({ x, w, c: captured }), kept({ x, w, c: captured })]
    expect(await b.value.item()).toBe(await a.value.item())
    for (const name of ['x', 'w', 'c'] as const) expect(Array.from(await b.grads[name].data())).toEqual(Array.from(await a.grads[name].data()))
  })

  it('computes the region again in the backward pass', () => {
    const x = tensor([[0.1, 0.2]])
    const w = tensor([[1, 2], [3, 4]])
    const count = (fn: (x: Tensor, w: Tensor) => Tensor): number => {
      const { value, grads } = valueAndGrad((p: { x: Tensor; w: Tensor }) => fn(fn(p.x, p.w), p.w).sum())({ x, w })
      return topological(lower([value.value, grads.x.value, grads.w.value], referenceDevice()).outputs).filter((node) => node.op === 'tanh').length
    }
    expect(count(block)).toBe(2)
    expect(count((h, v) => checkpoint(block)(h, v))).toBe(4)
  })
})
