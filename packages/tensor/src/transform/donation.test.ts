import { afterAll, describe, expect, it } from 'vitest'
import {
  adamwStep,
  jit,
  onWarning,
  realize,
  referenceDevice,
  resolveDevice,
  scalar,
  tensor,
  type Device,
  type DeviceBuffer,
  type Executable,
  type RunOptions,
  type SymValues,
  type Tensor,
} from '../index.js'
import { ReferenceDevice } from '../device/reference/device.js'

const opened = await resolveDevice('cpu', { threads: 1 })
afterAll(() => opened.dispose())

const write = (state: Tensor, row: Tensor): Tensor => state.updateSlice(row, [0])

/** Fails in the run of a given number, after it has written. */
class Failing extends ReferenceDevice {
  failAt = Infinity
  private runs = 0
  override run(
    executable: Executable,
    inputs: readonly DeviceBuffer[],
    outputs: readonly DeviceBuffer[],
    symbols: SymValues,
    options?: RunOptions,
  ): void {
    super.run(executable, inputs, outputs, symbols, options)
    if (++this.runs === this.failAt) throw new Error('the device went away')
  }
  failNext(after = 1): void {
    this.failAt = this.runs + after
  }
}

describe.each([referenceDevice(), opened])('donation on $name', (device) => {
  const on = async (values: number[]): Promise<Tensor> => tensor(values).to(device)

  it('writes in place: the result has the buffer', async () => {
    const f = jit(write, { donate: [0], device })
    const [state, row] = [await on([1, 2, 3]), await on([9])]
    const { buffer } = state.storage!
    const next = await f(state, row)
    expect(next.storage!.buffer).toBe(buffer)
    expect([...(await next.data())]).toEqual([9, 2, 3])
    await expect(state.data()).rejects.toMatchObject({ code: 'DONATED' })
    expect(state.disposed).toBe(true)
    state.dispose()
    expect([...(await next.data())]).toEqual([9, 2, 3])
  })

  it('does not overwrite what it hands through', async () => {
    const f = jit((state: Tensor, row: Tensor) => ({ old: state, next: write(state, row), again: state }), { donate: [0], device })
    const before = device.memory().liveBuffers
    const [state, row] = [await on([1, 2, 3]), await on([9])]
    const { old, next, again } = await f(state, row)
    expect([await old.toArray(), await next.toArray(), await again.toArray()]).toEqual([
      [1, 2, 3],
      [9, 2, 3],
      [1, 2, 3],
    ])
    for (const t of [old, next, again, row]) t.dispose()
    expect(device.memory().liveBuffers).toBe(before)
  })

  it('gives back memory that no result could use', async () => {
    const f = jit((x: Tensor) => x.sum(), { donate: [0], device })
    const before = device.memory().liveBuffers
    const sum = await f(await on([1, 2, 3]))
    expect(await sum.item()).toBe(6)
    sum.dispose()
    expect(device.memory().liveBuffers).toBe(before)
  })

  it('needs one program only when all else is constant', async () => {
    // Everything that is left for the first of two programs is free to make again.
    const f = jit(
      (b: Tensor, r: Tensor) => {
        const next = write(b, r)
        return { next, wide: next.sum().add(b.expand(3, 4)) }
      },
      { donate: [0], device },
    )
    const { next, wide } = await f(await on([1, 2, 3, 4]), await on([9]))
    expect(await next.toArray()).toEqual([9, 2, 3, 4])
    expect(((await wide.toArray()) as number[][])[2]).toEqual([19, 20, 21, 22])
  })

  it('reads a broadcast of the old value before it is overwritten', async () => {
    const step = (b: Tensor, r: Tensor) => {
      const next = write(b, r)
      return { next, product: b.expand(4, 4).mul(next.exp().sum()), late: b.expand(64, 4).mul(next.sum().exp()).sum() }
    }
    const run = async (alias: boolean): Promise<unknown[]> => {
      const { next, product, late } = await jit(step, { donate: [0], device, alias })(await on([1, 2, 0.5, 0.25]), await on([0.125]))
      return [await next.toArray(), await product.toArray(), await late.item()]
    }
    expect(await run(true)).toEqual(await run(false))
  })

  it('does not overwrite what the writing operation reads twice', async () => {
    const f = (alias: boolean) =>
      jit((p: Tensor, m: Tensor, v: Tensor) => adamwStep({ parameter: p, m, v }, p, scalar(0.1), scalar(1), { weightDecay: 0.1 }), {
        donate: [0, 1, 2],
        device,
        alias,
      })
    const run = async (alias: boolean): Promise<unknown> => {
      const { parameter, m, v } = await f(alias)(await on([1, -2]), await on([0, 0]), await on([0, 0]))
      return [await parameter.toArray(), await m.toArray(), await v.toArray()]
    }
    expect(await run(true)).toEqual(await run(false))
  })

  it('refuses what cannot be given away, and leaves it as it was', async () => {
    const f = jit((a: Tensor, b: Tensor) => a.add(b), { donate: [0], device })
    const x = await on([1, 2])
    await expect(f(x, x)).rejects.toThrow(/same tensor was given in two places.*clone\(\)/s)
    await expect(jit((a: Tensor) => a.add(x), { donate: [0], device })(x)).rejects.toThrow(/captured by the function/)
    x.freeze()
    await expect(f(x, await on([1, 1]))).rejects.toThrow(/frozen tensor cannot be donated/)
    x.unfreeze()
    await expect(f(x, await on([1, 2, 3]))).rejects.toMatchObject({ code: 'SHAPE' })
    await expect(f.run([x, await on([1, 1])], { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    const gone = await on([1, 1])
    gone.dispose()
    await expect(f(x, gone)).rejects.toMatchObject({ code: 'DISPOSED' })
    expect([...(await x.data())]).toEqual([1, 2])
    const done = await f(x, await on([1, 1]))
    await expect(f(done, x)).rejects.toMatchObject({ code: 'DONATED' })
    expect([...(await done.data())]).toEqual([2, 3])
  })

  it('happens in the order of the calls', async () => {
    const f = jit((s: Tensor, r: Tensor) => ({ next: write(s, r), sum: s.sum() }), { donate: [0], device })
    const [state, row] = [await on([1, 2, 3]), await on([9])]
    // The read was asked for before the first call, and is compiled while that call waits for it.
    const before = state.mul(10).data({ async: true })
    const first = f(state, row)
    const late = await Promise.allSettled([state.mul(10).data(), f(state, row)])
    expect(late).toMatchObject([{ reason: { code: 'DONATED' } }, { reason: { code: 'DONATED' } }])
    expect([...(await before)]).toEqual([10, 20, 30])
    const { next, sum } = await first
    expect([await next.toArray(), await sum.item()]).toEqual([[9, 2, 3], 6])
    // The same with everything compiled: the read runs on another thread when the call is made.
    const reading = next.mul(10).data({ async: true })
    const out = await f(next, row)
    expect([...(await reading)]).toEqual([90, 20, 30])
    expect([await out.next.toArray(), await out.sum.item()]).toEqual([[9, 2, 3], 14])
  })

  it('keeps two calls of two programs each apart', async () => {
    const f = jit((s: Tensor, r: Tensor, k: Tensor) => ({ next: write(s, r.mul(k)), sum: s.sum().mul(k) }), { donate: [0], device })
    const row = await on([1])
    for (let round = 0; round < 3; round++) {
      const outs = await Promise.all([2, 3, 5].map(async (k) => f.run([await on([k, k]), row, k], { async: true })))
      expect(await Promise.all(outs.map(async ({ next, sum }) => [...((await next.toArray()) as number[]), await sum.item()]))).toEqual([
        [2, 2, 8],
        [3, 3, 18],
        [5, 5, 50],
      ])
    }
    expect(f.size).toBe(1)
  })
})

describe('donation to calls that fail', () => {
  const prepare = async (): Promise<{ device: Failing; state: Tensor; row: Tensor }> => {
    const device = new Failing()
    const [state, row] = [tensor([1, 2, 3]), tensor([9])]
    await realize([state, row], { device })
    return { device, state: await state.to(device), row: await row.to(device) }
  }

  it('poisons what may have been overwritten, and frees it with its handle', async () => {
    const { device, state, row } = await prepare()
    const f = jit(write, { donate: [0], device })
    await f(await state.clone(), row)
    const before = device.memory().liveBuffers
    device.failNext()
    await expect(f(state, row)).rejects.toThrow('the device went away')
    await expect(state.data()).rejects.toMatchObject({ code: 'POISONED' })
    await expect(state.data()).rejects.toThrow(/failed after it had started.*restore it from a copy or a checkpoint/)
    await expect(f(state, row)).rejects.toMatchObject({ code: 'POISONED' })
    expect(device.memory().liveBuffers).toBe(before)
    state.dispose()
    expect(device.memory().liveBuffers).toBe(before - 1)
  })

  it('gives back what no program had written to', async () => {
    const { device, state, row } = await prepare()
    // The first of two programs only reads.
    const f = jit((s: Tensor, r: Tensor) => ({ next: write(s, r), sum: s.sum() }), { donate: [0], device })
    const first = await f(await state.clone(), row)
    const before = device.memory().liveBuffers
    device.failNext(1)
    await expect(f(state, row)).rejects.toThrow('the device went away')
    expect([...(await state.data())]).toEqual([1, 2, 3])
    device.failNext(2)
    await expect(f(state, row)).rejects.toThrow('the device went away')
    await expect(state.data()).rejects.toMatchObject({ code: 'POISONED' })
    expect(device.memory().liveBuffers).toBe(before)
    expect(await first.sum.item()).toBe(6)
  })

  it('gives back what a signal kept from starting, and poisons what it stopped', async () => {
    const n = 700
    const big = jit(
      (s: Tensor, x: Tensor) => {
        let y = x
        for (let i = 0; i < 40; i++) y = y.matmul(x).mul(1 / n)
        return write(s, y.sum().reshape(1))
      },
      { donate: [0], device: opened },
    )
    const x = await tensor(new Float32Array(n * n).fill(1), { shape: [n, n] }).to(opened)
    const state = async (): Promise<Tensor> => tensor([1, 2]).to(opened)
    const warm = await big(await state(), x)
    expect(await warm.data()).toHaveLength(2)
    // Two calls: the second is still waiting when it is aborted.
    const [a, b] = [await state(), await state()]
    const controller = new AbortController()
    const running = big.run([a, x], { async: true })
    const waiting = big.run([b, x], { async: true, signal: controller.signal })
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
    expect([...(await b.data())]).toEqual([1, 2])
    expect(await (await running).data()).toHaveLength(2)
    // Aborted half way.
    const stop = new AbortController()
    const stopped = big.run([b, x], { async: true, signal: stop.signal })
    setTimeout(() => stop.abort(), 20)
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(b.data()).rejects.toMatchObject({ code: 'POISONED' })
  })

  it('does not bring back what was disposed meanwhile', async () => {
    const { device, state, row } = await prepare()
    const f = jit(write, { donate: [0], device })
    const before = device.memory().liveBuffers
    device.failNext()
    const failing = f(state, row)
    state.dispose()
    await expect(failing).rejects.toThrow('the device went away')
    expect(device.memory().liveBuffers).toBe(before - 1)
    await expect(state.data()).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  it('restores what was donated to a function that cannot be traced', async () => {
    const device: Device = referenceDevice()
    const x = await tensor([1, 2]).to(device)
    const f = jit((t: Tensor) => t.matmul(tensor([[1]])), { donate: [0], device })
    // As long as the call may still take it, nobody else reads it.
    expect(await Promise.allSettled([f(x), x.data()])).toMatchObject([{ reason: { code: 'SHAPE' } }, { reason: { code: 'DONATED' } }])
    expect([...(await x.data())]).toEqual([1, 2])
  })

  it('names the reader that makes a copy necessary', async () => {
    const messages: string[] = []
    const remove = onWarning((message) => messages.push(message))
    const device = referenceDevice()
    await jit(
      (s: Tensor, r: Tensor) => {
        const next = write(s, r)
        return { one: s.sum(), next, both: next.add(s) }
      },
      { donate: [0], device, name: 'step' },
    )(tensor([1, 2]), tensor([3]))
    remove()
    expect(messages).toEqual([
      expect.stringMatching(
        /jit step: result 1 could not take over its donated argument's memory, because 'add' reads the old value too late/,
      ),
    ])
  })

  it('checks positions', () => {
    expect(() => jit((x: Tensor) => x, { donate: [-1] })).toThrow(/donate lists positions of arguments, counted from 0; got -1/)
    expect(() => jit((x: Tensor) => x, { donate: [0], static: [0] })).toThrow(/argument 0 is in donate and in static/)
  })
})
