import { afterAll, describe, expect, it } from 'vitest'
import { jit, realize, referenceDevice, resolveDevice, sym, tensor, type Device, type Tensor } from '../index.js'

const opened = await resolveDevice('cpu', { threads: 1 })
afterAll(() => opened.dispose())

/** Buffers that a piece of work leaves behind. */
async function leftBy(device: Device, work: () => Promise<unknown>): Promise<number> {
  const before = device.memory().liveBuffers
  await work()
  await device.sync()
  return device.memory().liveBuffers - before
}

describe.each([referenceDevice(), opened])('lifetimes on $name', (device) => {
  const on = async (values: number[]): Promise<Tensor> => tensor(values).to(device)

  it('dispose() right after a read waits for it', async () => {
    const x = await on([1, 2])
    const later = x.data()
    x.dispose()
    expect([...(await later)]).toEqual([1, 2])
    await expect(x.data()).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  it('dispose() right after a graph was asked for waits for its compilation and run', async () => {
    expect(
      await leftBy(device, async () => {
        const x = await on([1, 2])
        const later = x.add(41).data({ async: true })
        x.dispose()
        expect([...(await later)]).toEqual([42, 43])
      }),
    ).toBe(1) // the sum, whose handle was not kept
  })

  it('dispose() of what is being computed frees the result', async () => {
    expect(
      await leftBy(device, async () => {
        const x = await on([1, 2])
        const y = x.add(7)
        const later = y.data()
        y.dispose()
        expect([...(await later)]).toEqual([8, 9])
        x.dispose()
      }),
    ).toBe(0)
  })

  it('dispose() right after a jitted call waits for it, in the first call and in later ones', async () => {
    const f = jit((x: Tensor, k: Tensor) => x.mul(k), { device })
    expect(
      await leftBy(device, async () => {
        for (const k of [2, 3, 4]) {
          const x = await on([1, 2])
          const later = f.run([x, k], { async: true })
          x.dispose()
          using y = await later
          expect([...(await y.data())]).toEqual([k, 2 * k])
        }
        f.dispose()
      }),
    ).toBe(0)
  })

  it('dispose() of a lazy argument right after the call waits for it too', async () => {
    const f = jit((x: Tensor, s: Tensor) => ({ y: x.updateSlice(s, [0]) }), { donate: [0], device })
    expect(
      await leftBy(device, async () => {
        using x = await on([1, 2])
        using s = await on([9])
        const lazy = x.add(1)
        const later = f(lazy, s)
        lazy.dispose()
        const { y } = await later
        expect([...(await y.data())]).toEqual([9, 3])
        y.dispose()
        f.dispose()
      }),
    ).toBe(0)
  })

  it('dispose() of a donated argument while the call runs leaves its memory to the call', async () => {
    for (const fn of [(s: Tensor, r: Tensor) => s.add(r), (s: Tensor, r: Tensor) => s.updateSlice(r, [0]), (s: Tensor) => s]) {
      const f = jit(fn, { donate: [0], device })
      expect(
        await leftBy(device, async () => {
          for (let i = 0; i < 2; i++) {
            const [s, r] = [await on([1, 2]), await on([1, 2])]
            const later = f.run([s, r], { async: true })
            s.dispose()
            const out = await later
            expect((await out.data()).length).toBe(2)
            out.dispose()
            r.dispose()
          }
          f.dispose()
        }),
      ).toBe(0)
    }
  })

  it('dispose() of the jitted function waits for its calls', async () => {
    // Two programs in one call: the second starts after the function was disposed.
    const f = jit((s: Tensor, r: Tensor, k: Tensor) => ({ next: s.updateSlice(r.mul(k), [0]), sum: s.sum() }), { donate: [0], device })
    expect(
      await leftBy(device, async () => {
        using r = await on([1])
        const first = await f(await on([1, 2, 3]), r, 1)
        const later = f.run([await on([1, 2, 3]), r, 5], { async: true })
        f.dispose()
        expect(f.size).toBe(0)
        const second = await later
        expect([await second.next.toArray(), await second.sum.item()]).toEqual([[5, 2, 3], 6])
        for (const t of [first.next, first.sum, second.next, second.sum]) t.dispose()
      }),
    ).toBe(0)
  })

  it('computes a tensor once, however many ask for it at once', async () => {
    expect(
      await leftBy(device, async () => {
        const x = await on([1, 2])
        const y = x.add(1)
        const z = y.mul(2)
        await Promise.all([y.data(), y.data(), realize(y, z, y), realize([z, y], { async: true })])
        expect([...(await z.data())]).toEqual([4, 6])
        for (const t of [x, y, z]) t.dispose()
      }),
    ).toBe(0)
  })

  it('computes itself what another call failed to', async () => {
    const x = await on([1, 2])
    const y = x.add(1)
    const failing = y.data({ signal: AbortSignal.abort() })
    const waiting = y.data()
    await expect(failing).rejects.toMatchObject({ code: 'ABORTED' })
    expect([...(await waiting)]).toEqual([2, 3])
  })

  it('frees what a failed program had allocated', async () => {
    const f = jit((x: Tensor, k: Tensor) => [x.add(k), x.mul(k)], { device })
    expect(
      await leftBy(device, async () => {
        using x = await on([1, 2])
        await expect(f.run([x, 1], { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
        await expect(x.add(x).sum().data({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
        f.dispose()
      }),
    ).toBe(0)
  })

  it('keeps views and their owner together', async () => {
    const n = sym('n', { max: 4 })
    const update = jit((x: Tensor, r: Tensor) => x.updateSlice(r, [0]), { donate: [0], device })
    const nothing = await leftBy(device, async () => {
      const owner = await on([1, 2])
      const view = owner.symbolic(0, n)
      expect([...(await view.mul(2).data())]).toEqual([2, 4])
      await expect(update(view, await on([9]))).rejects.toThrow(/n, max|borrows|shape|donate the owner/)
      expect(() => view.freeze()).toThrow(/view of another tensor/)
      view.dispose()
      expect([...(await owner.data())]).toEqual([1, 2])
      const other = owner.symbolic(0, n)
      owner.dispose()
      await expect(other.data()).rejects.toThrow(/the memory of tensor f32\[2\] was disposed/)
      await expect(other.mul(2).data()).rejects.toMatchObject({ code: 'DISPOSED' })
    })
    expect(nothing).toBe(2) // the product and the row, whose handles were not kept

    const owner = await on([1, 2])
    const view = owner.symbolic(0, n)
    await update(owner, await on([9]))
    await expect(view.data()).rejects.toMatchObject({ code: 'DONATED' })
  })

  it('uploads a host tensor once, whether by itself or by its views', async () => {
    const n = sym('n', { max: 4 })
    expect(
      await leftBy(device, async () => {
        const owner = tensor([1, 2, 3])
        const views = [owner.symbolic(0, n), owner.symbolic(0, n)]
        using sums = await views[0]!.add(views[1]!).realize({ device })
        expect([...(await sums.data())]).toEqual([2, 4, 6])
        expect(owner.device).toBe(device)
        for (const t of [...views, owner]) t.dispose()
      }),
    ).toBe(0)
  })
})
