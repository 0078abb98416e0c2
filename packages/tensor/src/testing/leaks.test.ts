// Live memory stays where it is over a thousand training steps, everything disposed explicitly.
import { describe, expect, it } from 'vitest'
import { jit, resolveDevice, tensor, valueAndGrad, adamwStep, type DeviceName, type Tensor } from '../index.js'

type Parameters = { readonly w: Tensor; readonly b: Tensor }
type State = { readonly p: Parameters; readonly m: Parameters; readonly v: Parameters }

const zeros = (): Parameters => ({ w: tensor(new Float32Array(12), { shape: [4, 3] }), b: tensor(new Float32Array(3)) })
const disposeAll = (state: State): void => {
  for (const part of Object.values(state)) for (const leaf of Object.values(part)) leaf.dispose()
}

describe.each([
  ['cpu', 1000],
  ['reference', 100],
] satisfies [DeviceName, number][])('%s', (name, steps) => {
  it(`holds the same bytes after each of ${steps} steps`, async () => {
    const device = await resolveDevice(name)
    const before = device.memory()
    const loss = (p: Parameters, x: Tensor, y: Tensor): Tensor => x.matmul(p.w).add(p.b).tanh().sub(y).square().mean()
    using step = jit(
      ({ p, m, v }: State, x: Tensor, y: Tensor, lr: Tensor, number: Tensor) => {
        const { value, grads } = valueAndGrad(loss)(p, x, y)
        const w = adamwStep({ parameter: p.w, m: m.w, v: v.w }, grads.w, lr, number, {
          beta1: 0.9,
          beta2: 0.99,
          eps: 1e-8,
          weightDecay: 0.1,
        })
        const b = adamwStep({ parameter: p.b, m: m.b, v: v.b }, grads.b, lr, number, { beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0 })
        return { state: { p: { w: w.parameter, b: b.parameter }, m: { w: w.m, b: b.m }, v: { w: w.v, b: b.v } }, value }
      },
      { donate: [0], device },
    )
    let state: State = { p: zeros(), m: zeros(), v: zeros() }
    const seen = new Set<string>()
    for (let i = 1; i <= steps; i++) {
      using x = tensor(
        Float32Array.from({ length: 8 }, (_, k) => Math.sin(i + k)),
        { shape: [2, 4] },
      )
      using y = tensor(
        Float32Array.from({ length: 6 }, (_, k) => Math.cos(i * k)),
        { shape: [2, 3] },
      )
      const stepped = await step(state, x, y, 1e-2, i)
      state = stepped.state
      using value = stepped.value
      expect(Number.isFinite(await value.item())).toBe(true)
      const { liveBytes, liveBuffers, programs } = device.memory()
      if (i > 2) seen.add(`${liveBytes} bytes, ${liveBuffers} buffers, ${programs} programs`)
    }
    expect([...seen]).toHaveLength(1)
    disposeAll(state)
    step.dispose()
    await device.sync()
    expect(device.memory().liveBytes).toBe(before.liveBytes)
  })
})
