import { describe, expect, it } from 'vitest'
import { type DType } from '../../../dtype.js'
import { emit, emitAll } from '../../../graph/build.js'
import { type Value } from '../../../graph/node.js'
import { add, iota, permute, reshape } from '../../../graph/primitives.js'
import { dataOf, given } from '../../../testing/evaluate.js'
import { sym } from '../../../shape.js'
import { checkOn, countOf, deviceForTests, tensor } from './__fixtures__/check.js'
import { programOf } from './__fixtures__/run.js'

const deviceOf = deviceForTests()
const check = (outputs: readonly Value[], options?: Parameters<typeof checkOn>[2]): Promise<void> => checkOn(deviceOf(), outputs, options)

describe('attention over a cache', () => {
  interface Layout {
    readonly batch?: number
    readonly heads?: number
    readonly keyHeads?: number
    readonly tokens: number
    readonly positions: number | readonly number[]
    readonly dtype?: DType
  }
  const build = ({ batch = 1, heads = 4, keyHeads = 2, tokens, positions, dtype = 'f32' }: Layout, attrs: Record<string, number>) => {
    const rows = [batch, keyHeads, tokens, 8]
    const [q, k, v, cacheK, cacheV] = [
      tensor([batch, heads, tokens, 8], dtype),
      tensor(rows, dtype),
      tensor(rows, dtype),
      tensor([batch, keyHeads, 9, 8], dtype),
      tensor([batch, keyHeads, 9, 8], dtype),
    ]
    const at = typeof positions === 'number' ? given([positions], [], 'i32') : given(positions, [positions.length], 'i32')
    return { outputs: emitAll('attendCached', [q, k, v, cacheK, cacheV, at], { scale: 0.5, ...attrs }), cacheK, cacheV }
  }
  it.each<[string, Layout, Record<string, number>]>([
    ['decode', { tokens: 1, positions: 4 }, {}],
    ['first token', { tokens: 1, positions: 0 }, {}],
    ['last row', { tokens: 1, positions: 8 }, {}],
    ['prefill', { tokens: 5, positions: 0 }, {}],
    ['chunk', { tokens: 3, positions: 4 }, {}],
    ['fills the cache', { tokens: 9, positions: 0 }, {}],
    ['one head each', { heads: 2, tokens: 2, positions: 3 }, {}],
    ['batch positions', { batch: 3, tokens: 1, positions: [0, 4, 8] }, {}],
    ['batch, one position', { batch: 2, tokens: 1, positions: 5 }, {}],
    ['window', { tokens: 3, positions: 4 }, { window: 2 }],
    ['window, decode', { tokens: 1, positions: 7 }, { window: 3 }],
    ['soft cap', { tokens: 2, positions: 2 }, { softcap: 1.5 }],
    ['f16', { tokens: 2, positions: 3, dtype: 'f16' }, {}],
  ])('%s', async (_, layout, attrs) => {
    const limit = layout.dtype === 'f16' ? 1e-5 : 1e-10
    const { outputs, cacheK, cacheV } = build(layout, attrs)
    expect(countOf(programOf(outputs), 'GroupQueryAttention')).toBe(1)
    await check(outputs, { limit })
    await check(outputs, { limit, aliases: [undefined, cacheK, cacheV] })
  })

  it('takes queries as layers make them, without a transpose', async () => {
    const heads = (x: Value, count: number): Value => permute(reshape(x, [1, 3, count, 8]), [0, 2, 1, 3])
    const tables = [tensor([16, 4]), tensor([16, 4])] as const
    const at = given([5], [], 'i32')
    const places = add(iota([3], 0, 'i32'), at)
    const turn = (x: Value): Value => emit('rope', [x, ...tables, places], { interleaved: false })
    const [q, k, v] = [turn(heads(tensor([1, 3, 32]), 4)), turn(heads(tensor([1, 3, 16]), 2)), heads(tensor([1, 3, 16]), 2)]
    const [cacheK, cacheV] = [tensor([1, 2, 16, 8]), tensor([1, 2, 16, 8])]
    const [out, newK, newV] = emitAll('attendCached', [q, k, v, cacheK, cacheV, at], { scale: 0.3 })
    const y = reshape(permute(out!, [0, 2, 1, 3]), [1, 3, 32])
    await check([y, newK!, newV!], { aliases: [undefined, cacheK, cacheV] })
    expect(countOf(programOf([y, newK!, newV!], { aliases: [undefined, cacheK, cacheV] }), 'Transpose')).toBe(0)
  })

  it.each([
    ['halves', false, 1, 1],
    ['neighbours', true, 1, 1],
    ['several tokens', false, 1, 3],
    ['rows at positions of their own', false, 2, 1],
  ] as const)('turns queries and keys itself: %s', async (_, interleaved, rows, tokens) => {
    const heads = (count: number): Value => permute(reshape(tensor([rows, tokens, 16 * count]), [rows, tokens, count, 16]), [0, 2, 1, 3])
    const tables = [tensor([20, 8]), tensor([20, 8])] as const
    const at = rows === 1 ? given([5], [], 'i32') : given([5, 9], [rows], 'i32')
    const steps = iota([tokens], 0, 'i32')
    const places = rows === 1 ? add(steps, at) : add(reshape(at, [rows, 1]), steps)
    const turn = (x: Value): Value => emit('rope', [x, ...tables, places], { interleaved })
    const [q, k, v] = [turn(heads(4)), turn(heads(2)), heads(2)]
    const caches = [tensor([rows, 2, 16, 16]), tensor([rows, 2, 16, 16])] as const
    const outputs = emitAll('attendCached', [q, k, v, ...caches, at], { scale: 0.3 })
    const options = { aliases: [undefined, ...caches] }
    await check(outputs, options)
    expect(countOf(programOf(outputs, options), 'RotaryEmbedding')).toBe(0)
    // Who reads the turned ones gets them all the same.
    await check([...outputs, k], { aliases: [...options.aliases, undefined] })
  })

  it.each([
    ['tables that differ', [20, 8], [20, 8], 16],
    ['a part of the width', [20, 4], undefined, 16],
    ['heads that the kernel does not turn', [20, 4], undefined, 8],
  ] as const)('leaves alone %s', async (_, of, other, width) => {
    const heads = (count: number): Value => tensor([1, count, 1, width])
    const tables = (): Value[] => [tensor(of), tensor(of)]
    const [first, at] = [tables(), given([5], [], 'i32')]
    const second = other === undefined ? first : tables()
    const places = add(iota([1], 0, 'i32'), at)
    const turn = (x: Value, by: readonly Value[]): Value => emit('rope', [x, ...by, places], { interleaved: false })
    const caches = [tensor([1, 2, 16, width]), tensor([1, 2, 16, width])] as const
    const outputs = emitAll('attendCached', [turn(heads(4), first), turn(heads(2), second), heads(2), ...caches, at], { scale: 0.3 })
    const options = { aliases: [undefined, ...caches] }
    await check(outputs, options)
    expect(countOf(programOf(outputs, options), 'RotaryEmbedding')).toBe(2)
  })

  it.each([1, 2, 5])('takes a number of tokens that is known in the call: %i', async (count) => {
    const tokens = sym('tokens', { max: 5 })
    const symbols = new Map([[tokens, count]])
    const heads = (of: number): Value => given(dataOf(tensor([1, of, count, 16])), [1, of, tokens, 16])
    const tables = [tensor([20, 8]), tensor([20, 8])] as const
    // With 5 tokens from row 12 on the last one is beyond the cache: it is dropped.
    for (const start of [0, 7, 12]) {
      const at = given([start], [], 'i32')
      const places = add(iota([tokens], 0, 'i32'), at)
      const turn = (x: Value): Value => emit('rope', [x, ...tables, places], { interleaved: false })
      const caches = [tensor([1, 2, 16, 16]), tensor([1, 2, 16, 16])] as const
      const written = emit('cacheWrite', [caches[0], heads(2), at])
      await check([written], { symbols })
      if (start + count > 16) continue
      const outputs = emitAll('attendCached', [turn(heads(4)), turn(heads(2)), heads(2), ...caches, at], { scale: 0.3 })
      await check(outputs, { symbols })
      await check(outputs, { symbols, aliases: [undefined, ...caches] })
    }
  })
})

describe('attention', () => {
  it.each<[string, Record<string, number>]>([
    ['plain', {}],
    ['window', { window: 100 }],
    ['soft cap', { softcap: 3 }],
  ])('of many tokens, causal, %s', async (_, attrs) => {
    const [q, k, v] = [tensor([2, 4, 400, 8]), tensor([2, 2, 400, 8]), tensor([2, 2, 400, 8])]
    const outputs = [emit('attention', [q, k, v], { causal: true, scale: 0.4, ...attrs })]
    await check(outputs)
    expect(countOf(programOf(outputs), 'GroupQueryAttention')).toBe(1)
  })

  it('without a mask', async () => {
    const [q, k, v] = [tensor([2, 4, 70, 12]), tensor([2, 4, 33, 12]), tensor([2, 4, 33, 12])]
    const outputs = [emit('attention', [q, k, v], { causal: false, scale: 0.4 })]
    await check(outputs)
    expect(countOf(programOf(outputs), 'MultiHeadAttention')).toBe(1)
  })
})
