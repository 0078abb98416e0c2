import { describe, expect, it } from 'vitest'
import { jit, referenceDevice, resolveDevice, tensor, type Tensor } from './index.js'

describe('peek', () => {
  it('shows the memory of a tensor on the CPU, after the runs that write it', async () => {
    const device = await resolveDevice('cpu')
    using double = jit((x: Tensor) => x.mul(2), { device })
    using x = await double(tensor([1, 2, 3]))
    const [seen, again] = [await x.peek(), await x.peek()]
    expect(Array.from(seen)).toEqual([2, 4, 6])
    expect(again.buffer).toBe(seen.buffer)
    expect((await x.data()).buffer).not.toBe(seen.buffer)
  })

  it.each(['reference', 'cpu'] as const)('gives what data() gives on %s: halves, lazy tensors, symbols', async (name) => {
    const device = name === 'reference' ? referenceDevice() : await resolveDevice(name)
    using halves = await tensor([1, 0.5], { dtype: 'f16' }).realize({ device })
    expect(Array.from(await halves.peek())).toEqual([1, 0.5])
    expect(Array.from(await tensor([1, 2]).add(1).peek())).toEqual([2, 3])
    {
      using gone = await tensor([1]).realize({ device })
      gone.dispose()
      await expect(gone.peek()).rejects.toMatchObject({ code: 'DISPOSED' })
    }
  })
})
