// Run by itself: leaves the process in the middle of work on device 'webgpu', in the way named, and says 'left' before it does.
import { resolveDevice, tensor, type Device, type Tensor } from '@tesserae/tensor'

const say = (text: string): void => void process.stdout.write(`${text}\n`)

async function open(): Promise<Device> {
  try {
    return await resolveDevice('webgpu')
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    say(`${code ?? 'untyped'} ${message}`)
    process.exit(0)
  }
}

const device = await open()
const x = await tensor(new Float32Array(1024).fill(2)).to(device)
const y: Tensor = await x.mul(3).realize({ device })
const mib = (): number => process.memoryUsage().rss / 2 ** 20
const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const ways: Readonly<Record<string, () => void | Promise<void>>> = {
  /** With a read and a sync that nobody waits for. */
  ends() {
    void y.data()
    void device.sync()
    say('left')
  },
  exits() {
    void y.data()
    void device.sync()
    say('left')
    process.exit(0)
  },
  disposes() {
    void y.data()
    void device.dispose()
    say('left')
  },
  throws() {
    void y.data()
    throw new Error('thrown on purpose')
  },
  /** What nothing of the program's own holds is collected, and the device computes on. */
  async collects() {
    const collect = (globalThis as unknown as { gc: () => void }).gc
    for (let i = 0; i < 5; i++) {
      collect()
      await after(10)
    }
    say((await y.data())[0] === 6 ? 'left' : 'wrong values')
  },
  /** Memory that is freed goes back without further work. */
  async frees() {
    const before = mib()
    const large = await Promise.all(
      [1, 2, 3, 4].map((value) =>
        x
          .slice(0, 0, 1)
          .expand(2 ** 23)
          .add(value)
          .realize({ device }),
      ),
    )
    await device.sync()
    const held = mib() - before
    for (const each of large) each.dispose()
    let rest = held
    for (let i = 0; i < 100 && rest > held / 2; i++) {
      await after(20)
      rest = mib() - before
    }
    say(held > 100 && rest <= held / 2 ? 'left' : `held ${held} MiB, then ${rest}`)
  },
}

await ways[process.argv[2]!]!()
