import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isFloat } from '../../../dtype.js'
import { emitAll } from '../../../graph/build.js'
import { dtypeOf, typeOf } from '../../../graph/node.js'
import { allOps } from '../../../ops/table.js'
import { givenTensor, sampleTensors } from '../../../testing/evaluate.js'
import { samplesOf } from '../../../testing/samples.js'
import type { OnnxDevice } from '../node/device.js'
import { expectedOf, normalisedError, openDevice, programOf, runProgram } from './__fixtures__/run.js'
import { supportsNatively } from './emit.js'

let device: OnnxDevice
beforeAll(async () => {
  device = await openDevice()
})
afterAll(() => device.dispose())

const limits: Partial<Record<string, number>> = { f32: 1e-10, f16: 1e-6, bf16: 1e-4 }

describe('every row with an emitter', () => {
  it.each(samplesOf(allOps))('%s', async (_, row, sample) => {
    const attrs = sample.attrs ?? {}
    const inputs = sampleTensors(row, sample).map(givenTensor)
    const outputs = emitAll(row.name, inputs, attrs)
    const isNative = supportsNatively(row.name, inputs.map(typeOf), outputs.map(typeOf), attrs, 'node')
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
