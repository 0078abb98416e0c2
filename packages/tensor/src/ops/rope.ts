/** Rotary position embedding (Su et al., arXiv:2104.09864). */
import { TensorError } from '../errors.js'
import { emit } from '../graph/build.js'
import { dtypeOf, shapeOf, type TensorType, type Value } from '../graph/node.js'
import { add, cast, concat, flip, gather, mul, neg, reshape, slice } from '../graph/primitives.js'
import { printIndex, printShape } from '../shape.js'
import { checkFloat, checkIndices } from './check.js'
import { defineOp, type OpRow, type Sample } from './row.js'
import { checkCount, checkDTypeIs, checkRank, checkShapeIs, describe, knownLast, narrow, wideDType, widen } from './wide.js'

type RopeAttrs = { readonly interleaved: boolean }

/**
 * Rotates x [B, H, T, D] by rows `positions` (i32 [T] or [B, T]) of the tables cos and sin [M, R/2], R ≤ D: only the
 * first R entries turn. Pairs are entry i and entry i + R/2, or neighbours when `interleaved`.
 */
export const rope = (x: Value, cos: Value, sin: Value, positions: Value, options: { readonly interleaved?: boolean } = {}): Value =>
  emit('rope', [x, cos, sin, positions], { interleaved: options.interleaved ?? false })

function inferRope(inputs: readonly TensorType[]): readonly TensorType[] {
  checkCount('rope', inputs, 4, 4, 'x, cos, sin, positions')
  const [x, cos, sin, positions] = inputs as readonly [TensorType, TensorType, TensorType, TensorType]
  checkFloat('rope', x)
  checkRank('rope', 'x', x, 4, '[batch, heads, tokens, width]')
  const tableDTypes = x.dtype === 'f64' ? (['f32', 'f64'] as const) : (['f32'] as const)
  checkDTypeIs('rope', 'cos', cos, tableDTypes, 'angles of far positions do not fit half types')
  checkDTypeIs('rope', 'sin', sin, [cos.dtype], 'the dtype of cos')
  checkRank('rope', 'cos', cos, 2, '[positions, half of the rotated width]')
  checkShapeIs('rope', 'sin', sin, cos.shape, 'the shape of cos')
  const width = knownLast('rope', 'x', x)
  const half = knownLast('rope', 'cos', cos)
  if (half < 1 || 2 * half > width)
    throw new TensorError(
      'SHAPE',
      `rope: cos ${describe(cos)} rotates ${2 * half} entries but x ${describe(x)} has ${width} in its last axis; expected 1 to ${Math.floor(width / 2)} columns`,
    )
  checkIndices('rope', positions)
  const expected = positions.shape.length === 2 ? [x.shape[0]!, x.shape[2]!] : [x.shape[2]!]
  if (positions.shape.length > 2 || positions.shape.length === 0 || positions.shape.some((dim, axis) => dim !== expected[axis]))
    throw new TensorError(
      'SHAPE',
      `rope: positions must be [${printIndex(x.shape[2]!)}] or [${printIndex(x.shape[0]!)}, ${printIndex(x.shape[2]!)}] (tokens, or batch and tokens, of x ${printShape(x.shape)}), got ${describe(positions)}`,
    )
  return [x]
}

/** Two tables of half the width side by side, or entry by entry when interleaved. */
function pairUp(first: Value, second: Value, interleaved: boolean): Value {
  const shape = shapeOf(first)
  const axis = shape.length - 1
  if (!interleaved) return concat([first, second], axis)
  const single = [...shape, 1]
  return reshape(concat([reshape(first, single), reshape(second, single)], axis + 1), [...shape.slice(0, -1), 2 * (shape[axis] as number)])
}

/** Each entry replaced by its partner. */
function exchange(x: Value, interleaved: boolean): Value {
  const shape = shapeOf(x)
  const width = shape[3] as number
  if (interleaved) return reshape(flip(reshape(x, [...shape.slice(0, 3), width / 2, 2]), [4]), shape)
  return concat([columns(x, width / 2, width), columns(x, 0, width / 2)], 3)
}

/** x[..., from:to] of a tensor with four axes. */
const columns = (x: Value, from: number, to: number): Value => slice(x, [0, 0, 0, from], [...shapeOf(x).slice(0, 3), to])

const ropeOp = defineOp<RopeAttrs>({
  name: 'rope',
  kind: 'composite',
  summary: 'Rotary position embedding: pairs of the first R entries of each head turn by the angle of their position.',
  infer: inferRope,
  decompose: ([x, cos, sin, positions], { interleaved }) => {
    const dtype = wideDType(dtypeOf(x!))
    const turned = 2 * (shapeOf(cos!)[1] as number)
    const width = shapeOf(x!)[3] as number
    const c = cast(gather(cos!, positions!, 0), dtype)
    const s = cast(gather(sin!, positions!, 0), dtype)
    // The tables are the same for q and k of all layers, so they are prepared at full width, where they are small.
    const spread = (table: Value): Value => {
      const shape = shapeOf(table)
      return shape.length === 2 ? table : reshape(table, [shape[0]!, 1, shape[1]!, shape[2]!])
    }
    const wide = widen(x!)
    const part = turned === width ? wide : columns(wide, 0, turned)
    const rotated = add(
      mul(part, spread(pairUp(c, c, interleaved))),
      mul(exchange(part, interleaved), spread(pairUp(neg(s), s, interleaved))),
    )
    return [narrow(turned === width ? rotated : concat([rotated, columns(wide, turned, width)], 3), x!)]
  },
  differentiable: [0],
  vjp: ({ inputs: [, cos, sin, positions], grads, needs, attrs }) => {
    if (needs[1] === true || needs[2] === true)
      throw new TensorError(
        'GRADIENT',
        'rope: differentiates by x only; keep the cos and sin tables out of the parameters, or cut their gradient with stopGradient()',
      )
    return [rope(grads[0]!, cos!, neg(sin!), positions!, attrs), undefined, undefined, undefined]
  },
  samples: ropeSamples(),
})

function ropeSamples(): Sample[] {
  const sample = (
    name: string,
    x: readonly number[],
    half: number,
    positions: readonly number[],
    more: { interleaved?: boolean; batch?: boolean; dtype?: 'f16' | 'bf16' } = {},
  ): Sample => ({
    name,
    inputs: [
      { shape: x, ...(more.dtype === undefined ? {} : { dtype: more.dtype }) },
      { shape: [9, half], range: [-1, 1] },
      { shape: [9, half], range: [-1, 1] },
      { shape: more.batch === true ? [x[0]!, x[2]!] : [x[2]!], dtype: 'i32', values: positions },
    ],
    attrs: { interleaved: more.interleaved ?? false },
  })
  return [
    sample('halves', [2, 3, 4, 6], 3, [0, 1, 2, 8]),
    sample('interleaved', [2, 3, 4, 6], 3, [0, 1, 2, 8], { interleaved: true }),
    sample('partial', [1, 2, 3, 8], 2, [5, 6, 7]),
    sample('partial interleaved', [1, 2, 3, 8], 3, [5, 6, 7], { interleaved: true }),
    sample('batch positions', [2, 2, 3, 4], 2, [0, 1, 2, 4, 5, 6], { batch: true }),
    sample('batch positions interleaved', [2, 2, 3, 4], 2, [0, 1, 2, 4, 5, 6], { batch: true, interleaved: true }),
    sample('one token', [1, 4, 1, 16], 8, [7]),
    sample('no tokens', [1, 2, 0, 4], 2, []),
    sample('f16', [1, 2, 3, 8], 4, [1, 2, 3], { dtype: 'f16' }),
    sample('bf16', [1, 2, 3, 8], 4, [1, 2, 3], { dtype: 'bf16' }),
  ]
}

export const ropeOps: readonly OpRow[] = [ropeOp]
