import { describe, expect, it } from 'vitest'
import { emit, emitAll } from '../../../graph/build.js'
import { typeOf, type Value } from '../../../graph/node.js'
import {
  add,
  barrier,
  cast,
  concat,
  constant,
  cumsum,
  exp,
  expand,
  gather,
  iota,
  mul,
  permute,
  randomBits,
  reduceMax,
  reduceSum,
  reshape,
  slice,
  sort,
  symScalar,
  updateSlice,
  argMax,
} from '../../../graph/primitives.js'
import { dataOf, given } from '../../../testing/evaluate.js'
import { sym } from '../../../shape.js'
import { decodeMessage } from '../proto/codec.js'
import { checkOn, countOf, deviceForTests, nodesOf, tensor } from './__fixtures__/check.js'
import { programOf, runProgram } from './__fixtures__/run.js'
import { emitModel } from './emit.js'

const deviceOf = deviceForTests()
const check = (outputs: readonly Value[], options?: Parameters<typeof checkOn>[2]): Promise<void> => checkOn(deviceOf(), outputs, options)

describe('outputs', () => {
  it('may be inputs, constants, or the same value twice', async () => {
    const x = tensor([3])
    const y = exp(x)
    await check([x, y, y, constant(2, 'f32'), x, constant(1, 'bf16')])
  })

  it('names inputs that are not read', () => {
    const [x, unread] = [tensor([2]), tensor([2])]
    const program = programOf([exp(x)])
    const model = emitModel(
      { ...program, inputs: [{ ...typeOf(unread), role: 'input', value: unread }, ...program.inputs] },
      { initializers: true, target: 'node' },
    )
    expect(model.inputNames[0]).toBeUndefined()
    expect(model.inputNames[1]).toBeDefined()
  })
})

describe('half types', () => {
  it('round after every node but cast each value once', async () => {
    const x = tensor([64], 'bf16')
    const y = exp(mul(add(x, x), x))
    await check([y], { limit: 1e-12 })
    // x up once, and for each of three results: down, and up where something reads it on.
    expect(countOf(programOf([y]), 'Cast')).toBe(6)
  })

  it('move in storage without casts', () => {
    const x = tensor([4, 6], 'f16')
    expect(countOf(programOf([permute(reshape(slice(x, [0, 0], [2, 6]), [3, 4]), [1, 0])]), 'Cast')).toBe(0)
  })
})

describe('broadcasts', () => {
  it('are left to ONNX Runtime', async () => {
    const [x, row] = [tensor([3, 4]), tensor([4])]
    const y = add(mul(x, expand(row, [3, 4])), expand(constant(0.5, 'f32'), [3, 4]))
    await check([y])
    expect(countOf(programOf([y]), 'Expand')).toBe(0)
  })

  it('happen where nothing else gives the shape', async () => {
    const [a, b] = [tensor([3, 1]), tensor([1, 4])]
    await check([mul(expand(a, [2, 3, 1]), expand(b, [2, 3, 4])), add(expand(a, [3, 4]), expand(a, [3, 4]))])
  })
})

describe('random bits', () => {
  it.each([[1], [4], [1023], [20000]])('of %i elements are those of the reference', async (count) => {
    const key = given([0x12345678, 0x9abcdef0], [2], 'u32')
    await check([randomBits(key, given([4000000000], [], 'u32'), { shape: [count], domain: 4294967295 })], { limit: 0 })
  })
})

describe('symbols', () => {
  const n = sym('n', { max: 6 })
  const m = sym('m', { max: 4 })
  const each = [0, 1, 5, 6]

  it.each(each)('sizes at n = %i', async (value) => {
    const symbols = new Map([
      [n, value],
      [m, 2],
    ])
    const x = tensor([6, 8])
    const part = slice(x, [0, 0], [n, 8])
    const weight = tensor([8, 5])
    const product = emit('matmul', [part, weight])
    const scores = emit('matmul', [part, part], { transB: true, alpha: 0.5 })
    await check(
      [
        part,
        product,
        scores,
        emit('softmax', [permute(part, [1, 0])], { axis: 1 }),
        emit('matmul', [permute(part, [1, 0]), product]),
        reduceSum(part, [0]),
        reduceMax(part, [0]),
        reduceMax(part, [1]),
        argMax(part, 1),
        argMax(part, 0),
        cumsum(part, 0),
        ...sort(part, 0),
        iota([n, 3], 0, 'i32'),
        iota([2, n], 0, 'f32'),
        expand(tensor([1, 8]), [n, 8]),
        reshape(part, [n, 2, 4]),
        concat([part, part], 1),
        symScalar(n.plus(3)),
        emit('layerNorm', [part, tensor([8])], { eps: 1e-5 }),
        gather(part, given([0, 5, 2], [3], 'i32'), 0),
        gather(part, given([4294967295, 1], [2], 'u32'), 0),
        gather(x, slice(given([5, 4, 3, 2, 1, 0], [6], 'i32'), [0], [n]), 0),
        emit('scatterAdd', [part, given([0, 5, 0], [3], 'i32'), tensor([3, 8])], { axis: 0 }),
        emit('scatterAdd', [x, slice(given([5, 4, 3, 3, 1, 0], [6], 'i32'), [0], [n]), part], { axis: 0 }),
        emit('gatherAlong', [part, given(new Array<number>(16).fill(3), [2, 8], 'i32')], { axis: 0 }),
        slice(part, [1, 0], [4, 8]),
        slice(part, [m, 0], [m.plus(2), 8]),
        updateSlice(part, tensor([2, 8]), [m, 0]),
        updateSlice(tensor([6, 8]), part, [0, 0]),
      ],
      { symbols },
    )
  })

  it.each([0, 1, 4])('positions at m = %i', async (value) => {
    const symbols = new Map([[m, value]])
    const x = tensor([6, 5])
    await check(
      [slice(x, [m, 0], [m.plus(2), 5]), updateSlice(x, tensor([2, 3]), [m, 1]), updateSlice(x, tensor([1, 5]), [m.plus(1), 0])],
      { symbols },
    )
  })

  it('of one name are told apart', async () => {
    const other = sym('n', { max: 3 })
    const symbols = new Map([
      [n, 5],
      [other, 2],
    ])
    await check([reduceSum(slice(tensor([6]), [0], [n]), [0]), slice(tensor([3]), [0], [other])], { symbols })
  })
})

describe('in place', () => {
  /** Operators of the nodes that keep aliases in order. */
  const addedNodes = (outputs: readonly Value[], aliases: readonly Value[]): (string | undefined)[] =>
    nodesOf(programOf(outputs, { aliases }))
      .filter(({ name }) => name!.startsWith('alias'))
      .map(({ opType }) => opType)
  const scalar = (value: number): Value => given([value], [])
  const attrs = { beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1 }

  it('an optimiser step', async () => {
    const [p, g, m, v] = [tensor([7, 9]), tensor([7, 9]), tensor([7, 9]), given(new Array<number>(63).fill(0.25), [7, 9])]
    await check([...emitAll('adamwStep', [p, g, m, v, scalar(0.01), scalar(3)], attrs)], { aliases: [p, m, v] })
  })

  it('waits for readers that come before the op but not before its last node', async () => {
    const [p, g, m, v] = [tensor([300]), tensor([300]), tensor([300]), given(new Array<number>(300).fill(0.25), [300])]
    // The learning rate needs the old m and v, and the new ones need only g.
    const lr = mul(reduceSum(mul(mul(m, m), v), [0]), constant(1e-3, 'f32'))
    const outputs = [...emitAll('adamwStep', [p, g, m, v, lr, scalar(3)], attrs), mul(reshape(p, [3, 100]), reshape(m, [3, 100]))]
    await check(outputs, { aliases: [p, m, v] })
    expect(addedNodes(outputs, [p, m, v])).toContain('Shape')
  })

  it('an optimiser step, with nothing added', () => {
    const [p, g, m, v] = [tensor([8]), tensor([8]), tensor([8]), tensor([8])]
    expect(addedNodes([...emitAll('adamwStep', [p, g, m, v, scalar(0.01), scalar(3)], attrs)], [p, m, v])).toEqual([])
  })

  it('copies what a view of the old value is combined with the new one', async () => {
    const p = tensor([4, 5])
    const old = reshape(p, [20])
    const written = updateSlice(p, given([firstOf(old)], [1, 1]), [2, 3])
    const outputs = [written, mul(old, reshape(written, [20]))]
    await check(outputs, { aliases: [p] })
    expect(addedNodes(outputs, [p])).toContain('Concat')
  })

  it.each(['f32', 'f16', 'bf16'] as const)('a cache of %s', async (dtype) => {
    const [cache, rows] = [tensor([2, 2, 6, 4], dtype), tensor([2, 2, 2, 4], dtype)]
    for (const at of [0, 3, 5, 7, -1]) await check([emit('cacheWrite', [cache, rows, given([at, 4], [2], 'i32')])], { aliases: [cache] })
    await check([updateSlice(cache, rows, [0, 0, 4, 0])], { aliases: [cache] })
  })
})

/** The first value of a tensor made by `tensor`, read on the host. */
const firstOf = (x: Value): number => dataOf(x.node.inputs[0]!)[0]!

describe('shorter ways', () => {
  it('add where they norm, and give the sum too', async () => {
    const [x, y, weight] = [tensor([1, 3, 32]), tensor([1, 3, 32]), tensor([32])]
    const sum = add(x, y)
    const [normed] = emitAll('rmsNorm', [sum, weight], { eps: 1e-5 })
    const outputs = [normed!, mul(sum, sum)]
    await check(outputs)
    expect(['Add', 'SkipSimplifiedLayerNormalization'].map((op) => countOf(programOf(outputs), op))).toEqual([0, 1])
    // The sum is read first, by a broadcast, or of other rank.
    const before = add(x, y)
    const [after] = emitAll('rmsNorm', [before, weight], { eps: 1e-5 })
    await check([mul(before, x), after!])
    await check([emitAll('rmsNorm', [add(x, tensor([1, 1, 32])), weight], { eps: 1e-5 })[0]!])
    await check([emitAll('rmsNorm', [add(tensor([3, 32]), tensor([3, 32])), weight], { eps: 1e-5 })[0]!])
  })

  it('sum squares without writing them', async () => {
    const [x, y] = [tensor([40, 30]), tensor([40, 30])]
    const outputs = [
      reduceSum(mul(x, x), [0, 1]),
      reduceSum(mul(x, y), [0, 1], true),
      reduceSum(mul(x, expand(tensor([30]), [40, 30])), [0, 1]),
    ]
    await check(outputs)
    expect(countOf(programOf(outputs.slice(0, 2)), 'Mul')).toBe(0)
  })

  it('scatter into few rows by a product', async () => {
    const ids = given(
      Array.from({ length: 24 }, (_, i) => (i * 7) % 11),
      [4, 6],
      'i32',
    )
    const zeros = expand(constant(0, 'f32'), [11, 16])
    const outputs = [
      emit('scatterAdd', [zeros, ids, tensor([4, 6, 16])], { axis: 0 }),
      emit('scatterAdd', [tensor([11, 4, 4]), ids, tensor([4, 6, 4, 4])], { axis: 0 }),
    ]
    await check(outputs)
    expect(countOf(programOf(outputs), 'OneHot')).toBe(2)
  })

  it('multiply by transposes without making them', async () => {
    const [a, b] = [tensor([5, 7]), tensor([3, 5, 4])]
    const outputs = [emit('matmul', [permute(a, [1, 0]), tensor([5, 2])]), emit('matmul', [permute(b, [0, 2, 1]), b], { alpha: 2 })]
    await check(outputs)
    expect(countOf(programOf(outputs), 'Transpose')).toBe(0)
  })

  it('keep softmax free of subnormal numbers', async () => {
    const scores = given([0, -1e30, 3, -1e30, -200, -1e30, 1, 2, 3], [3, 3])
    const [, probabilities] = emitAll('softmaxMatmul', [scores, tensor([3, 2])])
    const [values] = await runProgram(deviceOf(), programOf([probabilities!]))
    for (const value of values!) expect(value === 0 || value > 1e-30).toBe(true)
    await check([probabilities!])
  })

  it('ask for no newer operator set than they need', () => {
    const opsetOf = (output: Value): number =>
      decodeMessage('ModelProto', emitModel(programOf([output]), { initializers: true, target: 'node' }).bytes).opsetImport![0]!.version!
    expect(opsetOf(exp(tensor([2])))).toBe(21)
    expect(opsetOf(sort(tensor([2]), 0)[0]!)).toBe(26)
  })
})

describe('barriers', () => {
  it('wait for their token', async () => {
    const [x, token] = [tensor([4]), tensor([0, 3])]
    const late = cumsum(tensor([5]), 0)
    await check([barrier(x, late), barrier(constant(3, 'f32'), late), barrier(x, token), barrier(cast(x, 'bf16'), cast(late, 'bool'))])
  })
})
