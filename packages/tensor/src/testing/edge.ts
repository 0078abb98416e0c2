/** A case at an edge of how kernels are cut, against the reference interpreter. */
import type { Device } from '../device/device.js'
import { referenceDevice } from '../device/reference/device.js'
import { jit, tensor, type Tensor } from '../index.js'
import { mismatch } from './compare.js'

export interface KernelEdge {
  readonly name: string
  /** What differs, if anything does. */
  readonly check: (device: Device) => Promise<string | undefined>
}

export const numbers = (shape: readonly number[], step: number, dtype: 'f32' | 'f16' = 'f32'): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * step + 1)),
    { shape, dtype },
  )

export const agrees = (name: string, make: () => readonly Tensor[], compute: (...inputs: Tensor[]) => Tensor): KernelEdge => ({
  name,
  async check(device) {
    const values: Awaited<ReturnType<Tensor['data']>>[] = []
    let dtype: Tensor['dtype'] = 'f32'
    for (const target of [device, referenceDevice()]) {
      const inputs = await Promise.all(make().map((input) => input.to(target)))
      const run = jit(compute, { device: target })
      const out = await run(...inputs)
      dtype = out.dtype
      values.push(await out.data())
      out.dispose()
      run.dispose()
      inputs.forEach((input) => input.dispose())
    }
    return mismatch(dtype, values[0] as never, values[1] as never)
  },
})
