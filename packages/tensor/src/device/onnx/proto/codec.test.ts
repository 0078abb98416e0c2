import { describe, expect, it } from 'vitest'
import { TensorError } from '../../../errors.js'
import { decodeMessage, encodeMessage } from './codec.js'
import type { ModelProto } from './schema.js'

const model: ModelProto = {
  irVersion: 10,
  opsetImport: [{ domain: '', version: 21 }],
  producerName: 'tests',
  graph: {
    name: 'g',
    node: [
      {
        name: 'n',
        opType: 'Gemm',
        input: ['a', 'b'],
        output: ['y'],
        attribute: [
          { name: 'alpha', type: 1, f: 0.5 },
          { name: 'perm', type: 7, ints: [1, 0, -3] },
        ],
      },
    ],
    initializer: [
      { name: 'b', dataType: 1, dims: [2, 2], floatData: [1, -2, NaN, 4] },
      { name: 'i', dataType: 7, dims: [2], int64Data: [-(2 ** 40), 2 ** 52] },
      { name: 'r', dataType: 2, dims: [3], rawData: Uint8Array.of(1, 2, 255) },
    ],
    input: [{ name: 'a', type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: 'n' }, { dimValue: 2 }] } } } }],
  },
}

describe('ONNX messages', () => {
  it('read back as they were written', () => {
    expect(decodeMessage('ModelProto', encodeMessage('ModelProto', model))).toEqual(model)
  })

  it('are the bytes of the wire format', () => {
    // Field 1 (irVersion), a varint; field 2 (producerName), a string.
    expect([...encodeMessage('ModelProto', { irVersion: 300, producerName: 'é' })]).toEqual([0x08, 0xac, 0x02, 0x12, 0x02, 0xc3, 0xa9])
  })

  it('skip fields that are not known', () => {
    const known = encodeMessage('ModelProto', { irVersion: 10 })
    // Field 100, length-delimited, two bytes.
    expect(decodeMessage('ModelProto', Uint8Array.of(0xa2, 0x06, 0x02, 9, 9, ...known))).toEqual({ irVersion: 10 })
  })

  it('say so when they are cut off', () => {
    const bytes = encodeMessage('ModelProto', model)
    expect(() => decodeMessage('ModelProto', bytes.subarray(0, bytes.length - 7))).toThrow(TensorError)
    expect(() => decodeMessage('ModelProto', Uint8Array.of(255, 255, 255))).toThrow(/not an ONNX ModelProto/)
  })
})
