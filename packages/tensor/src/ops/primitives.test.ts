import { describe, expect, it } from 'vitest'
import { isFloat } from '../dtype.js'
import { emitAll } from '../graph/build.js'
import { dataOf, givenTensor, readAll, sampleTensors } from '../testing/evaluate.js'
import { rowDifferences, rowSecondDifferences } from '../testing/finite-difference.js'
import { samplesOf } from '../testing/samples.js'
import { primitiveOps } from './table.js'

const cases = samplesOf(primitiveOps)
const differentiable = cases.filter(
  ([, row, sample]) => row.vjp !== undefined && sample.gradient !== false && sample.inputs.some(({ dtype = 'f32' }) => isFloat(dtype)),
)

describe('every primitive', () => {
  it.each(cases)('%s runs and leaves its inputs alone', (_, row, sample) => {
    const inputs = sampleTensors(row, sample).map(givenTensor)
    const before = inputs.map((input) => [...dataOf(input)])
    const outputs = emitAll(row.name, inputs, sample.attrs ?? {})
    expect(() => readAll(outputs)).not.toThrow()
    expect(inputs.map((input) => [...dataOf(input)])).toEqual(before)
  })

  it('has samples, and names them once', () => {
    for (const row of primitiveOps) {
      if (row.name !== 'input') expect(row.samples.length, row.name).toBeGreaterThan(0)
      expect(new Set(row.samples.map(({ name }) => name)).size, row.name).toBe(row.samples.length)
    }
  })
})

describe('derivatives', () => {
  it.each(differentiable)('%s agrees with finite differences, twice', (_, row, sample) => {
    for (const difference of [...rowDifferences(row, sample), ...rowSecondDifferences(row, sample, { maxElements: 12 })])
      expect(difference.error, JSON.stringify(difference)).toBeLessThan(1e-6)
  })
})
