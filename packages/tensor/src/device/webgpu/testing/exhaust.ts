// Run by itself, on SwiftShader's driver, which has no memory for one gibibyte at a time: says as JSON what running out of memory does.
import { jit, resolveDevice, tensor, type Tensor } from '@tesserae/tensor'
import { webGpuOf } from '../../../testing/webgpu.js'

const refused = 2 ** 30

interface Outcome {
  readonly code: string
  readonly message: string
}
const outcome = (promise: Promise<unknown>): Promise<Outcome> =>
  promise.then(
    () => ({ code: 'none', message: 'nothing was thrown' }),
    ({ code = 'untyped', message }: { code?: string; message: string }) => ({ code, message }),
  )

const device = webGpuOf(await resolveDevice('webgpu'))
const { gpu } = device
using one = await tensor([1]).to(device)
const before = device.memory().liveBytes

const lazy = one.expand(refused / 4).mul(2)
const realized = await outcome(lazy.realize({ device }))
lazy.dispose()

const grow = jit((x: Tensor) => ({ same: x.add(1), large: x.expand(refused / 4).add(x) }), { device, donate: [0] })
const given = await tensor([5]).to(device)
const jitted = await outcome(grow(given))
const donated = [...(await given.data())]
given.dispose()
grow.dispose()

const buffer = device.alloc(refused)
const allocated = await outcome(device.read(buffer, 4))
device.free(buffer)
const live = device.memory().liveBytes - before

// The first time there is no memory for what a run writes, the second time there is.
const size = 2 ** 21
const create = gpu.createBuffer.bind(gpu)
let asked = 0
Object.assign(gpu, {
  createBuffer: (descriptor: GPUBufferDescriptor) =>
    create(descriptor.size === size && asked++ === 0 ? { ...descriptor, size: refused } : descriptor),
})
using again = await one
  .expand(size / 4)
  .add(2)
  .realize({ device })
const values = new Set(await again.data())
await device.sync()

using product = one.add(one)
const result = { realized, jitted, donated, allocated, live, retried: [...values], asked, computes: (await product.data({ device }))[0] }
process.stdout.write(`${JSON.stringify(result)}\n`)
