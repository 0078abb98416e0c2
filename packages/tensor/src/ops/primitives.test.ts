import { describe, expect, it } from 'vitest'
import { isFloat } from '../dtype.js'
import { emitAll } from '../graph/build.js'
import { dtypeOf, shapeOf, type Value } from '../graph/node.js'
import { mul, reduceSum, sin } from '../graph/primitives.js'
import { differentiate } from '../transform/backward.js'
import { dataOf, evaluate, given, label, numbers, read, refill, sampleAttrs, sampleInput } from './__fixtures__/evaluate.js'
import type { OpRow, Sample } from './row.js'
import { primitiveOps } from './table.js'

const cases = primitiveOps.flatMap((row) => row.samples.map((sample): [string, OpRow, Sample] => [label(row, sample), row, sample]))
const differentiable = cases.filter(
  ([, row, sample]) => row.vjp !== undefined && sample.gradient !== false && sample.inputs.some(({ dtype = 'f32' }) => isFloat(dtype)),
)

describe('every primitive', () => {
  it.each(cases)('%s runs and leaves its inputs alone', (_, row, sample) => {
    const random = numbers(7)
    const inputs = sample.inputs.map((input) => sampleInput(input, random))
    const before = inputs.map((input) => [...dataOf(input)])
    const outputs = emitAll(row.name, inputs, sampleAttrs(sample))
    expect(() => evaluate(outputs)).not.toThrow()
    expect(inputs.map((input) => [...dataOf(input)])).toEqual(before)
  })

  it('has samples, and names them once', () => {
    for (const row of primitiveOps) {
      if (row.name !== 'input') expect(row.samples.length, row.name).toBeGreaterThan(0)
      expect(new Set(row.samples.map(({ name }) => name)).size, row.name).toBe(row.samples.length)
    }
  })
})

/** Σ weights · sin(outputs): a scalar that depends on every element in its own way. */
function lossOf(outputs: readonly Value[]): Value | undefined {
  const random = numbers(99)
  const parts = outputs
    .filter((output) => isFloat(dtypeOf(output)))
    .map((output) => {
      const shape = shapeOf(output) as number[]
      const weights = given(
        Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0.5 + random()),
        shape,
        'f64',
      )
      return reduceSum(
        mul(weights, sin(output)),
        shape.map((_, axis) => axis),
      )
    })
  return parts[0]
}

/** Central differences of a scalar by every element of an input. */
function slopes(loss: Value, input: Value): number[] {
  const values = [...dataOf(input)]
  const step = 1e-5
  const out = values.map((value, i) => {
    const at = (x: number): number => {
      refill(
        input,
        values.map((v, j) => (j === i ? x : v)),
      )
      return read(loss)[0]!
    }
    return (at(value + step) - at(value - step)) / (2 * step)
  })
  refill(input, values)
  return out
}

function expectClose(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(actual.length).toBe(expected.length)
  actual.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(tolerance * (1 + Math.abs(expected[i]!))))
}

describe('derivatives', () => {
  it.each(differentiable)('%s agrees with finite differences, twice', (_, row, sample) => {
    const random = numbers(11)
    const inputs = sample.inputs.map((input) => sampleInput(input, random, true))
    const loss = lossOf(emitAll(row.name, inputs, sampleAttrs(sample)))!
    const targets = inputs.filter((input) => dtypeOf(input) === 'f64')
    const { grads } = differentiate([loss], targets)
    const actual = evaluate(grads)
    targets.forEach((target, i) => expectClose(actual[i]!, slopes(loss, target), 1e-7))
    // Second order: the gradient of a weighted sum of the gradient's sines.
    const again = lossOf([grads[0]!])!
    const second = evaluate(differentiate([again], targets).grads)
    targets.forEach((target, i) => expectClose(second[i]!, slopes(again, target), 1e-6))
  })
})
