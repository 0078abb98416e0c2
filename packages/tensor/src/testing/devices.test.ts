/** Whole programs on the CPU device, the interpreter and emulated CUDA: what no single row shows. */
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import {
  adamwStep,
  crossEntropy,
  dropout,
  foldKey,
  graphOf,
  jit,
  key,
  layerNorm,
  profile,
  randomNormal,
  randomUniform,
  referenceDevice,
  resolveDevice,
  setDebug,
  setDefaultDevice,
  sym,
  tensor,
  toOnnx,
  valueAndGrad,
  type Device,
  type Tensor,
} from '../index.js'
import { openCuda } from '../device/cuda/device.js'
import { emulatedDriver } from '../device/cuda/testing/driver.js'

const cpu = await resolveDevice('cpu')
/** The PTX of its kernels runs on the processor. */
const cuda = openCuda(emulatedDriver())
const devices: readonly (readonly [string, Device])[] = [
  ['cpu', cpu],
  ['reference', referenceDevice()],
  ['cuda', cuda],
]
afterAll(async () => {
  await cpu.dispose()
  await cuda.dispose()
})
afterEach(() => setDebug(0))

const ramp = (shape: readonly number[], step: number): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * step + 1)),
    { shape },
  )

describe.each(devices)('%s', (_, device) => {
  it('ignores what lies past a symbol, at 0, 1 and its maximum', async () => {
    setDefaultDevice(device)
    const n = sym('n', { max: 5 })
    const f = jit((x: Tensor, w: Tensor) => {
      const part = x.slice(1, 0, n)
      return { sum: part.sum(1), peak: part.max(1), soft: part.softmax(1).sum(1), product: part.matmul(w.slice(0, 0, n)) }
    })
    for (const count of [0, 1, 3, 5]) {
      const values = Float32Array.from({ length: 10 }, (__, i) => (i % 5 < count ? i + 1 : NaN)) // poison past the value
      const weights = Float32Array.from({ length: 10 }, (__, i) => (Math.floor(i / 2) < count ? i : NaN))
      using x = tensor(values, { shape: [2, 5] })
      using w = tensor(weights, { shape: [5, 2] })
      const out = await f.run([x, w], { symbols: new Map([[n, count]]) })
      const rows = [0, 1].map((row) => Array.from({ length: count }, (__, i) => row * 5 + i + 1))
      expect(await out.sum.toArray()).toEqual(rows.map((row) => row.reduce((a, b) => a + b, 0)))
      expect(await out.peak.toArray()).toEqual(rows.map((row) => Math.max(...row)))
      for (const total of (await out.soft.toArray()) as number[]) expect(total).toBeCloseTo(count === 0 ? 0 : 1, 6)
      expect(await out.product.toArray()).toEqual(
        rows.map((row) => [0, 1].map((column) => row.reduce((sum, value, i) => sum + value * (2 * i + column), 0))),
      )
      for (const result of Object.values(out)) result.dispose()
    }
    expect(f.size).toBe(1)
  })

  it('writes an optimiser step in place, bit-equal to copying', async () => {
    setDefaultDevice(device)
    const loss = (p: { w: Tensor; g: Tensor }, x: Tensor, y: Tensor): Tensor => crossEntropy(layerNorm(x.matmul(p.w), p.g), y).mean()
    const run = async (alias: boolean): Promise<unknown> => {
      const step = jit(
        (
          state: { p: { w: Tensor; g: Tensor }; m: { w: Tensor; g: Tensor }; v: { w: Tensor; g: Tensor } },
          x: Tensor,
          y: Tensor,
          count: Tensor,
        ) => {
          const { value, grads } = valueAndGrad(loss)(state.p, x, y)
          const next = { p: { ...state.p }, m: { ...state.m }, v: { ...state.v } }
          for (const name of ['w', 'g'] as const) {
            const out = adamwStep(
              { parameter: state.p[name], m: state.m[name], v: state.v[name] },
              grads[name],
              tensor(0.01, { shape: [] }),
              count,
            )
            next.p[name] = out.parameter
            next.m[name] = out.m
            next.v[name] = out.v
          }
          return { state: next, loss: value }
        },
        { donate: [0], alias },
      )
      using x = ramp([6, 4], 0.7)
      using y = tensor(new Int32Array([0, 1, 2, 0, 1, 2]))
      const zero = (): { w: Tensor; g: Tensor } => ({ w: tensor(new Float32Array(12), { shape: [4, 3] }), g: tensor(new Float32Array(3)) })
      let state = { p: { w: ramp([4, 3], 0.3), g: tensor([1, 1, 1]) }, m: zero(), v: zero() }
      let last = 0
      const live: number[] = []
      for (let i = 1; i <= 20; i++) {
        const out = await step(state, x, y, i)
        state = out.state
        last = await out.loss.item()
        out.loss.dispose()
        live.push(device.memory().liveBytes)
      }
      expect(new Set(live.slice(1)).size).toBe(1)
      return [last, await state.p.w.toArray(), await state.v.g.toArray()]
    }
    expect(await run(true)).toEqual(await run(false))
  })

  it('draws the same bits on every device', async () => {
    setDefaultDevice(device)
    using seed = key(42)
    const mask = jit((k: Tensor, step: Tensor) =>
      dropout(tensor(new Float32Array(64).fill(1)), 0.5, { key: foldKey(foldKey(k, 'site'), step.cast('i32')), train: true }),
    )
    using a = await mask(seed, 3)
    using b = await mask(seed, 4)
    expect(mask.size).toBe(1)
    const [first, second] = [await a.data(), await b.data()]
    expect(first).not.toEqual(second)
    using again = await dropout(tensor(new Float32Array(64).fill(1)), 0.5, { key: foldKey(foldKey(seed, 'site'), 3), train: true }).to(
      'reference',
    )
    expect(Array.from(first)).toEqual(Array.from(await again.data()))
    const uniform = await randomUniform(seed, [1000]).data()
    expect(uniform.every((value) => value >= 0 && value < 1)).toBe(true)
    const normal = await randomNormal(seed, [4096]).data()
    expect(Math.abs(Array.from(normal).reduce((x, y) => x + y, 0) / 4096)).toBeLessThan(0.06)
  })

  it('packs frozen weights, and lets go of them', async () => {
    setDefaultDevice(device)
    const programs = device.memory().programs
    const w = ramp([8, 8], 0.2)
    const f = jit((x: Tensor, weight: Tensor) => x.matmul(weight))
    using x = ramp([2, 8], 0.5)
    const thawed = await (await f(x, w)).data()
    w.freeze()
    for (const [i, value] of (await (await f(x, w)).data()).entries()) expect(value).toBeCloseTo(thawed[i]!, 5)
    expect(f.size).toBe(2)
    await expect(jit((t: Tensor) => t.add(1), { donate: [0] })(w)).rejects.toMatchObject({ code: 'DONATED' })
    w.unfreeze()
    expect(Array.from(await (await f(x, w)).data())).toEqual(Array.from(thawed))
    w.freeze()
    w.dispose()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(device.memory().programs).toBeLessThanOrEqual(programs + 2)
  })

  it('captures frozen weights and compiles again when they thaw', async () => {
    setDefaultDevice(device)
    using w = ramp([4, 4], 0.2).freeze()
    using x = ramp([1, 4], 0.5)
    const f = jit((t: Tensor) => t.matmul(w))
    const before = Array.from(await (await f(x)).data())
    w.unfreeze()
    // Packed and unpacked weights are multiplied in different orders.
    for (const [i, value] of (await (await f(x)).data()).entries()) expect(value).toBeCloseTo(before[i]!, 5)
  })

  it('profiles by op', async () => {
    setDefaultDevice(device)
    using x = await ramp([32, 32], 0.1)
      .matmul(ramp([32, 32], 0.2))
      .realize()
    const report = await profile(() => x.matmul(x).softmax().sum().item(), { device })
    // Kernels of elements have no product of their own, and are named by what they end in.
    const product = device === cuda ? 'reduceSum' : 'matmul'
    expect(report.rows.map((row) => row.op)).toContain(product)
    expect(report.rows.reduce((sum, row) => sum + row.share, 0)).toBeCloseTo(1, 6)
    expect(String(report)).toMatch(new RegExp(`${product} .*%`))
  })

  it('prints what DEBUG asks for', async () => {
    setDefaultDevice(device)
    const lines: string[] = []
    setDebug(4, (line) => lines.push(line))
    await ramp([3, 5], 0.1).exp().sum().item()
    const text = lines.join('\n')
    for (const part of [/compiled \d+ nodes/, /%0 = input\(\)/, /ran a program/, device === cuda ? /ms +reduceSum/ : /ms +exp/])
      expect(text).toMatch(part)
  })
})

describe('cpu', () => {
  it('writes graphs for people and for Netron', async () => {
    const y = ramp([2, 3], 0.5).exp().sum()
    expect(graphOf([y])).toContain('exp(')
    expect(graphOf([y], 'graphviz')).toMatch(/^digraph/)
    expect(graphOf([y], 'mermaid')).toMatch(/^graph TD/)
    const bytes = await toOnnx([y])
    expect(bytes.byteLength).toBeGreaterThan(50)
    const { InferenceSession, Tensor: OrtTensor } = await import('onnxruntime-node')
    const session = await InferenceSession.create(bytes)
    const result = await session.run({ [session.inputNames[0]!]: new OrtTensor('float32', new Float32Array(6), [2, 3]) })
    expect(result[session.outputNames[0]!]!.data[0]).toBe(6)
  })
})
