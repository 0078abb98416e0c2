import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Program } from '../../../compile/program.js'
import { encodeStorage, type DType } from '../../../dtype.js'
import { emit } from '../../../graph/build.js'
import type { Value } from '../../../graph/node.js'
import { slice } from '../../../graph/primitives.js'
import { dataOf, given } from '../../../testing/evaluate.js'
import { numbers } from '../../../testing/samples.js'
import { sym, type SymValues } from '../../../shape.js'
import type { OnnxDevice } from '../node/device.js'
import { decodeMessage } from '../proto/codec.js'
import { expectedOf, normalisedError, openDevice, programOf } from './__fixtures__/run.js'
import { emitModel } from './emit.js'

let device: OnnxDevice
beforeAll(async () => {
  device = await openDevice()
})
afterAll(() => device.dispose())

const random = numbers(5)
const tensor = (shape: readonly number[], dtype: DType = 'f32'): Value =>
  given(
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() * 2 - 1),
    shape,
    dtype,
  )
const nodesOf = (program: Program) =>
  decodeMessage('ModelProto', emitModel(program, { initializers: true, target: 'node' }).bytes).graph!.node ?? []
const countOf = (program: Program, opType: string): number => nodesOf(program).filter((node) => node.opType === opType).length

describe('frozen weights', () => {
  const freeze = (program: Program, values: readonly Value[]): Program => ({
    ...program,
    inputs: program.inputs.map((input) => {
      if (!values.some(({ node }) => node === input.value.node)) return input
      const bytes = encodeStorage(input.dtype, dataOf(input.value))
      const frozen = device.alloc(bytes.byteLength)
      device.write(frozen, bytes)
      return { ...input, role: 'frozen', frozen }
    }),
  })

  it.each([4, 8])('multiply in %i bits without being unpacked', async (bits) => {
    const x = tensor([3, 64])
    const packed = given(
      Array.from({ length: 5 * 2 * bits * 4 }, () => Math.floor(random() * 256)),
      [5, 2, bits * 4],
      'u8',
    )
    const [scales, mins] = [tensor([5, 2]), tensor([5, 2])]
    const outputs = [emit('qmatmul', [x, packed, scales], { bits }), emit('qmatmul', [x, packed, scales, mins], { bits })]
    const program = freeze(programOf(outputs), [packed, scales, mins])
    expect(countOf(program, 'MatMulNBits')).toBe(2)
    expect(await errorOf(program, outputs)).toBeLessThan(1e-3)
  })

  it.each([
    { bits: 4, block: 16, shape: [3, 64] },
    { bits: 4, block: 32, shape: [2, 3, 64] },
    { bits: 8, block: 16, shape: [64] },
    { bits: 8, block: 32, shape: [1, 5, 64] },
  ] as const)('multiply what is not rounded to 8 bits: %j', async ({ bits, block, shape }) => {
    const x = tensor(shape)
    const packed = given(
      Array.from({ length: 5 * 8 * bits }, () => Math.floor(random() * 256)),
      [5, 64 / block, (block * bits) / 8],
      'u8',
    )
    const [scales, mins] = [tensor([5, 64 / block]), tensor([5, 64 / block])]
    const of = (more: object): readonly Value[] => [
      emit('qmatmul', [x, packed, scales], { bits, block, ...more }),
      emit('qmatmul', [x, packed, scales, mins], { bits, block, ...more }),
    ]
    const errors = []
    for (const more of [{}, { inputs: 'f32' }]) {
      const outputs = of(more)
      errors.push(await errorOf(freeze(programOf(outputs), [packed, scales, mins]), outputs))
    }
    expect(errors[1]!).toBeLessThan(errors[0]! / 50)
    expect(errors[1]).toBeLessThan(2e-6)
    // Zeros are left alone.
    const zeros = given(
      Array.from({ length: 64 }, () => 0),
      [1, 64],
      'f32',
    )
    const y = emit('qmatmul', [zeros, packed, scales], { bits, block, inputs: 'f32' })
    expect(await errorOf(freeze(programOf([y]), [packed, scales]), [y])).toBe(0)
  })

  it.each([
    { bits: 4, tokens: 1, own: 1, block: 32 },
    { bits: 8, tokens: 1, own: 2, block: 16 },
    { bits: 8, tokens: 13, own: 1, block: 32 },
    { bits: 4, tokens: 13, own: 2, block: 16 },
  ] as const)('of several multiply rows that chose them: %j', async ({ bits, tokens, own, block }) => {
    const [experts, rows, columns] = [6, 5, 64]
    const x = tensor([tokens, own, columns])
    // One of them has no row.
    const chosen = given(
      Array.from({ length: tokens * 2 }, () => Math.floor(random() * (experts - 1))),
      [tokens, 2],
      'i32',
    )
    const bytes = (block * bits) / 8
    const packed = given(
      Array.from({ length: (experts * rows * columns * bits) / 8 }, () => Math.floor(random() * 256)),
      [experts, rows, columns / block, bytes],
      'u8',
    )
    const [scales, mins] = [tensor([experts, rows, columns / block]), tensor([experts, rows, columns / block])]
    const attrs = { bits, block }
    const outputs = [
      emit('qmatmulChosen', [x, chosen, packed, scales], attrs),
      emit('qmatmulChosen', [x, chosen, packed, scales, mins], attrs),
    ]
    const program = freeze(programOf(outputs), [packed, scales, mins])
    expect(countOf(program, 'MatMulNBits')).toBe(2 * experts)
    expect(countOf(program, 'TopK')).toBe(2)
    // Each part is a constant where it lies, and none is there as a whole.
    const { initializers } = emitModel(program, { initializers: true, target: 'node' })
    expect(initializers).toHaveLength(3 * experts)
    expect(initializers.find(({ offset }) => offset > 0)).toMatchObject({
      offset: (rows * columns * bits) / 8,
      bytes: (rows * columns * bits) / 8,
    })
    expect(await errorOf(program, outputs)).toBeLessThan(1e-2)
    const wide = [emit('qmatmulChosen', [x, chosen, packed, scales, mins], { ...attrs, inputs: 'f32' })]
    expect(await errorOf(freeze(programOf(wide), [packed, scales, mins]), wide)).toBeLessThan(2e-5)
  })

  it('of several multiply as many rows as there are', async () => {
    const count = sym('count', { max: 40 })
    const [experts, rows, columns] = [4, 3, 32]
    const packed = given(
      Array.from({ length: experts * rows * 16 }, () => Math.floor(random() * 256)),
      [experts, rows, 1, 16],
      'u8',
    )
    const [scales, mins] = [tensor([experts, rows, 1]), tensor([experts, rows, 1])]
    for (const own of [1, 2]) {
      const [all, every] = [
        tensor([40, own, columns]),
        given(
          Array.from({ length: 80 }, (_, i) => (i * i) % experts),
          [40, 2],
          'i32',
        ),
      ]
      const [x, chosen] = [slice(all, [0, 0, 0], [count, own, columns]), slice(every, [0, 0], [count, 2])]
      const y = emit('qmatmulChosen', [x, chosen, packed, scales, mins], { bits: 4 })
      const program = freeze(programOf([y]), [packed, scales, mins])
      expect(countOf(program, 'MatMulNBits')).toBe(experts)
      for (const tokens of [1, 17, 40]) expect(await errorOf(program, [y], new Map([[count, tokens]]))).toBeLessThan(1e-2)
    }
  })

  /** How far the device is from the reference. */
  async function errorOf(program: Program, outputs: readonly Value[], symbols: SymValues = new Map()): Promise<number> {
    const executable = await device.compile(program)
    const buffers = program.inputs.map((input) => {
      if (input.frozen !== undefined) return input.frozen
      const bytes = encodeStorage(input.dtype, dataOf(input.value))
      const buffer = device.alloc(bytes.byteLength)
      device.write(buffer, bytes)
      return buffer
    })
    const expected = expectedOf(outputs, symbols)
    const results = expected.map(({ length }) => device.alloc(4 * length))
    await device.run(executable, buffers, results, symbols)
    const found = await Promise.all(results.map(async (result) => new Float32Array((await device.read(result)).slice().buffer)))
    executable.dispose()
    return Math.max(...found.map((values, i) => normalisedError(values, expected[i]!)))
  }
})
