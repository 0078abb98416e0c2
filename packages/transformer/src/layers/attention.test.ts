import { resolveDevice, tensor, toOnnx, type DeviceName, type Tensor } from '@tesserae/tensor'
import { random } from '@tesserae/core'
import { describe, expect, it } from 'vitest'
import { attendFull, type AttentionContext, type AttentionWeights } from './attention.js'
import { linear } from './linear.js'
import { rotaryTables } from './rotary.js'

const [heads, headWidth, width] = [4, 8, 24]

const noise = (site: string, ...shape: number[]): Tensor => {
  const stream = random(7).stream(site)
  return tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => stream.normal()),
    { shape },
  )
}

function layer(kvHeads: number): AttentionWeights {
  const projection = (site: string, out: number, from: number) => ({ weight: noise(site, out, from).mul(0.4) })
  return {
    query: projection('query', heads * headWidth, width),
    key: projection('key', kvHeads * headWidth, width),
    value: projection('value', kvHeads * headWidth, width),
    output: projection('output', width, heads * headWidth),
  }
}

/** What the observed probabilities make of the values, by the definition of attention. */
function byDefinition(weights: AttentionWeights, x: Tensor, probabilities: Tensor, kvHeads: number): Tensor {
  const [batch, tokens] = x.shape as readonly [number, number, number]
  const values = linear(weights.value, x)
    .reshape(batch, tokens, kvHeads, 1, headWidth)
    .expand(batch, tokens, kvHeads, heads / kvHeads, headWidth)
    .reshape(batch, tokens, heads, headWidth)
    .permute(0, 2, 1, 3)
  return linear(
    weights.output,
    probabilities
      .matmul(values)
      .permute(0, 2, 1, 3)
      .reshape(batch, tokens, heads * headWidth),
  )
}

// At 400 tokens the CPU takes a fused kernel for causal attention, at 7 it does not.
const cases: { device: DeviceName; kvHeads: number; tokens: number; padded: boolean }[] = [
  { device: 'reference', kvHeads: 4, tokens: 7, padded: false },
  { device: 'reference', kvHeads: 2, tokens: 7, padded: true },
  { device: 'cpu', kvHeads: 4, tokens: 7, padded: false },
  { device: 'cpu', kvHeads: 2, tokens: 7, padded: true },
  { device: 'cpu', kvHeads: 4, tokens: 400, padded: false },
  { device: 'cpu', kvHeads: 2, tokens: 400, padded: false },
]

describe.each(cases)('attention of $tokens tokens, $kvHeads key heads, padded: $padded, on $device', (item) => {
  const { kvHeads, tokens, padded } = item
  const weights = layer(kvHeads)
  const x = noise('x', 1, tokens, width)
  const context: AttentionContext = {
    shape: { heads, kvHeads, headWidth, ropeInterleaved: false },
    rotary: rotaryTables({ headWidth, context: tokens, ropeBase: 10_000 }),
    // An encoder's padding: the last two keys are seen by nobody.
    ...(padded
      ? {
          causal: false,
          mask: tensor(
            Array.from({ length: tokens }, (_, i) => i < tokens - 2),
            { shape: [1, 1, 1, tokens], dtype: 'bool' },
          ),
        }
      : {}),
  }

  it('is the same to the last bit when it is observed', async () => {
    const device = await resolveDevice(item.device)
    const usual = attendFull(weights, x, context)
    if (item.device === 'cpu') expect(Buffer.from(await toOnnx([usual])).includes('GroupQueryAttention')).toBe(tokens >= 384)
    const seen: Tensor[] = []
    const observed = attendFull(weights, x, { ...context, observe: (probabilities) => void seen.push(probabilities) })
    expect(await observed.data({ device })).toEqual(await usual.data({ device }))
    expect(seen.map(({ shape }) => shape)).toEqual([[1, heads, tokens, tokens]])
  })

  it('is what the observed probabilities make of the values', async () => {
    const device = await resolveDevice(item.device)
    let seen: Tensor | undefined
    const out = attendFull(weights, x, { ...context, observe: (probabilities) => (seen = probabilities) })
    const expected = await byDefinition(weights, x, seen!, kvHeads).data({ device })
    expect(largestDifference(await out.data({ device }), expected)).toBeLessThan(1e-5)
    const rows = await seen!.data({ device })
    for (let row = 0; row < rows.length / tokens; row++) {
      const own = Array.from(rows.subarray(row * tokens, (row + 1) * tokens) as Float32Array)
      expect(own.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5)
      const hidden = padded ? own.slice(tokens - 2) : own.slice((row % tokens) + 1)
      expect(hidden.every((share) => share === 0)).toBe(true)
    }
  })

  it('agrees within 1e-5 with the products and the softmax that dropout needs', async () => {
    const device = await resolveDevice(item.device)
    const usual = attendFull(weights, x, context)
    const spelledOut = attendFull(weights, x, { ...context, dropout: { probability: 0, key: tensor([1, 2], { dtype: 'u32' }) } })
    expect(Buffer.from(await toOnnx([spelledOut])).includes('GroupQueryAttention')).toBe(false)
    expect(largestDifference(await spelledOut.data({ device }), await usual.data({ device }))).toBeLessThan(1e-5)
  })
})

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length)
  let worst = 0
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!))
  return worst
}
