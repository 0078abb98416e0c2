/** What the runtime's arena held at most is told of the whole process, so this file has one of its own. */
import { afterAll, describe, expect, it } from 'vitest'
import { checkpoint, jit, resolveDevice, setDefaultDevice, tensor, valueAndGrad, type Tensor } from '../index.js'

const cpu = await resolveDevice('cpu')
afterAll(() => cpu.dispose())

const ramp = (shape: readonly number[], step: number): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * step + 1)),
    { shape },
  )

describe('checkpoints on the CPU', () => {
  it('keeps less for the backward pass of checkpointed regions', async () => {
    setDefaultDevice(cpu)
    const layers = 6
    const ws = Array.from({ length: layers }, (_, i) => ramp([64, 64], 0.1 + i / 10))
    const block = (x: Tensor, w: Tensor): Tensor => x.matmul(w).gelu().matmul(w).gelu()
    const loss =
      (wrap: (fn: typeof block) => typeof block) =>
      (params: Tensor[], x: Tensor): Tensor =>
        params.reduce((h, w) => wrap(block)(h, w), x).sum()
    using x = ramp([4096, 64], 0.01)
    const results = []
    const peaks = []
    // The runtime tells its highest use so far, so the thriftier program has to come first.
    for (const wrap of [(fn: typeof block) => checkpoint(fn), (fn: typeof block) => fn]) {
      const f = jit((params: Tensor[], input: Tensor) => valueAndGrad(loss(wrap))(params, input))
      const out = await f(ws, x)
      results.push([await out.value.item(), ...(await Promise.all(out.grads.map((g) => g.toArray())))])
      peaks.push(cpu.memory().peakBytes)
    }
    expect(results[1]).toEqual(results[0])
    expect(peaks[1]! - peaks[0]!).toBeGreaterThan(8 * 2 ** 20) // of 24 activations of 1 MiB, most are not kept
  })
})
