/** Tensors that are larger than one binding or one buffer, in Node: beyond the limits that the adapter has, and on a device as if it had less. */
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest'
import { sym, jit, tensor, type Tensor } from '../../index.js'
import { checkTable } from '../../testing/op-table.js'
import { noWebGpu } from '../../testing/webgpu.js'
import type { WebGpuDevice, WebGpuOptions } from './device.js'
import { findWebGpu } from './find.js'

let missing: string | undefined
const opened: WebGpuDevice[] = []
beforeAll(async () => {
  missing = await noWebGpu()
})
afterAll(() => Promise.all(opened.map((device) => device.dispose())))
const needed = ({ skip }: TestContext): void => skip(missing !== undefined, missing)

async function open(limits?: WebGpuOptions['limits']): Promise<WebGpuDevice> {
  const device = await (await findWebGpu()).open(limits && { limits })
  opened.push(device)
  return device
}

const ramp = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => (i * 7919) % 1021)

describe.each([
  ['ranges of one buffer', { maxStorageBufferBindingSize: 256, maxBufferSize: 4096, maxStorageBuffersPerShaderStage: 10 }],
  ['several buffers', { maxStorageBufferBindingSize: 256, maxBufferSize: 256, maxStorageBuffersPerShaderStage: 10 }],
  ['both', { maxStorageBufferBindingSize: 300, maxBufferSize: 600, maxStorageBuffersPerShaderStage: 10 }],
] as const)('%s', (_, limits) => {
  it('are written, read, copied and computed with', async (context) => {
    needed(context)
    const device = await open(limits)
    const values = ramp(190) // the last of three ranges is no whole one
    using x = await tensor(values).to(device)
    expect(await x.data()).toEqual(values)
    using twice = await x.add(x).realize({ device })
    expect([...(await twice.data())]).toEqual([...values].map((value) => 2 * value))
    using flipped = await x.flip(0).mul(2).realize({ device })
    expect([...(await flipped.data())]).toEqual([...values].reverse().map((value) => 2 * value))
    // One buffer in two arguments is read from a copy, and written in place.
    const f = jit((a: Tensor, b: Tensor) => a.add(b.mul(3)), { device })
    using both = await f(x, x)
    expect([...(await both.data())]).toEqual([...values].map((value) => 4 * value))
    const g = jit((a: Tensor) => a.add(1), { device, donate: [0] })
    let given = await tensor(values).to(device)
    for (let i = 0; i < 3; i++) given = await g(given)
    expect([...(await given.data())]).toEqual([...values].map((value) => value + 3))
    given.dispose()
    // Halves, whose words hold two.
    using halves = await tensor(values.subarray(0, 177), { dtype: 'f16' }).to(device)
    using more = await halves.add(1).realize({ device })
    expect([...(await more.data())]).toEqual([...values.subarray(0, 177)].map((value) => value + 1))
    f.dispose()
    g.dispose()
  })

  it('hold what a symbol leaves of them, temporaries too', async (context) => {
    needed(context)
    const device = await open(limits)
    const n = sym('n', { max: 190 })
    const f = jit(
      (x: Tensor) =>
        x
          .slice(0, 0, n)
          .cumsum(0)
          .add(x.slice(0, 0, n).cumsum(0).max())
          .sum(),
      { device },
    )
    using x = await tensor(new Float32Array(190).fill(1)).to(device)
    for (const count of [190, 65, 64, 1]) {
      using sum = await f.run([x], { symbols: new Map([[n, count]]) })
      expect(await sum.item()).toBe((count * (count + 1)) / 2 + count * count)
    }
    f.dispose()
  })

  it('are refused where a kernel would bind more than there is', async (context) => {
    needed(context)
    const device = await open(limits)
    const { largestTensor } = device.room()
    expect(largestTensor).toBe(256 * 9)
    const n = largestTensor / 4
    using x = await tensor(ramp(n)).to(device)
    using sum = await x.sum().realize({ device })
    expect(await sum.item()).toBe(ramp(n).reduce((a, b) => a + b, 0))
    await expect(x.add(1).realize({ device })).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      message:
        "add reads and writes 2 tensors in 18 ranges of 256 bytes; the device reaches 10 at a time. Use smaller batches, split the largest tensors, or use device 'cpu'",
    })
    expect(() => device.alloc(largestTensor + 4)).toThrow(/holds at most 2304 bytes in one tensor, and was asked for 2308/)
  })
})

it('gives the values of operations whose tensors take several ranges', async (context) => {
  needed(context)
  const device = await open({ maxStorageBufferBindingSize: 256, maxBufferSize: 512 })
  const rows = ['softmax', 'concat', 'gather', 'transpose', 'attendCached']
  const { count, problems } = await checkTable(device, { first: true, rows })
  expect(problems).toEqual([])
  expect(count).toBeGreaterThan(2)
}, 30_000)

it('reaches beyond what the adapter binds at a time', async (context) => {
  needed(context)
  const device = await open()
  const { maxStorageBufferBindingSize } = device.gpu.limits
  context.skip(maxStorageBufferBindingSize > 2 ** 27, `the adapter binds ${maxStorageBufferBindingSize} bytes, too many for a test`)
  const edge = maxStorageBufferBindingSize / 4
  using x = await tensor([0])
    .expand(edge + 1000)
    .add(3)
    .realize({ device })
  using around = await x.slice(0, edge - 2, edge + 2).realize({ device })
  expect([...(await around.data())]).toEqual([3, 3, 3, 3])
  using last = await x.slice(0, edge + 999, edge + 1000).realize({ device })
  expect(await last.item()).toBe(3)
}, 60_000)
