import { describe, expect, it } from 'vitest'
import type { DType } from '../dtype.js'
import { placeholder, refTensor, run } from '../testing/evaluate.js'
import { adamwStep, type AdamWAttrs } from './optim.js'
import type { RefTensor } from './row.js'
import './table.js'

const attrs: AdamWAttrs = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 }
const one = (value: number, dtype: DType = 'f32'): RefTensor => refTensor([1], [value], dtype)
const scalar = (value: number): RefTensor => refTensor([], [value])

function step(
  inputs: { p: number; g: number; m?: number; v?: number; lr: number; step: number },
  more: Partial<AdamWAttrs> = {},
  decomposeAll = false,
): number[] {
  const { p, g, m = 0, v = 0, lr } = inputs
  const tensors = [one(p), one(g), one(m), one(v), scalar(lr), scalar(inputs.step)]
  return run((a, b, c, d, e, f) => adamwStep({ p: a, g: b, m: c, v: d, lr: e, step: f }, { ...attrs, ...more }), tensors, {
    decomposeAll,
  }).map((tensor) => tensor.data[0]!)
}

describe.each([false, true])('adamwStep (decomposed: %s)', (decomposed) => {
  it('moves by the learning rate at first, whatever the gradient', () => {
    for (const g of [1e-3, 0.5, 100]) {
      const [p, m, v] = step({ p: 1, g, lr: 0.1, step: 1 }, {}, decomposed)
      expect(p).toBeCloseTo(0.9, 5)
      expect(m! / (0.1 * g)).toBeCloseTo(1, 6)
      expect(v! / (0.001 * g * g)).toBeCloseTo(1, 5)
    }
  })

  it('corrects moments exactly enough in f32', () => {
    // At step 1 the correction of v is 0.001, which 1 − 0.999 misses by 2e-5 of itself in f32.
    const [p] = step({ p: 0, g: 0.3, lr: 1, step: 1 }, {}, decomposed)
    expect(Math.abs(p! + 1)).toBeLessThan(1e-6)
  })

  it('decays apart from the gradient', () => {
    expect(step({ p: 2, g: 0, lr: 0.1, step: 1 }, { weightDecay: 0.5 }, decomposed)[0]).toBeCloseTo(1.9, 6)
  })

  it("adds TensorFlow's ε to the uncorrected root", () => {
    // m = 0.1, v = 0.001: 0.1·√0.001/0.1 · 0.1/(√0.001 + 0.01), by hand
    const root = Math.sqrt(0.001)
    expect(step({ p: 0, g: 1, lr: 0.1, step: 1 }, { epsMode: 'tensorflow', eps: 0.01 }, decomposed)[0]).toBeCloseTo(
      (-0.1 * root) / (root + 0.01),
      6,
    )
    expect(step({ p: 0, g: 1, lr: 0.1, step: 1 }, { eps: 0.01 }, decomposed)[0]).toBeCloseTo(-0.1 / 1.01, 6)
  })

  it('does nothing at a learning rate and gradient of 0', () => {
    expect(step({ p: 3, g: 0, lr: 0, step: 1 }, { weightDecay: 0.1 }, decomposed)).toEqual([3, 0, 0])
  })
})

describe('adamwStep', () => {
  it('says what does not fit', () => {
    const of = (dtype: DType, ...shape: number[]) => placeholder({ shape, dtype })
    const state = { p: of('bf16', 2), g: of('bf16', 2), m: of('f32', 2), v: of('f32', 2), lr: of('f32'), step: of('f32') }
    expect(adamwStep(state, attrs).map((value) => value.node.outputs[value.index]!.dtype)).toEqual(['bf16', 'f32', 'f32'])
    expect(() => adamwStep({ ...state, m: of('bf16', 2) }, attrs)).toThrow(
      'adamwStep: m must be f32 (moments lose too much in half types), got bf16 [2]',
    )
    expect(() => adamwStep({ ...state, g: of('bf16', 3) }, attrs)).toThrow('adamwStep: g must be [2] (the shape of p), got bf16 [3]')
    expect(() => adamwStep({ ...state, lr: of('f32', 1) }, attrs)).toThrow('lr must be a scalar, got f32 [1]')
    expect(() => adamwStep(state, { ...attrs, beta1: 1 })).toThrow('beta1 must be a number from 0 to below 1, got 1')
  })
})
