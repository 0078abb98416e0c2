/** Products by tensor cores: which are, on which cards, what each cut of them costs, and Turing's way of copying. The edges on Ampere are among those of all kernels. */
import { afterAll, describe, expect, it } from 'vitest'
import { buildProgram } from '../../compile/build-program.js'
import { planDispatches } from '../../compile/dispatches.js'
import { hasKernel } from '../../compile/kept.js'
import { lower } from '../../compile/lower.js'
import type { DType } from '../../dtype.js'
import { emit } from '../../graph/build.js'
import type { Value } from '../../graph/node.js'
import { add, cast } from '../../graph/primitives.js'
import type { Kernel, KernelCaps } from '../../kernel/ir.js'
import { matrixBlock, type MatrixCaps } from '../../kernel/lib/matrix-tuning.js'
import { cudaTuning } from '../../kernel/lib/tuning.js'
import { printPtx, type PtxTarget } from '../../kernel/print-ptx.js'
import { assemble, findPtxas, joinModules, noPtxas } from '../../kernel/testing/ptxas.js'
import { verifyKernel } from '../../kernel/verify.js'
import { sym, type Dim } from '../../shape.js'
import { placeholder } from '../../testing/evaluate.js'
import { matrixEdges } from '../../testing/matrix-edges.js'
import { openCuda } from './device.js'
import { emulatedDriver } from './testing/driver.js'
import '../../ops/table.js'

const cards = {
  sm_75: { mma: ['f16'], processors: 40 },
  sm_80: { mma: ['f16', 'bf16'], copyAsync: true, processors: 108 },
  sm_90: { mma: ['f16', 'bf16'], copyAsync: true, processors: 132 },
} as const satisfies Partial<Record<PtxTarget, MatrixCaps>>
/** Shared memory of a workgroup on the smallest of them. */
const caps: KernelCaps = {
  f16: true,
  subgroups: true,
  storeHalf: true,
  sharedBytes: 65536,
  maxInvocations: 1024,
  maxWorkgroup: [1024, 1024, 64],
  maxBindings: 16,
}

const input = (shape: readonly Dim[], dtype: DType = 'f16'): Value => placeholder({ shape, dtype })

function kernelOf(value: Value, target: keyof typeof cards): Kernel {
  const { processors, ...mma } = cards[target]
  const lowered = lower([value], { name: 'cuda', supports: hasKernel })
  const tuning = { ...cudaTuning, matrices: matrixBlock.bind(undefined, { ...mma, processors }) }
  const { dispatches } = planDispatches(buildProgram(lowered.outputs, lowered), { maxBindings: 16, tuning })
  expect(dispatches).toHaveLength(1)
  const { kernel } = dispatches[0]!
  // Ada has the least of those that copy by themselves.
  verifyKernel(kernel, { ...caps, ...mma, sharedBytes: target === 'sm_75' ? 65536 : 101376 })
  return kernel
}
const isByMatrices = (value: Value, target: keyof typeof cards = 'sm_80'): boolean =>
  printPtx(kernelOf(value, target), { target }).includes('mma.sync')

describe('tensor cores', () => {
  const product = (rows: Dim, inner: Dim, columns: Dim, dtype: DType = 'f16'): Value =>
    emit('matmul', [input([rows, inner], dtype), input([inner, columns], dtype)], {})
  it('take products of f16, and of bf16 from Ampere on, of enough rows and columns', () => {
    expect(isByMatrices(product(9, 16, 16))).toBe(true)
    expect(isByMatrices(product(9, 16, 16), 'sm_75')).toBe(true)
    expect(isByMatrices(product(9, 16, 16, 'bf16'))).toBe(true)
    expect(isByMatrices(product(9, 16, 16, 'bf16'), 'sm_75')).toBe(false)
    expect(isByMatrices(product(64, 64, 64, 'f32'))).toBe(false)
    expect(isByMatrices(product(8, 64, 64))).toBe(false)
    expect(isByMatrices(product(64, 64, 8))).toBe(false)
    expect(isByMatrices(product(64, 8, 64))).toBe(false)
    const tokens = sym('tokens', { max: 512 })
    expect(isByMatrices(product(tokens, 64, 64))).toBe(true)
    expect(isByMatrices(product(64, tokens, 64))).toBe(true)
    expect(isByMatrices(product(64, 64, tokens))).toBe(true)
  })
  it('take what follows with them, unless it is written in bytes', () => {
    expect(isByMatrices(cast(add(product(16, 32, 64), input([16, 64])), 'f32'))).toBe(true)
    expect(isByMatrices(cast(product(16, 32, 64), 'u8'))).toBe(false)
  })

  const ptxas = findPtxas()
  it.skipIf(ptxas === undefined).each(Object.keys(cards) as (keyof typeof cards)[])(
    `take no more registers than there are, whatever the cut, on %s${ptxas === undefined ? ` (${noPtxas})` : ''}`,
    (target) => {
      const followed = (rows: number, columns: number, inner = 64): Value => {
        const attrs = { activation: 'gelu', transA: rows % 128 !== 0, transB: true }
        const operands = [input(attrs.transA ? [inner, rows] : [rows, inner]), input([columns, inner]), input([columns])]
        return add(emit('matmul', operands, attrs), input([rows, columns]))
      }
      const pair = emit('mul', [product(2048, 64, 2048), product(2048, 64, 2048)], {})
      const values = [followed(4096, 4096), followed(1000, 1000), followed(640, 640), followed(32, 64), followed(33, 37, 35), pair]
      const texts = values.map((value) => printPtx(kernelOf(value, target), { target }))
      const { errors, entries } = assemble(ptxas!, joinModules(texts), target)
      expect(errors).toEqual([])
      expect(entries).toHaveLength(values.length)
      expect(entries.filter(({ spillStores }) => spillStores > 0)).toEqual([])
    },
  )
})

describe('on Turing, whose threads copy themselves', () => {
  const device = openCuda(emulatedDriver({ capability: [7, 5], order: 'random', checks: { global: true } }))
  afterAll(() => device.dispose())
  const edges = matrixEdges.filter(({ name }, i) => name.includes(' f16') && (i % 3 === 0 || name.includes('large')))
  it.each(edges.map((edge) => [edge.name, edge] as const))('%s', async (_, { check }) => {
    expect(await check(device)).toBeUndefined()
  })
})
