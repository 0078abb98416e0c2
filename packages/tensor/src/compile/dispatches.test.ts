import { describe, expect, it } from 'vitest'
import { placeholder } from '../testing/evaluate.js'
import { emit, emitAll } from '../graph/build.js'
import type { Attrs, TensorType, Value } from '../graph/node.js'
import {
  add,
  cast,
  concat,
  constant,
  cumsum,
  exp,
  expand,
  flip,
  mul,
  permute,
  reduceSum,
  reshape,
  scatterAdd,
  slice,
  sort,
  updateSlice,
  where,
} from '../graph/primitives.js'
import type { DType } from '../dtype.js'
import { gpuTuning, softwareTuning, type Tuning } from '../kernel/lib/tuning.js'
import { printWgsl } from '../kernel/print-wgsl.js'
import { leastCaps } from '../kernel/testing/caps.js'
import { verifyKernel } from '../kernel/verify.js'
import { sym, type Shape } from '../shape.js'
import { buildProgram } from './build-program.js'
import { launchKernel } from '../device/cuda/testing/launch-ptx.js'
import { planDispatches, type DispatchPlan } from './dispatches.js'
import { hasKernel } from './kept.js'
import { Arena } from './memory.js'
import { lower } from './lower.js'
import '../ops/table.js'

const device = {
  name: 'webgpu' as const,
  supports: (op: string, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs): boolean =>
    hasKernel(op, inputs, outputs, attrs),
}
const input = (shape: Shape, dtype: DType = 'f32'): Value => placeholder({ shape, dtype })

/** Plans the kernels of a graph, each of which must be valid. */
function plan(
  outputs: readonly Value[],
  aliases?: readonly (Value | undefined)[],
  maxBindings = leastCaps.maxBindings,
  tuning: Tuning = softwareTuning,
): DispatchPlan {
  const lowered = lower(outputs, device)
  const stands = new Map([...lowered.leaves].map(([stand, leaf]) => [leaf, stand]))
  const program = buildProgram(lowered.outputs, {
    ...lowered,
    ...(aliases === undefined ? {} : { aliases: aliases.map((value) => value && { node: stands.get(value.node)!, index: value.index }) }),
  })
  const planned = planDispatches(program, { maxBindings, tuning })
  for (const { kernel } of planned.dispatches) {
    verifyKernel(kernel, { ...leastCaps, maxBindings })
    expect(printWgsl(kernel)).toContain('@compute')
  }
  return planned
}
const onGpu = (outputs: readonly Value[]): DispatchPlan => plan(outputs, undefined, undefined, gpuTuning)
const titles = ({ dispatches }: DispatchPlan): string[] => dispatches.map(({ title }) => title)
const threads = ({ dispatches }: DispatchPlan): number[] => dispatches.map((dispatch) => dispatch.threads(new Map()))

describe('kernels', () => {
  it('take chains of elements together, and keep what has several readers', () => {
    const x = input([4, 5])
    expect(titles(plan([exp(mul(add(x, constant(1, 'f32')), x))]))).toEqual(['exp'])
    const shared = exp(x)
    const both = plan([add(shared, mul(shared, x))])
    expect(titles(both)).toEqual(['exp_add'])
    expect(both.arena).toBe(0)
    const broadcast = plan([add(x, reshape(reduceSum(shared, [1]), [4, 1])), shared])
    expect(titles(broadcast)).toEqual(['exp', 'reduceSum', 'add'])
  })

  it('read nothing behind the last element where a word holds more than there are', () => {
    const { dispatches } = plan([cast(input([7]), 'u8')])
    const [x, out] = [Float32Array.of(1, 2, 3, 4, 5, 6, 300), new Uint32Array(2)]
    launchKernel(
      dispatches[0]!.kernel,
      dispatches[0]!.places.map(({ kind }) => (kind === 'input' ? x : out)),
      { checks: { global: true } },
    )
    expect([...new Uint8Array(out.buffer).subarray(0, 7)]).toEqual([1, 2, 3, 4, 5, 6, 255])
  })

  it('are one for a product or a row operation, with what follows element by element', () => {
    const [x, w] = [input([6, 8]), input([8, 3])]
    const product = emit('matmul', [x, w], {})
    expect(titles(plan([product]))).toEqual(['matmul'])
    expect(titles(plan([add(exp(product), input([6, 3]))]))).toEqual(['matmul_add'])
    expect(titles(plan([mul(exp(product), emit('matmul', [x, input([8, 3])], {}))]))).toEqual(['matmul_matmul_mul'])
    expect(titles(plan([add(product, reduceSum(product, [1], true))]))).toEqual(['matmul', 'reduceSum', 'add'])
    expect(titles(plan([emit('softmax', [x], { axis: 1 })]))).toEqual(['softmax'])
    expect(titles(plan([emit('softmax', [x], { axis: 0 })]))).toEqual(['reduceMax', 'exp', 'reduceSum', 'div'])
    expect(titles(plan([exp(emit('layerNorm', [x, input([8]), input([8])], { eps: 1e-5 }))]))).toEqual(['layerNorm_exp'])
  })

  it('write several values of one order at once, unless one is read elsewhere than at its own place', () => {
    const [x, y] = [input([4, 5]), input([4, 5])]
    expect(titles(plan([exp(x), add(x, y), reshape(mul(x, y), [4, 1, 5])]))).toEqual(['exp_add_reshape'])
    expect(titles(plan([exp(x), exp(reshape(y, [20]))]))).toEqual(['exp', 'exp'])
    const turned = exp(x)
    expect(titles(plan([turned, flip(turned, [0])]))).toEqual(['exp', 'flip'])
    // A value that is read at another place may not be written over by threads of the same kernel.
    expect(titles(plan([add(x, y), flip(x, [0])], [x, undefined]))).toHaveLength(2)
  })

  it('have a thread for each word of memory', () => {
    const of = (dtype: DType): number[] => threads(plan([add(input([3, 3], dtype), input([3], dtype))]))
    expect([of('f32'), of('f16'), of('i8')]).toEqual([[9], [5], [3]])
    const n = sym('n', { max: 10 })
    const rows = plan([exp(input([n, 4]))]).dispatches[0]!
    expect(rows.symbols).toEqual([n])
    expect(rows.threads(new Map([[n, 7]]))).toBe(28)
  })

  it('write an output into the memory of an input that is given away, bound once, after what else reads it', () => {
    const [x, update] = [input([4, 4]), input([1, 4])]
    const { dispatches } = plan([updateSlice(x, update, [1, 0])], [x])
    expect(dispatches[0]!.places).toEqual(
      expect.arrayContaining([
        { kind: 'input', index: 0, ranges: 1 },
        { kind: 'input', index: 1, ranges: 1 },
      ]),
    )
    expect(dispatches[0]!.places).toHaveLength(2)
    // Read inside the kernel that writes, these would be read after others have written.
    expect(titles(plan([updateSlice(x, exp(slice(x, [0, 0], [1, 4])), [2, 0])], [x]))).toEqual(['slice', 'updateSlice'])
    expect(titles(plan([updateSlice(x, reduceSum(x, [0], true), [2, 0])], [x]))).toEqual(['reduceSum', 'updateSlice'])
  })

  it('copy an output that is an input, and two that are one value', () => {
    const x = input([3])
    expect(titles(plan([x]))).toEqual(['copy'])
    const y = exp(x)
    expect(titles(plan([y, y]))).toEqual(['exp', 'copy'])
    expect(titles(plan([reshape(y, [3, 1]), y]))).toEqual(['exp_reshape'])
  })

  it('sort in two, and one for the order alone; longer lines are merged', () => {
    const [values, positions] = sort(input([2, 5]), 1)
    expect(titles(plan([values!, positions!]))).toEqual(['sort', 'sorted'])
    expect(titles(plan([positions!]))).toEqual(['sort'])
    // Each element counts those before it; on graphics processors a workgroup takes a tile, here of lines of eight.
    expect(threads(plan(sort(input([200, 5]), 1)))).toEqual([1000, 1000])
    expect(threads(onGpu(sort(input([200, 5]), 1)))).toEqual([128 * Math.ceil((200 * 8) / 256), 1000 / 4])
    const long = onGpu(sort(input([3, 40_000]), 1))
    expect(titles(long)).toEqual(['sort', 'sortMerge', 'sortMerge', 'sortMerge', 'sorted'])
    // Two pairs of keys and places take turns.
    expect(long.arena).toBe(4 * 480_000)
    expect(titles(plan(sort(input([3, 2000]), 1)))).toEqual(['sort', 'sortMerge', 'sortMerge', 'sortMerge', 'sorted'])
  })

  it('add running sums up by spans, and short ones with what follows', () => {
    expect(titles(plan([exp(cumsum(input([7, 16]), 1))]))).toEqual(['cumsum_exp'])
    expect(titles(plan([exp(cumsum(input([7, 17]), 1))]))).toEqual(['cumsum in parts', 'cumsum', 'exp'])
    expect(titles(plan([cumsum(input([4096, 17]), 1)]))).toEqual(['cumsum'])
    expect(titles(onGpu([cumsum(input([7, 128]), 1)]))).toEqual(['cumsum'])
    expect(titles(onGpu([cumsum(input([7, 5000]), 1)]))).toEqual(['cumsum in parts', 'cumsum'])
    expect(titles(plan([cumsum(input([17], 'f16'), 0)]))).toEqual(['cumsum in parts', 'cumsum', 'cumsumPack'])
  })

  it('put the indices of many updates in order once for all that add there, and look through few', () => {
    const [table, more] = [input([50, 4]), input([50, 4])]
    const added = (count: number): Value[] => {
      const indices = input([count], 'i32')
      return [scatterAdd(table, indices, input([count, 4]), 0), exp(scatterAdd(more, indices, input([count, 4]), 0))]
    }
    expect(titles(plan(added(16), undefined, 12))).toEqual(['scatterAdd_exp'])
    expect(titles(plan(added(17), undefined, 12))).toEqual(['indexOrder', 'scatterOrdered_exp'])
    const indices = input([17], 'i32')
    const apart = [scatterAdd(table, indices, input([17, 4]), 0), scatterAdd(input([9, 4]), indices, input([17, 4]), 0)]
    // Tables of other sizes clamp other indices.
    expect(titles(plan(apart)).filter((title) => title === 'indexOrder')).toHaveLength(2)
    // Zeros are worked out where something is added to them.
    const zeros = expand(constant(0, 'f32'), [50, 4])
    const gradient = plan([scatterAdd(zeros, indices, input([17, 4]), 0)])
    expect(titles(gradient)).toEqual(['indexOrder', 'scatterOrdered'])
    // The ranges of 50 indices, and 17 numbers of updates.
    expect(gradient.arena).toBe(512 + 256)
    const tokens = (count: number): readonly Value[] => [
      scatterAdd(expand(constant(0, 'f32'), [50_257, 8]), input([count], 'i32'), input([count, 8]), 0),
    ]
    expect(titles(onGpu(tokens(2048)))).toEqual(['indexOrder', 'scatterOrdered'])
    expect(titles(onGpu(tokens(16_384)))).toEqual([
      'indexOrder',
      'indexOrderMerge',
      'indexOrderMerge',
      'indexOrderRanges',
      'scatterOrdered',
    ])
  })

  it('give temporaries memory that is free again', () => {
    let value = input([64, 64])
    for (let i = 0; i < 6; i++) value = reduceSum(mul(reshape(value, [64, 64, 1]), constant(0.5, 'f32')), [2])
    const { dispatches, arena } = plan([value])
    expect(dispatches).toHaveLength(6)
    expect(arena).toBe(2 * 64 * 64 * 4)
  })

  it('put many tensors together some at a time, and say when a device cannot reach as many', () => {
    const many = Array.from({ length: 9 }, () => input([2]))
    const joined = plan([concat(many, 0)])
    expect(titles(joined)).toEqual(['concat', 'concat'])
    expect(joined.dispatches.map(({ places }) => places.length)).toEqual([7, 4])
    expect(() => plan([where(input([2], 'bool'), input([2]), input([2]))], undefined, 3)).toThrow(
      /where reads and writes 4 tensors; the device reaches 3 at a time/,
    )
  })

  it('find sums of many elements in parts', () => {
    expect(titles(plan([reduceSum(exp(input([64, 64])), [0, 1])]))).toEqual(['reduceSum in parts', 'reduceSum'])
    expect(titles(plan([reduceSum(input([64, 64]), [0])]))).toEqual(['reduceSum'])
  })

  it('find long sums of several tensors in the same two, on graphics processors', () => {
    const gradients = [64, 80, 33].map((size) => exp(input([size, 64])))
    const squares = gradients.map((gradient) => reduceSum(mul(gradient, gradient), [0, 1]))
    const norm = add(add(squares[0]!, squares[1]!), squares[2]!)
    const scaled = gradients.map((gradient) => mul(gradient, reshape(norm, [1, 1])))
    const of = (tuning: Tuning): string[] => titles(plan(scaled, undefined, 10, tuning))
    expect(of(softwareTuning).filter((title) => title.startsWith('reduceSum'))).toHaveLength(6)
    expect(of(gpuTuning).filter((title) => title.startsWith('reduceSum'))).toEqual(['reduceSum in parts', 'reduceSum'])
    // One that is written over is read before.
    const x = input([64, 64])
    const [sum, doubled] = [reduceSum(x, [0, 1]), mul(x, constant(2, 'f32'))]
    const late = plan([sum, doubled, add(sum, constant(1, 'f32'))], [undefined, x, undefined], 10, gpuTuning)
    expect(titles(late).slice(0, 3)).toEqual(['reduceSum in parts', 'reduceSum', 'mul'])
  })

  it('read and write vectors where elements lie in the order of threads, on graphics processors', () => {
    const lanes = (outputs: readonly Value[]): number[] =>
      plan(outputs, undefined, 10, gpuTuning).dispatches[0]!.kernel.storages.map(({ element }) => element.lanes)
    const [x, row, column] = [input([6, 8]), input([8]), input([6, 1])]
    expect(lanes([mul(add(x, row), column)])).toEqual([4, 4, 4, 1])
    expect(lanes([add(input([3, 3]), input([3, 3]))])).toEqual([1, 1, 1])
    // Read in two ways, an array is one of words.
    expect(lanes([add(x, flip(x, [1]))])).toEqual([4, 1])
    const n = sym('n', { max: 10 })
    expect(lanes([cast(input([n, 8], 'f16'), 'f32')])).toEqual([4, 2])
  })

  it('are nine for a layer of Llama that decodes', () => {
    const [width, hidden, heads, keyHeads, size] = [64, 96, 4, 2, 16]
    const weight = (rows: number): Value => input([rows, width])
    const product = (x: Value, w: Value): Value => emit('matmul', [x, w], { transB: true })
    const x = input([1, 1, width])
    const tables = [input([32, size / 2]), input([32, size / 2])]
    const [position, cacheK, cacheV] = [input([1], 'i32'), input([1, keyHeads, 32, size]), input([1, keyHeads, 32, size])]
    const split = (y: Value, count: number): Value => permute(reshape(y, [1, 1, count, size]), [0, 2, 1, 3])
    const turn = (y: Value): Value => emit('rope', [y, ...tables, position], { interleaved: false })
    const normal = emitAll('rmsNorm', [x, input([width])], { eps: 1e-5 })[0]!
    const q = turn(split(product(normal, weight(heads * size)), heads))
    const k = turn(split(product(normal, weight(keyHeads * size)), keyHeads))
    const v = split(product(normal, weight(keyHeads * size)), keyHeads)
    const [attended, newK, newV] = emitAll('attendCached', [q, k, v, cacheK, cacheV, position], { scale: 0.25 })
    const after = add(product(reshape(permute(attended!, [0, 2, 1, 3]), [1, 1, heads * size]), weight(width)), x)
    const again = emitAll('rmsNorm', [after, input([width])], { eps: 1e-5 })[0]!
    const inner = mul(emit('silu', [product(again, weight(hidden))], {}), product(again, weight(hidden)))
    const out = add(product(inner, input([width, hidden])), after)
    const planned = plan([out, newK!, newV!], [undefined, cacheK, cacheV], 10)
    expect(titles(planned)).toEqual([
      'rmsNorm',
      'matmul_matmul_matmul',
      'rope',
      'cacheWrite',
      'attendCached',
      'matmul_add',
      'rmsNorm',
      'matmul_matmul_mul',
      'matmul_add',
    ])
    // Of the caches only the new rows are written.
    expect(threads(planned)[3]).toBe(keyHeads * size)
  })
})

describe('memory that is bound in ranges', () => {
  it('lies so that no binding goes from one block to the next', () => {
    const arena = new Arena()
    const taken: (readonly [offset: number, bytes: number])[] = []
    for (let i = 0; i < 400; i++) {
      const bytes = 256 * (1 + ((i * 7919) % 9))
      const split = bytes > 1024
      const offset = arena.take(bytes, split ? { step: 1024 } : { within: 2048 })
      if (split) expect(offset % 1024).toBe(0)
      else expect(Math.floor(offset / 2048)).toBe(Math.floor((offset + bytes - 1) / 2048))
      for (const [other, size] of taken) expect(offset >= other + size || other >= offset + bytes).toBe(true)
      expect(offset + bytes).toBeLessThanOrEqual(arena.size)
      taken.push([offset, bytes])
      if (i % 3 > 0) arena.give(...taken.splice((i * 31) % taken.length, 1)[0]!)
    }
  })
})
