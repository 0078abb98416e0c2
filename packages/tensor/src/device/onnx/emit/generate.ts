/** Emitters of values that come from attributes: constants, iota, random bits, symbols; and the marker ops. */
import { castNumber, type DType } from '../../../dtype.js'
import { shapeOf, type Value } from '../../../graph/node.js'
import { elementCount, type Index, type Shape } from '../../../shape.js'
import { elementTypeOf } from '../element-type.js'
import { computeType, type EmitContext } from './context.js'
import { attrsOf, type Emitter, type EmitterTable } from './emitter.js'
import type { Name } from './model-builder.js'
import { BOOL, INT32, INT64, UINT32, UINT64 } from './onnx-type.js'

/** Constants this small are part of the model; longer ones are computed when it runs. */
const EMBEDDED_ELEMENTS = 4096

/** The numbers 0 to `size` − 1 as int64 [size]. */
export function range(context: EmitContext, size: number | Index): Name {
  if (typeof size === 'number' && size <= EMBEDDED_ELEMENTS) return context.ints(Array.from({ length: size }, (_, i) => i))
  const limit = context.index(size)
  return context.once(`range|${limit}`, () =>
    context.node('Range', [context.scalar(0, INT64), context.node('Reshape', [limit, context.ints([])]), context.scalar(1, INT64)]),
  )
}

/** A constant is made by whoever reads it, in the type that is read: see `EmitContext.as`. */
const constant: Emitter = (context, node) => [
  () => ({ name: context.storage({ node, index: 0 }), type: elementTypeOf(node.outputs[0]!.dtype) }),
]

const iota: Emitter = (context, node) => {
  const { shape, axis, dtype } = attrsOf<{ shape: Shape; axis: number; dtype: DType }>(node)
  const dim = shape[axis]!
  const type = computeType(dtype)
  const line = shape.map((size, i) => (i === axis ? size : 1))
  const others = shape.some((size, i) => i !== axis && size !== 1)
  let name: Name
  if (typeof dim === 'number' && dim <= EMBEDDED_ELEMENTS) {
    // Integers wrap and halves round, as when a counter is stored.
    const values = Array.from({ length: dim }, (_, i) => wrapped(i, dtype))
    name = context.builder.constant(values, line as number[], type)
  } else name = context.reshape(context.cast(range(context, dim), type), line)
  return [
    {
      name: others ? context.node('Expand', [name, context.shape(shape)]) : name,
      type,
      exact: type === elementTypeOf(dtype) || (typeof dim === 'number' && dim <= EMBEDDED_ELEMENTS),
    },
  ]
}

function wrapped(value: number, dtype: DType): number {
  if (dtype === 'i8') return (value << 24) >> 24
  if (dtype === 'u8') return value & 255
  return castNumber(dtype, value)
}

const symScalar: Emitter = (context, node) => {
  const { index } = attrsOf<{ index: Index }>(node)
  if (typeof index === 'number') return [{ name: context.scalar(index, INT32), type: INT32 }]
  return [{ name: context.node('Reshape', [context.cast(context.index(index), INT32), context.ints([])]), type: INT32 }]
}

/**
 * An int64 [1] zero that is only known once `name` has been computed. It depends on an element: what follows from a shape
 * alone would be worked out when the model is loaded, and the order lost.
 */
export function zeroAfter(context: EmitContext, name: Name): Name {
  return context.once(`after|${name}`, () => {
    const first = context.node('Slice', [context.node('Reshape', [name, context.ints([-1])]), context.ints([0]), context.ints([1])])
    // A sum, since there may be no first element.
    const one = context.node('ReduceSum', [context.cast(context.cast(first, BOOL), INT64), context.ints([0])], {
      attributes: { keepdims: 1 },
    })
    return context.node('BitwiseAnd', [one, context.scalar(0, INT64)])
  })
}

/** Its first input; with a token, as a reshape to a shape that is only known after the token. */
const barrier: Emitter = (context, node) => {
  const [x, token] = node.inputs as readonly [Value, Value | undefined]
  const held = context.forward(x)
  if (token === undefined || elementCount(shapeOf(token)) === 0) return [held]
  const zero = zeroAfter(context, context.forward(token).name)
  const shape = context.node('Add', [context.shape(shapeOf(x)), zero])
  return [{ ...held, name: context.node('Reshape', [held.name, shape], { attributes: { allowzero: 1 } }) }]
}

const forward: Emitter = (context, node) => [context.forward(node.inputs[0]!)]

// Philox4x32-10 (Salmon et al., 2011): multipliers, and what each round adds to the key.
const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57]
const KEY_STEPS = [0x9e3779b9, 0xbb67ae85]
const ROUNDS = 10
const WORD = 0xffffffff

/**
 * Ten rounds over all blocks at once. The state is two [2, blocks] arrays: `product` holds words 0 and 2, which are
 * multiplied, `other` words 1 and 3. A round crosses them over, so every second round they are held in swapped order,
 * and only `other` has to be turned round.
 */
const randomBits: Emitter = (context, node) => {
  const [key, stream] = node.inputs as readonly [Value, Value]
  const { shape, domain } = attrsOf<{ shape: Shape; domain: number }>(node)
  const count = elementCount(shape)
  if (count === 0) return [{ name: context.reshape(context.builder.constant([], [0], UINT32), shape), type: UINT32 }]
  const blocks = Math.ceil(count / 4)
  const u64 = (values: readonly number[], dims: readonly number[]): Name => context.builder.constant(values, dims, UINT64)
  const mask = u64([WORD], [])
  const half = u64([32], [])

  // Round keys: key + r · step, modulo 2^32. Wanted in the order in which `other` stands in each round.
  const k = context.reshape(context.as(key, INT64), [2, 1])
  const roundKey = (round: number): Name => {
    const steps = context.builder.constant(
      KEY_STEPS.map((step) => (step * round) % 2 ** 32),
      [2, 1],
      INT64,
    )
    const sum = context.cast(round === 0 ? k : context.node('Add', [k, steps]), UINT64)
    const inOrder = round === 0 ? sum : context.node('BitwiseAnd', [sum, mask])
    return round % 2 === 0 ? turned(context, inOrder) : inOrder
  }

  const counter = context.node('Unsqueeze', [range(context, blocks), context.ints([0])])
  const streamRow = context.node('Expand', [context.reshape(context.as(stream, INT64), [1, 1]), context.ints([1, blocks])])
  let product = context.node('Concat', [counter, streamRow], { attributes: { axis: 0 } })
  let other = context.node('Expand', [u64([0, domain], [2, 1]), context.ints([2, blocks])])
  for (let round = 0; round < ROUNDS; round++) {
    const multipliers = round % 2 === 0 ? MULTIPLIERS : [...MULTIPLIERS].reverse()
    const wide = context.cast(context.node('Mul', [product, context.builder.constant(multipliers, [2, 1], INT64)]), UINT64)
    const high = context.node('BitShift', [wide, half], { attributes: { direction: 'RIGHT' } })
    const mixed = context.node('BitwiseXor', [context.node('BitwiseXor', [high, turned(context, other)]), roundKey(round)])
    other = context.node('BitwiseAnd', [wide, mask])
    product = round === ROUNDS - 1 ? mixed : context.cast(mixed, INT64)
  }
  // After an even number of rounds words are in their own order again: 0 and 2, 1 and 3. Interleave them.
  const words = context.node(
    'Concat',
    [context.node('Unsqueeze', [product, context.ints([2])]), context.node('Unsqueeze', [other, context.ints([2])])],
    { attributes: { axis: 2 } },
  )
  const rows = context.cast(context.node('Transpose', [words], { attributes: { perm: [1, 0, 2] } }), UINT32)
  const flat = context.reshape(rows, [blocks * 4])
  const cut = count === blocks * 4 ? flat : context.node('Slice', [flat, context.ints([0]), context.ints([count])])
  return [{ name: context.reshape(cut, shape), type: UINT32 }]
}

/** The two rows in the other order. */
const turned = (context: EmitContext, rows: Name): Name => context.node('Gather', [rows, context.ints([1, 0])], { attributes: { axis: 0 } })

export const generateEmitters: EmitterTable = {
  const: constant,
  iota,
  symScalar,
  barrier,
  identity: forward,
  stopGradient: forward,
  randomBits,
}
