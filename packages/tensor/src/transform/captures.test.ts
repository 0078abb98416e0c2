import { describe, expect, it } from 'vitest'
import { jit, resolveDevice, tensor, type Tensor } from '../index.js'

describe('tensors that a compiled function captured', () => {
  it('are looked at again once one of them has changed', async () => {
    const [weight, other] = [tensor([2, 3]), tensor([10, 20])]
    using scaled = jit((x: Tensor) => x.mul(weight).add(other))
    const values = async (): Promise<number[]> => (await scaled(tensor([1, 1]))).toArray() as Promise<number[]>
    expect(await values()).toEqual([12, 23])
    expect(await values()).toEqual([12, 23])
    weight.freeze()
    expect(await values()).toEqual([12, 23])
    expect(await values()).toEqual([12, 23])
    expect(scaled.size).toBe(1) // what it was compiled over is another
    other.dispose()
    await expect(scaled(tensor([1, 1]))).rejects.toMatchObject({ code: 'DISPOSED' })
    await expect(scaled(tensor([1, 1]))).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  it('are not to be had once they were given to another call', async () => {
    const weight = tensor([2, 3])
    using scaled = jit((x: Tensor) => x.mul(weight))
    using taken = jit((x: Tensor) => x.add(1), { donate: [0] })
    expect(await (await scaled(tensor([1, 1]))).toArray()).toEqual([2, 3])
    expect(await (await taken(weight)).toArray()).toEqual([3, 4])
    await expect(scaled(tensor([1, 1]))).rejects.toMatchObject({ code: 'DONATED' })
  })

  it('stay until the calls under way have ended, and go with the last of them', async () => {
    const weight = tensor(
      Float32Array.from({ length: 300 * 300 }, (_, i) => i % 7),
      { shape: [300, 300] },
    )
    const device = await resolveDevice('cpu')
    using product = jit((x: Tensor) => x.matmul(weight).sum(), { device })
    using x = tensor(new Float32Array(300 * 300).fill(1), { shape: [300, 300] })
    const expected = await (await product(x)).item()
    const held = device.memory().liveBytes
    const running = [product(x), product(x), product(x)]
    weight.dispose()
    for (const result of running) expect(await (await result).item()).toBe(expected)
    expect(device.memory().liveBytes).toBeLessThan(held - 300_000)
    await expect(product(x)).rejects.toMatchObject({ code: 'DISPOSED' })
  })
})
