/**
 * One sample of a row on a device against the reference interpreter: values and, where the row has them, gradients. Free of Node and
 * of the test runner, so that every device's tests can use it wherever they run.
 */
import type { CompileOptions } from '../compile/plan.js'
import type { Device } from '../device/device.js'
import { referenceDevice } from '../device/reference/device.js'
import { byteSize, decodeStorage, encodeStorage, isFloat, type NumericArray } from '../dtype.js'
import { emit, emitAll } from '../graph/build.js'
import { dtypeOf, shapeOf, type Value } from '../graph/node.js'
import { mul, reduceSum } from '../graph/primitives.js'
import type { OpRow, Sample } from '../ops/row.js'
import { elementCount } from '../shape.js'
import { Storage } from '../storage.js'
import { differentiate } from '../transform/backward.js'
import { realizeValues } from '../transform/realize.js'
import { mismatch } from './compare.js'
import { sampleCase, sampleValues } from './samples.js'

const oracle = referenceDevice()

async function compute(values: readonly Value[], device: Device, options: CompileOptions = {}): Promise<NumericArray[]> {
  const storages = await realizeValues(values, { ...options, device })
  return Promise.all(
    storages.map(async (storage) => {
      const bytes = await device.read(storage.buffer!, elementCount(storage.type.shape) * byteSize(storage.type.dtype))
      storage.dispose()
      return decodeStorage(storage.type.dtype, bytes)
    }),
  )
}

/** Outputs, and the gradient of Σ output · seed for every floating-point input. */
function graphOf(row: OpRow, sample: Sample, withGradient: boolean): Value[] {
  const { inputs, outputs } = sampleCase(row, sample)
  if (!withGradient) return [...outputs]
  const wanted = inputs.map((value, i) => isFloat(dtypeOf(value)) && (row.differentiable?.includes(i) ?? true))
  const again = inputs.map((value, i) => (wanted[i] === true ? emit('identity', [value]) : value))
  const targets = again.filter((_, i) => wanted[i] === true)
  const seeded = emitAll(row.name, again, sample.attrs ?? {})
  const terms = seeded.flatMap((value, i) => {
    if (!isFloat(dtypeOf(value))) return []
    const shape = shapeOf(value) as readonly number[]
    const seed = new Storage({ shape, dtype: dtypeOf(value) }, { host: new Uint8Array(elementCount(shape) * byteSize(dtypeOf(value))) })
    const values = sampleValues({ shape, dtype: dtypeOf(value), range: [-1, 1] }, `${row.name}/${sample.name}/seed${i}`)
    seed.host!.set(encodeStorage(dtypeOf(value), values))
    return [
      reduceSum(
        mul(value, seed.value),
        shape.map((_, k) => k),
      ),
    ]
  })
  const grads = terms.flatMap((term) => differentiate([term], targets).grads)
  return [...outputs, ...grads]
}

const hasGradient = (row: OpRow, sample: Sample): boolean =>
  sample.gradient !== false &&
  row.stopsGradient !== true &&
  row.alias === undefined &&
  sample.inputs.some((input) => isFloat(input.dtype ?? 'f32')) &&
  (row.vjp !== undefined || row.decompose !== undefined)

/**
 * Runs a sample on `device` and on the reference; returns what differs, one line each. Half-precision gradients are rounded at
 * other places when nodes are split otherwise; values are compared tightly.
 */
export async function checkSample(row: OpRow, sample: Sample, device: Device, options: CompileOptions = {}): Promise<string[]> {
  const gradient = hasGradient(row, sample)
  const expected = graphOf(row, sample, gradient)
  const actual = graphOf(row, sample, gradient)
  const want = await compute(expected, oracle)
  const got = await compute(actual, device, options)
  return want.flatMap((values, i) => {
    const problem = mismatch(dtypeOf(expected[i]!), got[i]!, values)
    return problem === undefined ? [] : [`output ${i} of ${want.length}: ${problem}`]
  })
}
