import { buildProgram } from '../compile/build-program.js'
import { lower } from '../compile/lower.js'
import { TensorError } from '../errors.js'
import { makeNode } from '../graph/build.js'
import type { Device } from './device.js'

export interface TryOptions {
  /** Width and height of the matrices; default 4. */
  readonly size?: number
  /** Default once. */
  readonly runs?: number
}

/**
 * Multiplies matrices of ones and twos on a device, with nothing left behind. Gives the milliseconds of the fastest run.
 *
 * Errors: RUNTIME when the product is not what it has to be; those of the device.
 */
export async function tryDevice(device: Device, { size = 4, runs = 1 }: TryOptions = {}): Promise<number> {
  const type = { shape: [size, size], dtype: 'f32' } as const
  const input = () => ({ node: makeNode('input', [], {}, [type]), index: 0 })
  const product = { node: makeNode('matmul', [input(), input()], {}, [type]), index: 0 }
  const lowered = lower([product], device)
  const executable = await device.compile(buildProgram(lowered.outputs, lowered))
  const buffers = [1, 2, 0].map((value) => {
    const buffer = device.alloc(size * size * 4)
    device.write(buffer, new Uint8Array(new Float32Array(size * size).fill(value).buffer))
    return buffer
  })
  try {
    let ms = Infinity
    for (let i = 0; i < runs; i++) {
      const start = performance.now()
      await device.run(executable, buffers.slice(0, 2), buffers.slice(2), new Map())
      await device.sync()
      ms = Math.min(ms, performance.now() - start)
    }
    const results = new Float32Array((await device.read(buffers[2]!)).buffer)
    const wrong = results.find((value) => value !== size * 2)
    if (wrong !== undefined) throw new TensorError('RUNTIME', `${device.description} computed ${wrong} where ${size * 2} was expected`)
    return ms
  } finally {
    executable.dispose()
    for (const buffer of buffers) device.free(buffer)
  }
}
