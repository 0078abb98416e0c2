import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isFloat } from '../../../dtype.js'
import { emitAll } from '../../../graph/build.js'
import { dtypeOf, typeOf } from '../../../graph/node.js'
import { label, numbers, sampleAttrs, sampleInput } from '../../../ops/__fixtures__/evaluate.js'
import type { OpRow, Sample } from '../../../ops/row.js'
import { allOps } from '../../../ops/table.js'
import type { OnnxDevice } from '../node/device.js'
import { expectedOf, normalisedError, openDevice, programOf, runProgram } from './__fixtures__/run.js'
import { supportsNatively } from './emit.js'

let device: OnnxDevice
beforeAll(async () => {
  device = await openDevice()
})
afterAll(() => device.dispose())

const cases = allOps.flatMap((row) => row.samples.map((sample): [string, OpRow, Sample] => [label(row, sample), row, sample]))
const limits: Partial<Record<string, number>> = { f32: 1e-10, f16: 1e-6, bf16: 1e-4 }

describe('every row with an emitter', () => {
  it.each(cases)('%s', async (_, row, sample) => {
    const random = numbers(7)
    const inputs = sample.inputs.map((input) => sampleInput(input, random))
    const outputs = emitAll(row.name, inputs, sampleAttrs(sample))
    const isNative = supportsNatively(row.name, inputs.map(typeOf), outputs.map(typeOf), sampleAttrs(sample), 'node')
    if (row.kind === 'primitive' && row.name !== 'checkpoint') expect(isNative).toBe(true)
    if (!isNative) return
    const actual = await runProgram(device, programOf(outputs))
    const expected = expectedOf(outputs)
    outputs.forEach((output, i) => {
      const dtype = dtypeOf(output)
      if (isFloat(dtype)) expect(normalisedError(actual[i]!, expected[i]!)).toBeLessThanOrEqual(limits[dtype]!)
      else expect([...actual[i]!]).toEqual([...expected[i]!])
    })
  })
})
