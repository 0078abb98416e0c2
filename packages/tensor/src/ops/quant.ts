/**
 * Block-quantised weights [N, K]: 32 values in a row share a scale, or 16. The 4-bit layout is that of ONNX Runtime's MatMulNBits:
 * byte j of a block holds values 2j (low nibble) and 2j + 1 (high nibble).
 */
import { TensorError } from '../errors.js'
import { emit } from '../graph/build.js'
import { dtypeOf, shapeOf, type TensorType, type Value } from '../graph/node.js'
import { and, cast, concat, constant, like, mul, reshape, shr, sub } from '../graph/primitives.js'
import { printShape } from '../shape.js'
import { checkFloat } from './check.js'
import { matmul } from './matmul.js'
import { defineOp, type OpRow, type Sample, type SampleInput } from './row.js'
import { checkCount, checkDTypeIs, checkRank, checkShapeIs, describe, given, knownLast, narrow, wideDType, widen } from './wide.js'

export type QuantBits = 4 | 8
/** Values that share one scale: 32, and 16 in some of GGUF's types. */
export type QuantBlock = 16 | 32
export type QuantAttrs = {
  readonly bits: QuantBits
  /** Default 32. */
  readonly block?: QuantBlock
  /** Products take their inputs as they are. Default: a device may round them to 8 bits, block by block. */
  readonly inputs?: 'f32'
}

/** The stored value that stands for zero. */
const zeroPoint = (bits: QuantBits): number => (bits === 4 ? 8 : 128)
/** Values that share one scale. */
export const blockSize = ({ block = 32 }: QuantAttrs): number => block
export const blockBytes = (attrs: QuantAttrs): number => (blockSize(attrs) * attrs.bits) / 8

/** x [..., K] · Wᵀ for a quantised W [N, K] → [..., N]. `mins` [N, K/block] are subtracted from every value of a block. */
export const qmatmul = (x: Value, packed: Value, scales: Value, { mins, ...attrs }: QuantAttrs & { readonly mins?: Value }): Value =>
  emit('qmatmul', mins === undefined ? [x, packed, scales] : [x, packed, scales, mins], attrs)
/** The f32 matrix [N, K] that quantised weights stand for. */
export const dequantize = (packed: Value, scales: Value, { mins, ...attrs }: QuantAttrs & { readonly mins?: Value }): Value =>
  emit('dequantize', mins === undefined ? [packed, scales] : [packed, scales, mins], attrs)

/** Checks a quantised matrix, or several of them one behind the other in `stack`, and returns its N and K. */
export function checkPacked(
  op: string,
  inputs: readonly (TensorType | undefined)[],
  attrs: QuantAttrs,
  stack: readonly string[] = [],
): readonly [rows: TensorType['shape'][number], columns: number] {
  const [packed, scales, mins] = inputs as readonly [TensorType, TensorType, TensorType | undefined]
  const { bits } = attrs
  const block = blockSize(attrs)
  if (bits !== 4 && bits !== 8) throw new TensorError('VALUE', `${op}: bits must be 4 or 8, got ${String(bits)}`)
  if (block !== 16 && block !== 32) throw new TensorError('VALUE', `${op}: block must be 16 or 32, got ${String(block)}`)
  checkDTypeIs(op, 'packed', packed, ['u8'], `${bits}-bit values in bytes`)
  const axes = [...stack, 'N', `K/${block}`].join(', ')
  checkRank(op, 'packed', packed, stack.length + 3, `[${axes}, bytes of a block]`)
  const [rows, blocks, bytes] = packed.shape.slice(stack.length) as [
    TensorType['shape'][number],
    TensorType['shape'][number],
    TensorType['shape'][number],
  ]
  if (bytes !== blockBytes(attrs) || typeof blocks !== 'number')
    throw new TensorError('SHAPE', `${op}: packed ${printShape(packed.shape)} must be [${axes}, ${blockBytes(attrs)}] for ${bits} bits`)
  checkDTypeIs(op, 'scales', scales, ['f32', 'f64'], 'scales of blocks')
  checkShapeIs(op, 'scales', scales, packed.shape.slice(0, -1), 'one for each block')
  if (mins !== undefined) {
    checkDTypeIs(op, 'mins', mins, [scales.dtype], 'the dtype of scales')
    checkShapeIs(op, 'mins', mins, packed.shape.slice(0, -1), 'one for each block')
  }
  return [rows, blocks * block]
}

/** Stored values of 4-bit blocks in order: [N, blocks, bytes] → [N, blocks, 2 · bytes]. */
function unpackNibbles(packed: Value): Value {
  const [rows, blocks, bytes] = shapeOf(packed) as readonly [TensorType['shape'][number], number, number]
  const single = [rows, blocks, bytes, 1]
  const low = reshape(and(packed, constant(15, 'u8')), single)
  const high = reshape(shr(packed, constant(4, 'u8')), single)
  return reshape(concat([low, high], 3), [rows, blocks, 2 * bytes])
}

const dequantizeOp = defineOp<QuantAttrs>({
  name: 'dequantize',
  kind: 'composite',
  summary: 'The matrix [N, K] behind block-quantised weights: scale · (stored − 8 or 128), minus the block’s minimum where there is one.',
  infer: (inputs, attrs) => {
    checkCount('dequantize', inputs, 2, 3, 'packed, scales, mins')
    return [{ shape: checkPacked('dequantize', inputs, attrs), dtype: inputs[1]!.dtype }]
  },
  decompose: ([packed, scales, mins], attrs) => {
    const { bits } = attrs
    const [rows, blocks] = shapeOf(scales!) as readonly [TensorType['shape'][number], number]
    const stored = cast(bits === 4 ? unpackNibbles(packed!) : packed!, dtypeOf(scales!))
    const perBlock = [rows, blocks, 1]
    const scaled = mul(sub(stored, like(stored, zeroPoint(bits))), reshape(scales!, perBlock))
    const values = mins === undefined ? scaled : sub(scaled, reshape(mins, perBlock))
    return [reshape(values, [rows, blocks * blockSize(attrs)])]
  },
  samples: quantSamples().map(({ x: _, ...sample }) => sample),
})

const qmatmulOp = defineOp<QuantAttrs>({
  name: 'qmatmul',
  kind: 'composite',
  summary: 'x · Wᵀ with block-quantised W [N, K]. Differentiates by x only.',
  infer: (inputs, attrs) => {
    checkCount('qmatmul', inputs, 3, 4, 'x, packed, scales, mins')
    const x = inputs[0]!
    checkFloat('qmatmul', x)
    const [rows, columns] = checkPacked('qmatmul', inputs.slice(1), attrs)
    if (knownLast('qmatmul', 'x', x) !== columns)
      throw new TensorError(
        'SHAPE',
        `qmatmul: the last axis of x ${describe(x)} must be ${columns}, the columns of the weight packed as ${printShape(inputs[1]!.shape)}`,
      )
    return [{ shape: [...x.shape.slice(0, -1), rows], dtype: x.dtype }]
  },
  decompose: ([x, packed, scales, mins], { inputs: _, ...attrs }) => {
    const wide = widen(x!)
    const weight = cast(dequantize(packed!, scales!, { ...attrs, ...given({ mins }) }), dtypeOf(wide))
    const shape = shapeOf(x!)
    const y = matmul(shape.length === 1 ? reshape(wide, [1, ...shape]) : wide, weight, { transB: true })
    return [narrow(reshape(y, [...shape.slice(0, -1), shapeOf(weight)[0]!]), x!)]
  },
  differentiable: [0],
  vjp: ({ inputs: [x, packed, scales, mins], grads, needs, attrs: { inputs: _, ...attrs } }) => {
    if (needs.slice(1).includes(true))
      throw new TensorError(
        'GRADIENT',
        'qmatmul: differentiates by x only; keep quantised weights out of the parameters (train an adapter beside them)',
      )
    const grad = widen(grads[0]!)
    const weight = cast(dequantize(packed!, scales!, { ...attrs, ...given({ mins }) }), wideDType(dtypeOf(x!)))
    const shape = shapeOf(grad)
    const dx = matmul(shape.length === 1 ? reshape(grad, [1, ...shape]) : grad, weight)
    return [narrow(reshape(dx, shapeOf(x!)), x!)]
  },
  samples: quantSamples().map(({ x, ...sample }) => ({ ...sample, inputs: [x, ...sample.inputs] })),
})

function quantSamples(): (Sample & { readonly x: SampleInput })[] {
  const sample = (
    name: string,
    bits: QuantBits,
    x: readonly number[],
    rows: number,
    more: { mins?: boolean; dtype?: 'f16' | 'bf16'; block?: QuantBlock } = {},
  ) => {
    const attrs: QuantAttrs = { bits, ...(more.block === undefined ? {} : { block: more.block }) }
    const blocks = x.at(-1)! / blockSize(attrs)
    const perBlock = { shape: [rows, blocks], range: [-0.2, 0.2] as const }
    const packed = { shape: [rows, blocks, blockBytes(attrs)], dtype: 'u8' as const, range: [0, 255] as const }
    return {
      name,
      x: { shape: x, ...(more.dtype === undefined ? {} : { dtype: more.dtype }) },
      inputs: [packed, perBlock, ...(more.mins === true ? [perBlock] : [])],
      attrs,
    }
  }
  return [
    sample('4 bits', 4, [3, 64], 5),
    sample('8 bits', 8, [3, 64], 5),
    sample('4 bits, mins', 4, [2, 3, 32], 7, { mins: true }),
    sample('8 bits, mins', 8, [2, 32], 3, { mins: true }),
    sample('4 bits, blocks of 16', 4, [2, 48], 5, { block: 16 }),
    sample('8 bits, blocks of 16', 8, [2, 48], 5, { block: 16 }),
    sample('4 bits, blocks of 16, mins', 4, [3, 64], 6, { block: 16, mins: true }),
    sample('8 bits, blocks of 16, mins', 8, [1, 64], 7, { block: 16, mins: true }),
    sample('vector', 4, [32], 4),
    sample('one row', 4, [1, 96], 9),
    sample('no rows', 4, [0, 32], 4),
    sample('f16', 4, [2, 32], 3, { dtype: 'f16' }),
    sample('bf16', 8, [2, 32], 3, { dtype: 'bf16' }),
  ]
}

export const quantOps: readonly OpRow[] = [qmatmulOp, dequantizeOp]
