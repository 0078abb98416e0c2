import { describe, expect, it } from 'vitest'
import type { DType } from '../../../dtype.js'
import { emitAll } from '../../../graph/build.js'
import type { Value } from '../../../graph/node.js'
import { sym, type Sym } from '../../../shape.js'
import { dataOf, given } from '../../../testing/evaluate.js'
import { checkOn, countOf, deviceForTests, tensor } from './__fixtures__/check.js'
import { programOf } from './__fixtures__/run.js'

const deviceOf = deviceForTests()

interface Layout {
  readonly batch?: number
  readonly tokens: number
  /** Where their number is known in the call. */
  readonly symbol?: Sym
  readonly capacity?: number
  readonly width?: number
  readonly positions: number | readonly number[]
}

/** The inputs of `attendCached`, and the caches among them. */
function inputsOf(bits: 4 | 8, { batch = 1, tokens, symbol, capacity = 9, width = 32, positions }: Layout) {
  const rows = (heads: number): Value => given(dataOf(tensor([batch, heads, tokens, width])), [batch, heads, symbol ?? tokens, width])
  const whole = (shape: readonly number[], at: (i: number) => number, dtype: DType): Value =>
    given(
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => at(i)),
      shape,
      dtype,
    )
  const codes = (seed: number): Value =>
    bits === 8
      ? whole([batch, 2, capacity, width], (i) => ((i * 37 + seed) % 255) - 127, 'i8')
      : whole([batch, 2, capacity, width / 2], (i) => (i * 37 + seed) % 256, 'u8')
  const steps = (seed: number): Value =>
    whole([batch, 2, capacity, width / 32], (i) => (bits === 8 ? 0.01 : 0.1) * Math.sin(i + seed), 'f32')
  const at = typeof positions === 'number' ? given([positions], [], 'i32') : given(positions, [positions.length], 'i32')
  const caches = [codes(1), codes(2), steps(3), steps(4)] as const
  return { inputs: [rows(4), rows(2), rows(2), caches[0], caches[1], at, caches[2], caches[3]], caches }
}

describe.each([8, 4] as const)('caches of %d bits', (bits) => {
  it.each<[string, Layout, Record<string, number>]>([
    ['decode', { tokens: 1, positions: 4 }, {}],
    ['first token', { tokens: 1, positions: 0 }, {}],
    ['fills the cache', { tokens: 9, positions: 0 }, {}],
    ['chunk', { tokens: 3, positions: 4, width: 64 }, { window: 2 }],
    ['sequences apart, one of them idle', { batch: 3, tokens: 1, positions: [0, -1, 8] }, { window: 4 }],
    ['soft cap', { tokens: 2, positions: 2 }, { softcap: 1.5 }],
  ])('are written in place: %s', async (_, layout, attrs) => {
    const { inputs, caches } = inputsOf(bits, layout)
    const outputs = emitAll('attendCached', inputs, { scale: 0.3, ...attrs })
    expect(countOf(programOf(outputs), 'DequantizeLinear')).toBe(bits === 8 ? 2 : 4)
    await checkOn(deviceOf(), outputs, { limit: 1e-9, aliases: [undefined, ...caches] })
  })

  it.each([1, 3, 6])('take any number of tokens: %d', async (tokens) => {
    const symbol = sym('tokens', { max: 6 })
    const { inputs, caches } = inputsOf(bits, { tokens, symbol, positions: 2, capacity: 24 })
    const outputs = emitAll('attendCached', inputs, { scale: 0.3, window: 4 })
    await checkOn(deviceOf(), outputs, { limit: 1e-9, aliases: [undefined, ...caches], symbols: new Map([[symbol, tokens]]) })
  })
})
