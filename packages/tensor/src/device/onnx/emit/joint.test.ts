import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Program } from '../../../compile/program.js'
import { encodeStorage } from '../../../dtype.js'
import { emit, emitAll } from '../../../graph/build.js'
import type { Value } from '../../../graph/node.js'
import { add, expand, iota, mul, permute, reshape } from '../../../graph/primitives.js'
import { dataOf, given } from '../../../testing/evaluate.js'
import { numbers } from '../../../testing/samples.js'
import type { OnnxDevice } from '../node/device.js'
import { decodeMessage } from '../proto/codec.js'
import { tensor } from './__fixtures__/check.js'
import { expectedOf, normalisedError, openDevice, programOf } from './__fixtures__/run.js'
import { emitModel, type EmittedModel } from './emit.js'

let device: OnnxDevice
beforeAll(async () => {
  device = await openDevice()
})
afterAll(() => device.dispose())

const random = numbers(8)
const columns = 64
type Weight = readonly [packed: Value, scales: Value, mins: Value]
const weightOf = (rows: number, bits = 8, block = 32): Weight => [
  given(
    Array.from({ length: (rows * columns * bits) / 8 }, () => Math.floor(random() * 256)),
    [rows, columns / block, (block * bits) / 8],
    'u8',
  ),
  tensor([rows, columns / block]),
  tensor([rows, columns / block]),
]
/** One that adds what is given, over rows [1, 3, columns]. */
const biased = (product: Value, bias: Value, rows: number): Value => add(product, expand(bias, [1, 3, rows]))

describe('products of the same rows', () => {
  it.each([
    { bits: 8, more: {}, mins: false },
    { bits: 4, more: {}, mins: true },
    { bits: 8, more: { inputs: 'f32' }, mins: false },
  ])('are one: %j', async ({ bits, more, mins }) => {
    const x = tensor([1, 3, columns])
    const weights = [5, 7, 4].map((rows) => weightOf(rows, bits))
    const products = weights.map(([packed, scales, lowered]) =>
      emit('qmatmul', mins ? [x, packed, scales, lowered] : [x, packed, scales], { bits, ...more }),
    )
    const outputs = [products[0]!, mul(products[1]!, products[1]!), products[2]!]
    const program = freeze(programOf(outputs), weights.flat())
    expect(countsOf(program)).toMatchObject({ MatMulNBits: 1, Split: 1 })
    await check(program, outputs, 'inputs' in more ? 2e-6 : 1e-3)
  })

  it('take what is added to each', async () => {
    const x = tensor([1, 3, columns])
    const sizes = [6, 3]
    const [weights, biases] = [sizes.map((rows) => weightOf(rows)), sizes.map((rows) => tensor([rows]))]
    const products = weights.map(([packed, scales]) => emit('qmatmul', [x, packed, scales], { bits: 8 }))
    const outputs = products.map((product, i) => biased(product, biases[i]!, sizes[i]!))
    const program = freeze(programOf(outputs), [...weights.flat(), ...biases])
    expect(countsOf(program)).toEqual({ MatMulNBits: 1, Split: 1 })
    await check(program, outputs, 1e-3)
    // What somebody else reads too is given out as it was.
    const twice = [...outputs, products[1]!]
    const read = freeze(programOf(twice), [...weights.flat(), ...biases])
    expect(countsOf(read)).toMatchObject({ MatMulNBits: 1, Split: 1, Add: 2 })
    await check(read, twice, 1e-3)
  })

  it.each([
    { tokens: 1, turned: false },
    { tokens: 1, turned: true },
    { tokens: 3, turned: true },
  ])('are handed to attention as they are: %j', async ({ tokens, turned }) => {
    const x = tensor([1, tokens, columns])
    const counts = [4, 2, 2] // heads of queries, keys and values
    const weights = counts.map((count) => weightOf(16 * count))
    const [tables, at] = [[tensor([20, 8]), tensor([20, 8])] as const, given([5], [], 'i32')]
    const places = add(iota([tokens], 0, 'i32'), at)
    const [q, k, v] = weights.map(([packed, scales], i) => {
      const heads = permute(reshape(emit('qmatmul', [x, packed, scales], { bits: 8 }), [1, tokens, counts[i]!, 16]), [0, 2, 1, 3])
      return turned && i < 2 ? emit('rope', [heads, ...tables, places], { interleaved: false }) : heads
    }) as [Value, Value, Value]
    const caches = [tensor([1, 2, 16, 16]), tensor([1, 2, 16, 16])] as const
    const outputs = emitAll('attendCached', [q, k, v, ...caches, at], { scale: 0.02 })
    const program = freeze(programOf(outputs, { aliases: [undefined, ...caches] }), weights.flat())
    expect(countsOf(program)).toMatchObject({ MatMulNBits: 1, GroupQueryAttention: 1 })
    expect(countsOf(program)).not.toHaveProperty('Split')
    await check(program, outputs, 1e-3)
    // Caches that are not written in place are written apart from it.
    const copied = freeze(programOf(outputs), weights.flat())
    expect(countsOf(copied)).toMatchObject({ MatMulNBits: 1, Split: 1 })
    await check(copied, outputs, 1e-3)
  })

  it('stay apart where rows, bits, blocks or minimums differ, and where a weight is not frozen', async () => {
    const [x, y] = [tensor([1, 3, columns]), tensor([1, 3, columns])]
    const [a, b, c, d, e] = [weightOf(5), weightOf(5), weightOf(5, 4), weightOf(5, 8, 16), weightOf(5)] as const
    const outputs = [
      emit('qmatmul', [x, a[0], a[1]], { bits: 8 }),
      emit('qmatmul', [y, b[0], b[1]], { bits: 8 }),
      emit('qmatmul', [x, c[0], c[1]], { bits: 4 }),
      emit('qmatmul', [x, d[0], d[1]], { bits: 8, block: 16 }),
      emit('qmatmul', [x, b[0], b[1], b[2]], { bits: 8 }),
      emit('qmatmul', [x, e[0], e[1]], { bits: 8 }),
    ]
    const program = freeze(programOf(outputs), [a, b, c, d].flat())
    expect(countsOf(program)).not.toHaveProperty('Split')
    await check(program, outputs.slice(0, 5), 1e-3, 5)
  })

  it('are not joined for devices that cannot, and share what is joined between programs until the last has gone', async () => {
    const x = tensor([1, 3, columns])
    const weights = [weightOf(2000), weightOf(1000)]
    const outputs = weights.map(([packed, scales]) => emit('qmatmul', [x, packed, scales], { bits: 8 }))
    const program = freeze(programOf(outputs), weights.flat())
    const apart = decodeMessage('ModelProto', emitModel(program, { initializers: true, target: 'node' }).bytes).graph!.node ?? []
    expect(apart.filter(({ opType }) => opType === 'MatMulNBits')).toHaveLength(2)
    const load = () => device.load(program, joining(program))
    const before = device.memory().liveBytes
    const first = await load()
    const joined = device.memory().liveBytes
    expect(joined).toBe(before + 3000 * (columns + (4 * columns) / 32))
    const second = await load()
    expect(device.memory().liveBytes).toBe(joined)
    expect(() => device.write(program.inputs.find(({ frozen }) => frozen !== undefined)!.frozen!, new Uint8Array(4))).toThrow(/frozen/)
    first.dispose()
    expect(device.memory().liveBytes).toBe(joined)
    second.dispose()
    expect(device.memory().liveBytes).toBe(before)
  })
})

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

const joining = (program: Program): EmittedModel => emitModel(program, { initializers: true, target: 'node', joins: true })

/** Nodes of the kinds that matter here. */
function countsOf(program: Program): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { opType } of decodeMessage('ModelProto', joining(program).bytes).graph!.node ?? [])
    if (['MatMulNBits', 'Split', 'Add', 'GroupQueryAttention'].includes(opType!)) counts[opType!] = (counts[opType!] ?? 0) + 1
  return counts
}

/** Runs a program and compares its first outputs with the reference. */
async function check(program: Program, outputs: readonly Value[], limit: number, count = outputs.length): Promise<void> {
  const executable = await device.load(program, joining(program))
  const buffers = program.inputs.map((input) => {
    if (input.frozen !== undefined) return input.frozen
    const bytes = encodeStorage(input.dtype, dataOf(input.value))
    const buffer = device.alloc(bytes.byteLength)
    device.write(buffer, bytes)
    return buffer
  })
  const results = program.outputs.map(({ shape, alias }) =>
    alias === undefined ? device.alloc(4 * (shape as readonly number[]).reduce((a, b) => a * b, 1)) : buffers[alias]!,
  )
  await device.run(executable, buffers, results, new Map())
  const expected = expectedOf(outputs)
  for (let i = 0; i < count; i++) {
    const found = new Float32Array((await device.read(results[i]!)).slice().buffer)
    expect(normalisedError(found, expected[i]!)).toBeLessThan(limit)
  }
  executable.dispose()
}
