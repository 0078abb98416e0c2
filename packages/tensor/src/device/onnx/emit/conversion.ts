/** cast and bitcast. */
import { integerRange, isFloat, isInteger, type DType } from '../../../dtype.js'
import { dtypeOf } from '../../../graph/node.js'
import { elementTypeOf } from '../element-type.js'
import type { EmitContext, Result } from './context.js'
import { attrsOf, type Emitter, type EmitterTable } from './emitter.js'
import type { Name } from './model-builder.js'
import { BOOL, DOUBLE, FLOAT } from './onnx-type.js'

/** Floats to integers: saturated, NaN to 0. What C does beyond the range is undefined, so it never gets that far. */
function floatToInteger(context: EmitContext, x: Name, to: DType): Result {
  const [low, high] = integerRange(to)
  const type = elementTypeOf(to)
  const number = context.node('Where', [context.node('IsNaN', [x]), context.float(0), x])
  // The largest i32 and u32 are not f32, but they are f64. (Clip and Min of int64 compare halves of 32 bits.)
  const wide = to === 'i32' || to === 'u32' ? DOUBLE : FLOAT
  const held = wide === FLOAT ? number : context.cast(number, DOUBLE)
  return { name: context.cast(context.node('Clip', [held, context.scalar(low, wide), context.scalar(high, wide)]), type), type }
}

/** Integers to a narrower or differently signed type: saturated. */
function integerToInteger(context: EmitContext, x: Name, from: DType, to: DType): Result {
  const [low, high] = integerRange(to)
  const [least, most] = integerRange(from)
  const type = elementTypeOf(from)
  let name = x
  if (least < low) name = context.node('Max', [name, context.scalar(low, type)])
  if (most > high) name = context.node('Min', [name, context.scalar(high, type)])
  // In range, so what casting to storage would wrap is not there.
  return { name: context.cast(name, elementTypeOf(to)), type: elementTypeOf(to) }
}

const cast: Emitter = (context, node) => {
  const x = node.inputs[0]!
  const from = dtypeOf(x)
  const { dtype: to } = attrsOf<{ dtype: DType }>(node)
  if (to === 'bool') return [{ name: context.as(x, BOOL), type: BOOL }]
  if (isInteger(to)) {
    if (isFloat(from)) return [floatToInteger(context, context.compute(x), to)]
    if (isInteger(from)) return [integerToInteger(context, context.storage(x), from, to)]
    return [{ name: context.as(x, elementTypeOf(to)), type: elementTypeOf(to) }]
  }
  const widens = from === 'bool' || from === 'i8' || from === 'u8' || from === to || to === 'f32'
  // bf16 holds 8 bits, f16 eleven: every i8 and u8, which are the small integers.
  return [{ name: context.as(x, FLOAT), type: FLOAT, ...(widens ? { exact: true } : {}) }]
}

const bitcast: Emitter = (context, node) => {
  const x = node.inputs[0]!
  const from = dtypeOf(x)
  const { dtype: to } = attrsOf<{ dtype: DType }>(node)
  const type = elementTypeOf(to)
  // Between integers a cast keeps the bits.
  if (isInteger(from) && isInteger(to)) return [{ name: context.as(x, type), type }]
  return [{ name: context.node('BitCast', [context.storage(x)], { attributes: { to: type }, since: 26 }), type }]
}

export const conversionEmitters: EmitterTable = { cast, bitcast }
