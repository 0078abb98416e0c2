/** Primitives that make values out of attributes, and the two that only mark the graph (`input`, `barrier`). */
import { philox4x32 } from '@tesserae/core'
import { castNumber, computeArray, isFloat, type DType, type NumericArray } from '../dtype.js'
import { TensorError } from '../errors.js'
import { elementCount, indexMax, isSym, printIndex, printShape, type Index, type Shape } from '../shape.js'
import { checkAxis, checkShape, typed } from './check.js'
import { defineOp, type OpRow } from './row.js'
import { aroundAxis, sizeOf } from './strided.js'

const input = defineOp({
  name: 'input',
  kind: 'primitive',
  summary: 'A tensor whose values come from outside the program.',
  infer: () => {
    throw new TensorError('VALUE', 'input: has its types from the tensor it stands for and is never inferred')
  },
  samples: [],
})

const constOp = defineOp<{ value: number; dtype: DType }>({
  name: 'const',
  kind: 'primitive',
  summary: 'A scalar that is part of the program. Integers and bools must hold the value exactly.',
  infer: (_, { value, dtype }) => {
    if (!isFloat(dtype) && castNumber(dtype, value) !== value)
      throw new TensorError('VALUE', `const: ${value} is not a value of ${dtype}; round it, or use a float dtype`)
    return typed([], dtype)
  },
  reference: ({ attrs }) => {
    const out = computeArray(attrs.dtype, 1)
    out[0] = attrs.value
    return [out]
  },
  stopsGradient: true,
  samples: [
    { name: 'f32', inputs: [], attrs: { value: 0.1, dtype: 'f32' } },
    { name: 'f16', inputs: [], attrs: { value: 0.1, dtype: 'f16' } },
    { name: 'bf16', inputs: [], attrs: { value: 0.1, dtype: 'bf16' } },
    { name: 'i32', inputs: [], attrs: { value: -2147483648, dtype: 'i32' } },
    { name: 'u32', inputs: [], attrs: { value: 4294967295, dtype: 'u32' } },
    { name: 'bool', inputs: [], attrs: { value: 1, dtype: 'bool' } },
    { name: 'minus infinity', inputs: [], attrs: { value: -Infinity, dtype: 'f32' } },
    { name: 'nan', inputs: [], attrs: { value: NaN, dtype: 'f32' } },
  ],
})

const iota = defineOp<{ shape: Shape; axis: number; dtype: DType }>({
  name: 'iota',
  kind: 'primitive',
  summary: 'Each element is its coordinate along one axis.',
  infer: (_, { shape, axis, dtype }) => {
    checkShape('iota', shape)
    checkAxis('iota', axis, shape)
    if (dtype === 'bool') throw new TensorError('DTYPE', `iota: cannot count in bool; make shape ${printShape(shape)} in i32 and compare`)
    return typed(shape, dtype)
  },
  reference: ({ attrs, outputs }) => {
    const { shape, dtype } = outputs[0]!
    const out = computeArray(dtype, sizeOf(shape))
    const { outer, size, inner } = aroundAxis(shape, attrs.axis)
    let i = 0
    for (let a = 0; a < outer; a++) for (let b = 0; b < size; b++) for (let c = 0; c < inner; c++) out[i++] = b
    return [out]
  },
  stopsGradient: true,
  samples: [
    { name: 'vector', inputs: [], attrs: { shape: [5], axis: 0, dtype: 'i32' } },
    { name: 'rows', inputs: [], attrs: { shape: [3, 4], axis: 0, dtype: 'f32' } },
    { name: 'middle axis', inputs: [], attrs: { shape: [2, 3, 4], axis: 1, dtype: 'u32' } },
    { name: 'f16', inputs: [], attrs: { shape: [2, 3], axis: 1, dtype: 'f16' } },
    { name: 'bf16', inputs: [], attrs: { shape: [300], axis: 0, dtype: 'bf16' } },
    { name: 'empty', inputs: [], attrs: { shape: [0, 4], axis: 1, dtype: 'i32' } },
  ],
})

const randomBits = defineOp<{ shape: Shape; domain: number }>({
  name: 'randomBits',
  kind: 'primitive',
  summary: 'u32 random bits: word i & 3 of Philox4x32-10 at counter [i >> 2, 0, stream, domain] under a key, for flat index i.',
  infer: ([key, stream], { shape, domain }) => {
    checkShape('randomBits', shape)
    // The flat index would depend on the symbol's value or on its maximum, by device.
    if (shape.some(isSym))
      throw new TensorError(
        'SHAPE',
        `randomBits: shape ${printShape(shape)} has a symbol; draw at its maximum and slice (bits are numbered by flat index)`,
      )
    if (elementCount(shape) > 2 ** 32)
      throw new TensorError('SHAPE', `randomBits: shape ${printShape(shape)} has more than 2^32 elements; draw in parts from folded keys`)
    if (key!.dtype !== 'u32' || key!.shape.length !== 1 || key!.shape[0] !== 2)
      throw new TensorError('SHAPE', `randomBits: the key must be u32 [2], got ${key!.dtype} ${printShape(key!.shape)}`)
    if (stream!.dtype !== 'u32' || stream!.shape.length !== 0)
      throw new TensorError('SHAPE', `randomBits: the stream must be a u32 scalar, got ${stream!.dtype} ${printShape(stream!.shape)}`)
    if (castNumber('u32', domain) !== domain)
      throw new TensorError('VALUE', `randomBits: domain ${domain} must be an integer from 0 to 2^32-1`)
    return typed(shape, 'u32')
  },
  reference: ({ inputs: [key, stream], attrs, outputs }) => {
    const count = sizeOf(outputs[0]!.shape)
    const out = new Uint32Array(count)
    const counter = Uint32Array.of(0, 0, stream!.data[0]!, attrs.domain)
    const words = new Uint32Array(4)
    for (let i = 0; i < count; i++) {
      if ((i & 3) === 0) {
        counter[0] = i / 4
        philox4x32(counter, key!.data, words)
      }
      out[i] = words[i & 3]!
    }
    return [out]
  },
  stopsGradient: true,
  samples: [
    { name: 'vector', inputs: randomInputs(7), attrs: { shape: [9], domain: 0 } },
    { name: 'matrix', inputs: randomInputs(4294967295), attrs: { shape: [3, 5], domain: 1 } },
    { name: 'scalar', inputs: randomInputs(0), attrs: { shape: [], domain: 0 } },
    { name: 'empty', inputs: randomInputs(0), attrs: { shape: [0], domain: 0 } },
  ],
})

function randomInputs(stream: number): OpRow['samples'][number]['inputs'] {
  return [
    { shape: [2], dtype: 'u32', values: [0xdeadbeef, 12345] },
    { shape: [], dtype: 'u32', values: [stream] },
  ]
}

const symScalar = defineOp<{ index: Index }>({
  name: 'symScalar',
  kind: 'primitive',
  summary: 'A runtime integer (a symbol, or a symbol plus a constant) as an i32 scalar.',
  infer: (_, { index }) => {
    if (!Number.isSafeInteger(indexMax(index)) || castNumber('i32', indexMax(index)) !== indexMax(index))
      throw new TensorError('VALUE', `symScalar: ${printIndex(index)} may reach ${indexMax(index)}, which is not an i32`)
    return typed([], 'i32')
  },
  reference: ({ attrs }) => [Int32Array.of(attrs.index as number)],
  stopsGradient: true,
  samples: [{ name: 'number', inputs: [], attrs: { index: 7 } }],
})

const barrier = defineOp({
  name: 'barrier',
  kind: 'primitive',
  summary: 'Its first input, unchanged. Common subexpressions are not merged across it; a second input only orders.',
  infer: ([x]) => [x!],
  reference: ({ inputs }) => [inputs[0]!.data as NumericArray],
  vjp: ({ grads, inputs }) => (inputs.length === 1 ? [grads[0]] : [grads[0], undefined]),
  samples: [
    { name: 'alone', inputs: [{ shape: [2, 3] }] },
    { name: 'with token', inputs: [{ shape: [2, 3] }, { shape: [4] }] },
    { name: 'i32', inputs: [{ shape: [3], dtype: 'i32', range: [-9, 9] }] },
    { name: 'empty', inputs: [{ shape: [0] }] },
  ],
})

export const generateOps: readonly OpRow[] = [input, constOp, iota, randomBits, symScalar, barrier]
