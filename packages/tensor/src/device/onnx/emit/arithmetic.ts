/** Elementwise emitters: functions of one operand, arithmetic, bits, comparisons, where. */
import { isFloat, type DType } from '../../../dtype.js'
import { dtypeOf, type Node, type Value } from '../../../graph/node.js'
import { computeType, type EmitContext, type Result } from './context.js'
import type { Emitter, EmitterTable } from './emitter.js'
import type { Name } from './model-builder.js'
import { BOOL, FLOAT, INT32, INT64, UINT32, UINT8, type OnnxType } from './onnx-type.js'

/** An op of one float operand that ONNX has under another name. */
const floatUnary =
  (opType: string): Emitter =>
  (context, node) => [{ name: context.node(opType, [context.compute(node.inputs[0]!)]), type: FLOAT }]

/** neg: ONNX Runtime has no Neg for unsigned types, but subtraction wraps. */
const neg: Emitter = (context, node) => {
  const x = node.inputs[0]!
  const dtype = dtypeOf(x)
  const type = computeType(dtype)
  const name = context.compute(x)
  if (dtype === 'u32' || dtype === 'u8') return [{ name: context.node('Sub', [context.scalar(0, type), name]), type }]
  return [{ name: context.node('Neg', [name]), type }]
}

/** Both operands in the type that their dtype is computed in. */
function pair(context: EmitContext, node: Node): readonly [a: Name, b: Name, type: OnnxType] {
  const [a, b] = context.operands(node) as readonly [Value, Value]
  const type = computeType(dtypeOf(a))
  return [context.as(a, type), context.as(b, type), type]
}

const binary =
  (opType: string, exact?: true): Emitter =>
  (context, node) => {
    const [a, b, type] = pair(context, node)
    return [{ name: context.node(opType, [a, b]), type, ...(exact === undefined ? {} : { exact }) }]
  }

/** The number that an operand is everywhere, if it is a constant. */
function constantValue(value: Value): number | undefined {
  for (let at = value; ; at = at.node.inputs[0]!) {
    if (at.node.op === 'const') return at.node.attrs['value'] as number
    if (at.node.op !== 'expand' && at.node.op !== 'reshape') return undefined
  }
}

/**
 * Integer division and remainder. ONNX Runtime fails the whole run on a zero divisor, and the processor on
 * -2^31 / -1, so zeros are made ones (and their result zero), and i32 goes through int64 unless the divisor is known.
 */
function integerDivision(context: EmitContext, node: Node, opType: 'Div' | 'Mod'): Result {
  const [a, b] = context.operands(node) as readonly [Value, Value]
  const dtype = dtypeOf(a)
  const storage = computeType(dtype)
  const divisor = constantValue(b)
  if (divisor !== undefined && divisor !== 0 && divisor !== -1)
    return { name: context.node(opType, [context.as(a, storage), context.as(b, storage)]), type: storage }
  const type = dtype === 'i32' || dtype === 'i8' ? INT64 : storage
  const y = context.as(b, type)
  // 1 where the divisor is not zero; Where has too few kernels to choose by.
  const nonzero = context.cast(context.cast(y, BOOL), type)
  const safe = context.node('Sub', [context.node('Add', [y, context.scalar(1, type)]), nonzero])
  const quotient = context.node(opType, [context.as(a, type), safe])
  return { name: context.node('Mul', [quotient, nonzero]), type }
}

const div: Emitter = (context, node) =>
  isFloat(dtypeOf(node.inputs[0]!)) ? binary('Div')(context, node) : [integerDivision(context, node, 'Div')]

/** Remainder with the divisor's sign: integers have it in ONNX, floats have C's fmod, which follows the dividend. */
const mod: Emitter = (context, node) => {
  if (!isFloat(dtypeOf(node.inputs[0]!))) return [integerDivision(context, node, 'Mod')]
  const [a, b] = pair(context, node)
  const remainder = context.node('Mod', [a, b], { attributes: { fmod: 1 } })
  const signs = context.node('Mul', [context.node('Sign', [remainder]), context.node('Sign', [b])])
  const differ = context.node('Less', [signs, context.float(0)])
  return [{ name: context.node('Where', [differ, context.node('Add', [remainder, b]), remainder]), type: FLOAT }]
}

const bitwise =
  (integers: string, bools: string): Emitter =>
  (context, node) => {
    const [a, b, type] = pair(context, node)
    return [{ name: context.node(type === BOOL ? bools : integers, [a, b]), type }]
  }

/** BitShift takes unsigned types only; signed ones are shifted as u32, which has the same bits. */
function shiftAmount(context: EmitContext, value: Value): Name {
  return value.node.op === 'const'
    ? context.scalar((value.node.attrs['value'] as number) & 31, UINT32)
    : context.node('BitwiseAnd', [context.as(value, UINT32), context.scalar(31, UINT32)])
}

const shl: Emitter = (context, node) => {
  const [a, b] = context.operands(node) as readonly [Value, Value]
  return [
    {
      name: context.node('BitShift', [context.as(a, UINT32), shiftAmount(context, b)], { attributes: { direction: 'LEFT' } }),
      type: UINT32,
    },
  ]
}

/**
 * The sign is repeated by biasing: (x XOR 2^31) >>> n − (2^31 >>> n) is x >> n, since both parts are exact quotients.
 * i8 reaches u32 through i32, so its sign bit is where this expects it.
 */
const shr: Emitter = (context, node) => {
  const [a, b] = context.operands(node) as readonly [Value, Value]
  const dtype = dtypeOf(a)
  const right = { attributes: { direction: 'RIGHT' } }
  const amount = shiftAmount(context, b)
  if (dtype === 'u32' || dtype === 'u8') return [{ name: context.node('BitShift', [context.as(a, UINT32), amount], right), type: UINT32 }]
  const bias = context.scalar(0x80000000, UINT32)
  const bits = context.cast(context.as(a, INT32), UINT32)
  const shifted = context.node('BitShift', [context.node('BitwiseXor', [bits, bias]), amount], right)
  return [{ name: context.node('Sub', [shifted, context.node('BitShift', [bias, amount], right)]), type: UINT32 }]
}

const lt: Emitter = (context, node) => {
  const [x, y] = context.operands(node) as readonly [Value, Value]
  const type = dtypeOf(x) === 'bool' ? UINT8 : computeType(dtypeOf(x))
  return [{ name: context.node('Less', [context.as(x, type), context.as(y, type)]), type: BOOL }]
}

const eq: Emitter = (context, node) => {
  const [x, y] = context.operands(node) as readonly [Value, Value]
  // Comparing with false is how `not` is written.
  if (dtypeOf(x) === 'bool' && y.node.op === 'const' && y.node.attrs['value'] === 0)
    return [{ name: context.node('Not', [context.as(x, BOOL)]), type: BOOL }]
  const type = computeType(dtypeOf(x))
  return [{ name: context.node('Equal', [context.as(x, type), context.as(y, type)]), type: BOOL }]
}

/** Types that ONNX Runtime's Where takes, for the dtypes whose own it does not. */
export const selectable: Partial<Record<DType, OnnxType>> = { f16: FLOAT, bf16: FLOAT, u32: INT32, i8: INT32, bool: UINT8 }

const where: Emitter = (context, node) => {
  const [condition, a, b] = context.operands(node) as readonly [Value, Value, Value]
  const dtype = dtypeOf(a)
  const type = selectable[dtype] ?? computeType(dtype)
  const name = context.node('Where', [context.as(condition, BOOL), context.as(a, type), context.as(b, type)])
  // Chosen elements are ones that the dtype holds; as INT32, those of u32 are only their bits.
  return [{ name, type, exact: true }]
}

const sum = binary('Add')
/** A sum that a norm reads waits for it: the norm may give it as well. */
const add: Emitter = (context, node) =>
  context.normed(node) && dtypeOf({ node, index: 0 }) === 'f32' ? [() => sum(context, node)[0] as Result] : sum(context, node)

export const arithmeticEmitters: EmitterTable = {
  neg,
  exp: floatUnary('Exp'),
  log: floatUnary('Log'),
  sin: floatUnary('Sin'),
  cos: floatUnary('Cos'),
  sqrt: floatUnary('Sqrt'),
  recip: floatUnary('Reciprocal'),
  floor: floatUnary('Floor'),
  tanh: floatUnary('Tanh'),
  erf: floatUnary('Erf'),
  add,
  sub: binary('Sub'),
  mul: binary('Mul'),
  div,
  max: binary('Max', true),
  min: binary('Min', true),
  mod,
  and: bitwise('BitwiseAnd', 'And'),
  or: bitwise('BitwiseOr', 'Or'),
  xor: bitwise('BitwiseXor', 'Xor'),
  shl,
  shr,
  lt,
  eq,
  where,
}
