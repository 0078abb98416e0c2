import { describe, expect, it } from 'vitest'
import { placeholder } from '../testing/evaluate.js'
import { emit } from '../graph/build.js'
import type { Value } from '../graph/node.js'
import { add, cast, concat, constant, exp, mul, reduceSum, reshape, slice, sort, updateSlice } from '../graph/primitives.js'
import type { DType } from '../dtype.js'
import type { KernelCaps } from '../kernel/ir.js'
import { printWgsl } from '../kernel/print-wgsl.js'
import { verifyKernel } from '../kernel/verify.js'
import { sym, type Shape } from '../shape.js'
import { buildProgram } from './build-program.js'
import { launchKernel } from '../device/cuda/testing/launch-ptx.js'
import { hasElements, planDispatches, type DispatchPlan } from './dispatches.js'
import { lower } from './lower.js'
import '../ops/table.js'

const device = {
  name: 'webgpu' as const,
  supports: (op: string, inputs: Parameters<typeof hasElements>[1], outputs: Parameters<typeof hasElements>[2]) =>
    hasElements(op, inputs, outputs),
}
const caps: KernelCaps = {
  f16: false,
  subgroups: false,
  sharedBytes: 16384,
  maxInvocations: 256,
  maxWorkgroup: [256, 256, 64],
  maxBindings: 8,
}
const input = (shape: Shape, dtype: DType = 'f32'): Value => placeholder({ shape, dtype })

/** Plans the kernels of a graph, each of which must be valid. */
function plan(outputs: readonly Value[], aliases?: readonly (Value | undefined)[]): DispatchPlan {
  const lowered = lower(outputs, device)
  const stands = new Map([...lowered.leaves].map(([stand, leaf]) => [leaf, stand]))
  const program = buildProgram(lowered.outputs, {
    ...lowered,
    ...(aliases === undefined ? {} : { aliases: aliases.map((value) => value && { node: stands.get(value.node)!, index: value.index }) }),
  })
  const planned = planDispatches(program, { maxBindings: caps.maxBindings })
  for (const { kernel } of planned.dispatches) {
    verifyKernel(kernel, caps)
    expect(printWgsl(kernel)).toContain('@compute')
  }
  return planned
}
const titles = ({ dispatches }: DispatchPlan): string[] => dispatches.map(({ title }) => title)
const threads = ({ dispatches }: DispatchPlan): number[] => dispatches.map((dispatch) => dispatch.threads(new Map()))

describe('kernels', () => {
  it('take chains of elements together, and keep what has several readers', () => {
    const x = input([4, 5])
    expect(titles(plan([exp(mul(add(x, constant(1, 'f32')), x))]))).toEqual(['exp'])
    const shared = exp(x)
    const both = plan([add(shared, mul(shared, x))])
    expect(titles(both)).toEqual(['exp', 'add'])
    expect(both.arena).toBe(256)
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

  it('are few for composites: a product one, softmax four, a norm six', () => {
    const [x, w] = [input([6, 8]), input([8, 3])]
    const product = emit('matmul', [x, w], {})
    expect(titles(plan([product]))).toEqual(['reduceSum'])
    expect(titles(plan([emit('softmax', [x], { axis: 1 })]))).toEqual(['reduceMax', 'exp', 'reduceSum', 'div'])
    expect(plan([emit('layerNorm', [x, input([8]), input([8])], { eps: 1e-5 })]).dispatches).toHaveLength(6)
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
        { kind: 'input', index: 0 },
        { kind: 'input', index: 1 },
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
    expect(titles(plan([reshape(y, [3, 1]), y]))).toHaveLength(2)
  })

  it('sort in two', () => {
    const [values, positions] = sort(input([2, 5]), 1)
    expect(titles(plan([values!, positions!]))).toEqual(['sort', 'sorted'])
  })

  it('give temporaries memory that is free again', () => {
    let value = input([64, 64])
    for (let i = 0; i < 6; i++) value = reduceSum(mul(reshape(value, [64, 64, 1]), constant(0.5, 'f32')), [2])
    const { dispatches, arena } = plan([value])
    expect(dispatches).toHaveLength(6)
    expect(arena).toBe(2 * 64 * 64 * 4)
  })

  it('say when a device cannot reach as many tensors', () => {
    expect(() =>
      plan([
        concat(
          Array.from({ length: 9 }, () => input([2])),
          0,
        ),
      ]),
    ).toThrow(/concat reads 9 tensors; the device reaches 6 at a time/)
  })
})
