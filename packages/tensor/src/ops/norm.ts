/**
 * Layer norm (Ba et al., arXiv:1607.06450) and RMS norm (Zhang and Sennrich, arXiv:1910.07467) over the last axis. The
 * row statistics are outputs, since the gradients need them; they are in the dtype that is computed in.
 *
 * Gradients read x and dy once for each pass they cannot avoid: sums over rows and columns are matrix-vector products,
 * which need no elementwise pass to prepare them.
 */
import { emitAll } from '../graph/build.js'
import { shapeOf, type TensorType, type Value } from '../graph/node.js'
import { add, like, mul, neg, recip, reduceSum, reshape, sqrt, sub } from '../graph/primitives.js'
import type { Shape } from '../shape.js'
import { checkFloat } from './check.js'
import { matmul, sumRows } from './matmul.js'
import { defineOp, type OpRow, type Sample } from './row.js'
import { checkCount, checkDTypeIs, checkFinite, checkShapeIs, joinDims, knownLast, narrow, sumLast, wideDType, widen } from './wide.js'

type NormAttrs = { readonly eps: number }
const DEFAULT_EPS = 1e-5

/** (x − mean) · rstd · weight + bias: x [..., D], weight and bias [D] → [y, mean [..., 1], rstd [..., 1]]. */
export const layerNorm = (x: Value, weight: Value, bias?: Value, eps = DEFAULT_EPS): readonly Value[] =>
  emitAll('layerNorm', bias === undefined ? [x, weight] : [x, weight, bias], { eps })
/** x / sqrt(mean(x²) + eps) · weight: x [..., D], weight [D] → [y, rstd [..., 1]]. */
export const rmsNorm = (x: Value, weight: Value, eps = DEFAULT_EPS): readonly Value[] => emitAll('rmsNorm', [x, weight], { eps })
/** Gradients of {@link layerNorm}'s y: [dx, dweight, dbias]. */
export const layerNormGrad = (x: Value, weight: Value, mean: Value, rstd: Value, dy: Value): readonly Value[] =>
  emitAll('layerNormGrad', [x, weight, mean, rstd, dy])
/** Gradients of {@link rmsNorm}'s y: [dx, dweight]. */
export const rmsNormGrad = (x: Value, weight: Value, rstd: Value, dy: Value): readonly Value[] =>
  emitAll('rmsNormGrad', [x, weight, rstd, dy])

const widthOf = (x: Value): number => shapeOf(x).at(-1) as number
const statShape = (shape: Shape): Shape => [...shape.slice(0, -1), 1]
/** Mean over the last axis, kept. An axis without elements has no mean: 0 keeps the empty result free of NaN constants. */
const meanLast = (x: Value): Value => mul(sumLast(x), like(x, 1 / Math.max(1, widthOf(x))))
const rstdOf = (meanSquare: Value, eps: number): Value => recip(sqrt(add(meanSquare, like(meanSquare, eps))))

function checkNorm(op: string, inputs: readonly TensorType[]): { readonly x: TensorType; readonly stat: TensorType } {
  const [x, weight] = inputs as readonly [TensorType, TensorType]
  checkFloat(op, x)
  const width = knownLast(op, 'x', x)
  checkShapeIs(op, 'weight', weight, [width], 'one for each element of the last axis of x')
  checkDTypeIs(op, 'weight', weight, [x.dtype], 'the dtype of x')
  return { x, stat: { shape: statShape(x.shape), dtype: wideDType(x.dtype) } }
}

function checkEps(op: string, eps: number): void {
  checkFinite(op, 'eps', eps, (value) => value >= 0 && Number.isFinite(value), 'a non-negative number such as 1e-5')
}

function checkStat(op: string, name: string, type: TensorType, stat: TensorType): void {
  checkShapeIs(op, name, type, stat.shape, 'one for each row of x')
  checkDTypeIs(op, name, type, [stat.dtype], 'the dtype that x is computed in')
}

function checkLikeX(op: string, name: string, type: TensorType, x: TensorType): void {
  checkShapeIs(op, name, type, x.shape, 'the shape of x')
  checkDTypeIs(op, name, type, [x.dtype], 'the dtype of x')
}

/** A tensor [..., D] seen as rows [N, D], where no symbol forbids joining the leading axes. */
function asRows(x: Value): Value {
  const shape = shapeOf(x)
  const rows = joinDims(shape.slice(0, -1))
  return rows === undefined ? x : reshape(x, [rows, shape.at(-1)!])
}

/** Σ over the last axis of x · weights: [..., D] and [D] → [..., 1]. x has at least two axes. */
const dotRows = (x: Value, weights: Value): Value => matmul(x, reshape(weights, [widthOf(x), 1]))

/** Σ over rows of x · factor: [..., D] and [..., 1] → [D]. */
function weightedSum(x: Value, factor: Value): Value {
  const shape = shapeOf(x)
  const width = widthOf(x)
  if (shape.length === 2) return reshape(matmul(reshape(factor, [1, shape[0]!]), x), [width])
  return reduceSum(
    mul(x, factor),
    shape.slice(0, -1).map((_, axis) => axis),
  )
}

const layerNormOp = defineOp<NormAttrs>({
  name: 'layerNorm',
  kind: 'composite',
  summary: '(x − mean) · rstd · weight + bias over the last axis, rstd = 1/sqrt(variance + eps); also returns mean and rstd.',
  infer: (inputs, { eps }) => {
    checkCount('layerNorm', inputs, 2, 3, 'x, weight, bias')
    checkEps('layerNorm', eps)
    const { x, stat } = checkNorm('layerNorm', inputs)
    const bias = inputs[2]
    if (bias !== undefined) {
      checkShapeIs('layerNorm', 'bias', bias, inputs[1]!.shape, 'the shape of weight')
      checkDTypeIs('layerNorm', 'bias', bias, [x.dtype], 'the dtype of x')
    }
    return [x, stat, stat]
  },
  decompose: ([x, weight, bias], { eps }) => {
    const wide = widen(x!)
    const mean = meanLast(wide)
    const centered = sub(wide, mean)
    const rstd = rstdOf(meanLast(mul(centered, centered)), eps)
    const scaled = mul(mul(centered, rstd), widen(weight!))
    return [narrow(bias === undefined ? scaled : add(scaled, widen(bias)), x!), mean, rstd]
  },
  vjp: ({ inputs: [x, weight, bias], outputs: [, mean, rstd], grads: [dy, dmean, drstd] }) => {
    const back = dy === undefined ? [] : layerNormGrad(x!, weight!, mean!, rstd!, dy)
    let dx = back[0]
    const perElement = 1 / Math.max(1, widthOf(x!))
    // Only gradients of gradients reach the statistics: ∂mean/∂x = 1/D, ∂rstd/∂x = −rstd³·(x − mean)/D.
    if (dmean !== undefined) dx = plusWide(dx, mul(dmean, like(dmean, perElement)), x!)
    if (drstd !== undefined) dx = plusWide(dx, mul(sub(widen(x!), mean!), rstdSlope(rstd!, drstd, perElement)), x!)
    return [dx, back[1], bias === undefined ? undefined : back[2]]
  },
  samples: normSamples([{ shape: [8] }, { shape: [8] }]),
})

/** −rstd³ · drstd / D. */
const rstdSlope = (rstd: Value, drstd: Value, perElement: number): Value =>
  neg(mul(mul(mul(rstd, mul(rstd, rstd)), drstd), like(drstd, perElement)))

/** A gradient of x with a term in the computing dtype added, broadcast to x. */
function plusWide(grad: Value | undefined, term: Value, x: Value): Value {
  const base = grad === undefined ? mul(widen(x), like(term, 0)) : widen(grad)
  return narrow(add(base, term), x)
}

const layerNormGradOp = defineOp({
  name: 'layerNormGrad',
  kind: 'composite',
  summary: 'Gradients of layerNorm from its row statistics: [dx, dweight, dbias].',
  infer: (inputs) => {
    checkCount('layerNormGrad', inputs, 5, 5, 'x, weight, mean, rstd, dy')
    const { x, stat } = checkNorm('layerNormGrad', inputs)
    checkStat('layerNormGrad', 'mean', inputs[2]!, stat)
    checkStat('layerNormGrad', 'rstd', inputs[3]!, stat)
    checkLikeX('layerNormGrad', 'dy', inputs[4]!, x)
    return [x, inputs[1]!, inputs[1]!]
  },
  decompose: (inputs) => {
    const [x, mean, rstd, dy] = [inputs[0]!, inputs[2]!, inputs[3]!, inputs[4]!].map((value) => asRows(widen(value))) as [
      Value,
      Value,
      Value,
      Value,
    ]
    const weight = widen(inputs[1]!)
    const perElement = like(x, 1 / Math.max(1, widthOf(x)))
    // With x̂ = c·rstd and g = dy·weight: dx = rstd · (g − mean(g) − x̂·mean(g·x̂)), where the means are taken of dy and dy·c directly.
    const c = sub(x, mean)
    const dyc = mul(dy, c)
    const meanG = mul(dotRows(dy, weight), perElement)
    const meanGx = mul(mul(dotRows(dyc, weight), perElement), rstd)
    const projected = add(mul(c, mul(meanGx, rstd)), meanG)
    const dx = mul(sub(mul(dy, weight), projected), rstd)
    return [
      narrow(reshape(dx, shapeOf(inputs[0]!)), inputs[0]!),
      narrow(weightedSum(dyc, rstd), inputs[1]!),
      narrow(sumRows(dy), inputs[1]!),
    ]
  },
  samples: gradSamples(2),
})

const rmsNormOp = defineOp<NormAttrs>({
  name: 'rmsNorm',
  kind: 'composite',
  summary: 'x · rstd · weight over the last axis, rstd = 1/sqrt(mean(x²) + eps); also returns rstd.',
  infer: (inputs, { eps }) => {
    checkCount('rmsNorm', inputs, 2, 2, 'x, weight')
    checkEps('rmsNorm', eps)
    const { x, stat } = checkNorm('rmsNorm', inputs)
    return [x, stat]
  },
  decompose: ([x, weight], { eps }) => {
    const wide = widen(x!)
    const rstd = rstdOf(meanLast(mul(wide, wide)), eps)
    return [narrow(mul(mul(wide, rstd), widen(weight!)), x!), rstd]
  },
  vjp: ({ inputs: [x, weight], outputs: [, rstd], grads: [dy, drstd] }) => {
    const back = dy === undefined ? [] : rmsNormGrad(x!, weight!, rstd!, dy)
    // Only gradients of gradients reach rstd: ∂rstd/∂x = −rstd³·x/D.
    const dx = drstd === undefined ? back[0] : plusWide(back[0], mul(widen(x!), rstdSlope(rstd!, drstd, 1 / Math.max(1, widthOf(x!)))), x!)
    return [dx, back[1]]
  },
  samples: normSamples([{ shape: [8] }]),
})

const rmsNormGradOp = defineOp({
  name: 'rmsNormGrad',
  kind: 'composite',
  summary: 'Gradients of rmsNorm from its rstd: [dx, dweight].',
  infer: (inputs) => {
    checkCount('rmsNormGrad', inputs, 4, 4, 'x, weight, rstd, dy')
    const { x, stat } = checkNorm('rmsNormGrad', inputs)
    checkStat('rmsNormGrad', 'rstd', inputs[2]!, stat)
    checkLikeX('rmsNormGrad', 'dy', inputs[3]!, x)
    return [x, inputs[1]!]
  },
  decompose: (inputs) => {
    const [x, rstd, dy] = [inputs[0]!, inputs[2]!, inputs[3]!].map((value) => asRows(widen(value))) as [Value, Value, Value]
    const weight = widen(inputs[1]!)
    // dx = rstd · (g − x̂·mean(g·x̂)) with g = dy·weight, x̂ = x·rstd.
    const dyx = mul(dy, x)
    const mean = mul(dotRows(dyx, weight), like(x, 1 / Math.max(1, widthOf(x))))
    const dx = mul(sub(mul(dy, weight), mul(x, mul(mean, mul(rstd, rstd)))), rstd)
    return [narrow(reshape(dx, shapeOf(inputs[0]!)), inputs[0]!), narrow(weightedSum(dyx, rstd), inputs[1]!)]
  },
  samples: gradSamples(1),
})

function normSamples(parameters: readonly { readonly shape: readonly number[] }[]): Sample[] {
  const eps = 1e-5
  const sample = (name: string, shape: readonly number[], more: Partial<Sample['inputs'][number]> = {}): Sample => {
    const width = shape.at(-1)!
    return {
      name,
      inputs: [
        { shape, ...more },
        ...parameters.map(() => ({ shape: [width], ...(more.dtype === undefined ? {} : { dtype: more.dtype }) })),
      ],
      attrs: { eps },
    }
  }
  const all = [
    sample('rows', [3, 8]),
    sample('batch', [2, 3, 6]),
    sample('vector', [8]),
    sample('odd', [5, 33]),
    sample('no rows', [0, 8]),
    sample('far from zero', [2, 8], { range: [90, 110] }),
    { ...sample('zeros', [2, 4], { values: [0, 0, 0, 0, 0, 0, 0, 0] }), gradient: false },
    sample('f16', [3, 16], { dtype: 'f16' }),
    sample('bf16', [3, 16], { dtype: 'bf16' }),
    { ...sample('large eps', [2, 8]), attrs: { eps: 0.5 } },
  ]
  // The bias may be left out.
  return parameters.length < 2 ? all : [...all, { name: 'without bias', inputs: [{ shape: [3, 8] }, { shape: [8] }], attrs: { eps } }]
}

function gradSamples(stats: 1 | 2): Sample[] {
  const sample = (name: string, shape: readonly number[], dtype: 'f32' | 'f16' | 'bf16' = 'f32'): Sample => {
    const stat = { shape: [...shape.slice(0, -1), 1], range: [0.5, 1.5] as const }
    return {
      name,
      inputs: [{ shape, dtype }, { shape: [shape.at(-1)!], dtype }, ...(stats === 2 ? [stat, stat] : [stat]), { shape, dtype }],
    }
  }
  return [
    sample('rows', [3, 8]),
    sample('batch', [2, 3, 6]),
    sample('vector', [8]),
    sample('no rows', [0, 4]),
    sample('f16', [3, 8], 'f16'),
    sample('bf16', [3, 8], 'bf16'),
  ]
}

export const normOps: readonly OpRow[] = [layerNormOp, layerNormGradOp, rmsNormOp, rmsNormGradOp]
