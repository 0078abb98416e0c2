/** A shape at the edge of how kernels are cut, and whether a device computes the same there as the reference interpreter. */
import type { Device } from '../device/device.js'
import { referenceDevice } from '../device/reference/device.js'
import type { DType, NumericArray } from '../dtype.js'
import { jit, tensor, type Tensor } from '../index.js'
import type { SymValues } from '../shape.js'
import { mismatch } from './compare.js'

export interface KernelEdge {
  readonly name: string
  /** What differs, if anything does. */
  readonly check: (device: Device) => Promise<string | undefined>
}

/** Numbers of no pattern from −1 to 1. */
export const numbers = (shape: readonly number[], step: number, dtype: 'f32' | 'f16' | 'bf16' = 'f32'): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * step + 1)),
    { shape, dtype },
  )

/**
 * What a device computes of some tensors is what the reference interpreter does.
 *
 * @param symbols values of the function's symbols, one call after another; default one call without any
 */
export const agrees = (
  name: string,
  make: () => readonly Tensor[],
  compute: (...inputs: Tensor[]) => Tensor,
  symbols: readonly SymValues[] = [new Map()],
): KernelEdge => ({
  name,
  async check(device) {
    const found: string[] = []
    const results: { dtype: DType; values: NumericArray }[][] = []
    for (const target of [device, referenceDevice()]) {
      const inputs = await Promise.all(make().map((input) => input.to(target)))
      const run = jit(compute, { device: target })
      const own: (typeof results)[number] = []
      for (const values of symbols) {
        const out = await run.run(inputs, { symbols: values })
        own.push({ dtype: out.dtype, values: await out.data() })
        out.dispose()
      }
      results.push(own)
      run.dispose()
      inputs.forEach((input) => input.dispose())
    }
    symbols.forEach((values, i) => {
      const [own, expected] = [results[0]![i]!, results[1]![i]!]
      const problem = mismatch(own.dtype, own.values, expected.values)
      if (problem !== undefined) found.push([...values.values(), problem].join(': '))
    })
    return found.length === 0 ? undefined : found.join('; ')
  },
})
