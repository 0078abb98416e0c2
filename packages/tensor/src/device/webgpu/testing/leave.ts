// Run by itself: leaves the process in the middle of work on device 'webgpu', in the way named.
import { resolveDevice, tensor } from '@tesserae/tensor'

const way = process.argv[2]
let device
try {
  device = await resolveDevice('webgpu')
} catch (error) {
  const { code, message } = error as { code?: string; message: string }
  console.log(`${code ?? 'untyped'} ${message}`)
  process.exit(0)
}
const x = await tensor(new Float32Array(1024).fill(2)).to(device)
const y = await x.mul(3).realize({ device })
switch (way) {
  case 'ends': // with reads and a sync that nobody waits for
    void y.data()
    void device.sync()
    console.log('left')
    break
  case 'exits':
    void y.data()
    void device.sync()
    console.log('left')
    process.exit(0)
  // falls through is not possible: exit does not return
  case 'collects': {
    // What is not held by anything is collected, and the device computes on.
    const collect = (globalThis as unknown as { gc: () => void }).gc
    for (let i = 0; i < 5; i++) {
      collect()
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    console.log((await y.data())[0] === 6 ? 'left' : 'wrong values')
    break
  }
  case 'disposes':
    void y.data()
    void device.dispose()
    console.log('left')
    break
  case 'throws':
    void y.data()
    throw new Error('thrown on purpose')
  case 'frees': {
    // Memory that is freed goes back without further work.
    const mib = (): number => process.memoryUsage().rss / 2 ** 20
    const before = mib()
    const large = await Promise.all([1, 2, 3, 4].map((value) => x.slice(0, 0, 1).add(value).expand(2 ** 23).add(value).realize({ device: device! })))
    await device.sync()
    const held = mib()
    for (const each of large) each.dispose()
    let rest = held
    for (let i = 0; i < 100 && rest > before + (held - before) / 2; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      rest = mib()
    }
    console.log(held - before > 100 && rest < before + (held - before) / 2 ? 'left' : `held ${held - before} MiB, then ${rest - before}`)
    break
  }
  default:
    console.log(`no way is called ${way}`)
}
