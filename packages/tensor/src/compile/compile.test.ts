import { describe, expect, it } from 'vitest'
import { referenceDevice } from '../device/reference/device.js'
import { constant, add, barrier, mul, neg, permute, reduceSum, reshape, slice, updateSlice, exp } from '../graph/primitives.js'
import { printGraph, toGraphviz, toMermaid } from '../graph/print.js'
import { topological } from '../graph/walk.js'
import type { Value } from '../graph/node.js'
import '../ops/table.js'
import { sym } from '../shape.js'
import { Storage } from '../storage.js'
import { planAliases } from './alias.js'
import { buildProgram } from './build-program.js'
import { lower } from './lower.js'
import { planMemory } from './memory.js'

const device = referenceDevice()
const leaf = (...shape: number[]): Value => new Storage({ shape, dtype: 'f32' }).value
const opsOf = (values: readonly Value[]): string[] => topological(values).map((node) => node.op)

describe('lower', () => {
  it('merges equal nodes by structure', () => {
    const x = leaf(4)
    const { outputs } = lower([add(exp(x), exp(x))], device)
    expect(opsOf(outputs)).toEqual(['input', 'exp', 'add'])
  })

  it('keeps barriers apart and says so', () => {
    const x = leaf(4)
    const { outputs, keepsDuplicates } = lower([add(exp(x), exp(barrier(x)))], device)
    expect(opsOf(outputs).filter((op) => op === 'exp')).toHaveLength(2)
    expect(keepsDuplicates).toBe(true)
  })

  it('removes what does nothing', () => {
    const x = leaf(2, 3)
    expect(opsOf(lower([neg(neg(reshape(permute(mul(x, constant(1, 'f32')), [0, 1]), [2, 3])))], device).outputs)).toEqual(['input'])
    expect(opsOf(lower([mul(x, constant(1, 'f32'))], device, { simplify: false }).outputs)).toContain('mul')
  })

  it('walks long chains without recursion', () => {
    let x = leaf(1)
    for (let i = 0; i < 20_000; i++) x = add(x, x)
    expect(opsOf(lower([x], device).outputs)).toHaveLength(20_001)
  })
})

describe('program keys', () => {
  const key = (make: (x: Value, y: Value) => Value): string =>
    buildProgram(lower([make(leaf(2), leaf(2))], device).outputs, { keepsDuplicates: false }).key

  it('are equal for equal structure, whatever the buffers', () => {
    expect(key((x, y) => add(exp(x), y))).toBe(key((x, y) => add(exp(x), y)))
  })

  it('tell apart what differs', () => {
    const keys = [
      key((x, y) => add(exp(x), y)),
      key((x, y) => add(x, exp(y))),
      key((x) => add(exp(x), x)),
      key((x) => add(x, constant(1, 'f32'))),
      key((x) => add(x, constant(2, 'f32'))),
    ]
    expect(new Set(keys).size).toBe(keys.length)
  })

  it('tell symbols of one name apart', () => {
    const [a, b] = [sym('n', { max: 7 }), sym('n', { max: 7 })]
    const of = (n: typeof a): string => buildProgram(lower([slice(leaf(7), [0], [n])], device).outputs, { keepsDuplicates: false }).key
    expect(of(a)).toBe(of(a))
    expect(of(a)).not.toBe(of(b))
    const x = leaf(7)
    expect(
      opsOf(lower([add(reduceSum(slice(x, [0], [a]), [0]), reduceSum(slice(x, [0], [b]), [0]))], device).outputs).filter(
        (op) => op === 'slice',
      ),
    ).toHaveLength(2)
  })

  it('list symbols and count a leaf used twice once', () => {
    const n = sym('n', { max: 7 })
    const x = new Storage({ shape: [n, 2], dtype: 'f32' }).value
    const program = buildProgram([add(x, x)], { keepsDuplicates: false })
    expect(program.symbols).toEqual([n])
    expect(program.inputs).toHaveLength(1)
  })
})

describe('planAliases', () => {
  it('lets a writer take the buffer when every reader comes before it', () => {
    const state = leaf(4)
    const next = updateSlice(state, reduceSum(state, [0], true), [0])
    expect(planAliases([next], new Set([state.node]))).toMatchObject({ aliases: [state], copied: [] })
    expect(planAliases([next], new Set()).aliases).toEqual([undefined])
  })

  it('moves writers to a second program when a reader is not an ancestor', () => {
    const state = leaf(4)
    const next = updateSlice(state, leaf(1), [0])
    const plan = planAliases([next, reduceSum(state, [0])], new Set([state.node]))
    expect(plan.aliases[0]).toEqual(state)
    expect([...plan.late]).toEqual([next.node])
  })

  it('copies and names the reader when even two programs do not help', () => {
    const state = leaf(4)
    const next = updateSlice(state, leaf(1), [0])
    const after = add(next, state) // reads the old value and the new one
    const plan = planAliases([next, after], new Set([state.node]))
    expect(plan.aliases[0]).toBeUndefined()
    expect(plan.copied).toEqual([{ output: 0, reader: 'add' }])
  })
})

describe('planMemory', () => {
  it('reuses the memory of what has died', () => {
    let x = leaf(1024)
    for (let i = 0; i < 10; i++) x = exp(x)
    const plan = planMemory(buildProgram([x], { keepsDuplicates: false }))
    expect(plan.arena).toBe(2 * 4096)
    expect(plan.temporaries).toBe(2 * 4096)
    expect(plan.outputs).toBe(4096)
  })

  it('never lets two living values overlap', () => {
    const x = leaf(100)
    const parts = [1, 2, 3, 4, 5].map((n) => mul(x, constant(n, 'f32')))
    const tree = parts.reduceRight((sum, part) => add(exp(sum), part))
    const program = buildProgram([tree], { keepsDuplicates: false })
    const { placements } = planMemory(program)
    const last = new Map(program.nodes.flatMap((node, step) => node.inputs.map((value) => [value.node, step] as const)))
    const alive = program.nodes.map((node, step) => ({
      node,
      from: step,
      to: last.get(node) ?? program.nodes.length,
      ...placements.get(node)![0]!,
    }))
    for (const a of alive)
      for (const b of alive)
        if (a !== b && a.bytes > 0 && b.bytes > 0 && a.from <= b.to && b.from <= a.to)
          expect(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset).toBe(true)
  })
})

describe('printing', () => {
  it('shows graphs as text, Graphviz and Mermaid', () => {
    const x = leaf(2, 3)
    const y = reduceSum(exp(x), [1])
    expect(printGraph([y])).toBe(
      '%0 = input() : f32[2, 3]\n%1 = exp(%0) : f32[2, 3]\n%2 = reduceSum(%1){axes=[1] keepDims=false} : f32[2]\nreturn %2',
    )
    expect(toGraphviz([y])).toContain('n1 -> n2')
    expect(toMermaid([y])).toContain('n0 --> n1')
  })
})
