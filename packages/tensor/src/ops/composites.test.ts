import { describe, expect, it } from 'vitest'
import { emitAll } from '../graph/build.js'
import { mismatch } from '../testing/compare.js'
import { evaluate, placeholdersFor, sampleTensors } from '../testing/evaluate.js'
import { rowDifferences, rowSecondDifferences } from '../testing/finite-difference.js'
import { compositeOps } from './composites.js'
import './table.js'

describe.each(compositeOps.map((row) => [row.name, row] as const))('%s', (_, row) => {
  it('has samples and a decomposition', () => {
    expect(row.kind).toBe('composite')
    expect(row.decompose).toBeDefined()
    expect(row.samples.length).toBeGreaterThan(2)
    expect(new Set(row.samples.map((sample) => sample.name)).size).toBe(row.samples.length)
  })

  it.each(row.samples.map((sample) => [sample.name, sample] as const))('reference and decomposition agree: %s', (_name, sample) => {
    for (const floats of [undefined, 'f64'] as const) {
      // lr and step are f32, and so are the sums of a forward pass, which the decomposition works out anew.
      if (floats === 'f64' && (row.name === 'adamwStep' || row.name === 'attentionGrad')) continue
      const { values, feeds } = placeholdersFor(sampleTensors(row, sample, floats))
      const outputs = emitAll(row.name, values, sample.attrs ?? {})
      const expected = evaluate(outputs, feeds)
      const actual = evaluate(outputs, feeds, { decomposeAll: true })
      actual.forEach((tensor, i) => expect(mismatch(tensor.dtype, tensor.data, expected[i]!.data), `output ${i}`).toBeUndefined())
    }
  })

  const differentiable =
    row.alias === undefined
      ? row.samples.filter((sample) => sample.gradient !== false && sample.inputs.some((input) => (input.dtype ?? 'f32').includes('f')))
      : []
  it.each(differentiable.map((sample) => [sample.name, sample] as const))('derivatives: %s', (_name, sample) => {
    for (const route of ['vjp', 'decompose'] as const)
      for (const seeds of ['all', 'first'] as const)
        for (const difference of rowDifferences(row, sample, { route, seeds, maxElements: 12 }))
          expect(difference.error, JSON.stringify({ ...difference, route, seeds })).toBeLessThan(1e-6)
  })

  it.each(differentiable.slice(0, 2).map((sample) => [sample.name, sample] as const))('second derivatives: %s', (_name, sample) => {
    for (const difference of rowSecondDifferences(row, sample, { maxElements: 6 }))
      expect(difference.error, JSON.stringify(difference)).toBeLessThan(1e-6)
  })
})
